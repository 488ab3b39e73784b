"""The commands' words about a daemon that does not answer, where it is installed as a service."""

from __future__ import annotations

import socket

import pytest

from mayfly.service import files
from support.world import World


async def test_status_says_that_units_are_of_another_version_though_nothing_runs(world: World) -> None:
    """Where the daemon does not run and its units are stale, the way to start it is the one that mends them, too."""
    unit = world.home / ".config/systemd/user/mayfly.service"
    files.write(unit, files.stamped("[Service]\n", version="0.0.1"))
    stale = await world.run("status")
    files.write(unit, files.stamped("[Service]\n"))
    same = await world.run("status")

    assert (3, 3) == (stale.code, same.code)
    assert "it is installed, with the units of mayfly 0.0.1: mayfly install --now" in stale.err
    assert "systemctl --user start mayfly.socket mayfly.service" in same.err


SYSTEMCTL = """#!/bin/sh
case "$*" in
  *show*) printf 'StatusText=%s\\nActiveState=%s\\n' "{text}" "{state}" ;;
esac
"""


@pytest.mark.parametrize(
    ("state", "text", "expected"),
    [
        (
            "activating",
            "not serving: config.toml: no profile",
            [
                "error: the service says: not serving: config.toml: no profile",
                "hint: systemctl --user status mayfly.service",
            ],
        ),
        ("active", "", ["hint: systemctl --user status mayfly.service"]),
        ("inactive", "old", ["hint: it is installed: systemctl --user start mayfly.socket mayfly.service"]),
    ],
)
async def test_the_status_line_of_a_starting_service_is_told(
    world: World, state: str, text: str, expected: list[str]
) -> None:
    """A daemon that waits for a better config tells systemd why. The command shows that reason; a start would not."""
    files.write(world.home / ".config/systemd/user/mayfly.service", files.stamped("[Service]\n"))
    systemctl = world.folder / "bin/systemctl"
    systemctl.parent.mkdir()
    systemctl.write_text(SYSTEMCTL.format(state=state, text=text))
    systemctl.chmod(0o755)
    world.run_dir.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(world.run_dir / "control.sock"))
        ended = await world.run("status", env={"PATH": f"{systemctl.parent}:{world.env['PATH']}"})

    assert 3 == ended.code
    assert [f"mayfly: {line}" for line in expected] == ended.err.splitlines()[1:]
