"""The units' texts, and what stands where they are to be written."""

from __future__ import annotations

import plistlib
import re
import socket

from pathlib import Path

import attrs
import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly import __version__
from mayfly.service import files, sandbox, units
from mayfly.service.files import FileState
from mayfly.service.installed_version import InstalledVersion
from mayfly.service.units import Values
from mayfly.shared.errors import ConfigInvalid
from support.world import World


VALUES = Values(python="/opt/mayfly/bin/python", listen=("127.0.0.1", 9170), home="/home/carmas")


def test_no_hole_is_left_in_a_unit() -> None:
    """Every placeholder of every template is filled."""
    texts = [*units.systemd(VALUES).values(), units.launchd(VALUES)]

    assert [] == [hole for text in texts for hole in re.findall(r"@[A-Z_]+@", text)]


def test_a_config_that_is_not_the_usual_one_is_named() -> None:
    """`--config` reaches the daemon and the exchange, as one word each."""
    found = units.systemd(attrs.evolve(VALUES, config="/home/carmas/my config.toml"))

    assert 'serve --sealed --config "/home/carmas/my config.toml"\n' in found["mayfly.service"]
    assert '-m mayfly.exchange --config "/home/carmas/my config.toml"\n' in found["mayfly-exchange@.service"]


def test_a_folder_with_op_is_looked_at_first() -> None:
    """Where this shell finds `op`, the services find it, too."""
    found = units.systemd(attrs.evolve(VALUES, op_folders=("/opt/op",)))

    assert "Environment=PATH=/opt/op:/usr/local/sbin:" in found["mayfly.service"]
    assert "Environment=PATH=/opt/op:/usr/local/sbin:" in found["mayfly-exchange@.service"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (VALUES, "yes"),
        (attrs.evolve(VALUES, python="/tmp/venv/bin/python"), "no"),
        (attrs.evolve(VALUES, home="/var/tmp/home"), "no"),
        (attrs.evolve(VALUES, config="/tmp/config.toml"), "no"),
    ],
)
def test_tmp_is_private_unless_something_of_ours_lies_there(values: Values, expected: str) -> None:
    """A private /tmp would hide a program, a home or a config that lies under it."""
    assert f"PrivateTmp={expected}\n" in units.systemd(values)["mayfly.service"]


@pytest.mark.parametrize(("home", "expected"), [("/home/carmas", "/run"), ("/run/media/disk/carmas", "%t")])
def test_others_sockets_are_hidden_unless_something_of_ours_lies_there(home: str, expected: str) -> None:
    """All of /run is hidden; but where a program, a home or a config lies under it, only the runtime folder is."""
    assert f"TemporaryFileSystem={expected}\n" in units.systemd(attrs.evolve(VALUES, home=home))["mayfly.service"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/usr/bin/python3", "/usr/bin/python3"),
        ("/home/a b/python", '"/home/a b/python"'),
        ("/home/100%/python", "/home/100%%/python"),
        ('/home/"x"\\y/python', '"/home/\\"x\\"\\\\y/python"'),
    ],
)
def test_a_path_is_quoted_as_systemd_reads_it(word: str, expected: str) -> None:
    """Blanks, quotes, backslashes and percent signs survive."""
    assert expected == units.quoted(word)


@pytest.mark.parametrize("word", ["/home/$x/python", "/home/a\nb/python"])
def test_a_path_that_systemd_cannot_be_told_is_refused(word: str) -> None:
    """A dollar or a line break would become something else."""
    with pytest.raises(ConfigInvalid):
        units.quoted(word)


def test_the_agent_is_a_property_list_with_launchds_keys_and_types() -> None:
    """The sockets, when it starts, and where its words go: launchd.plist(5)'s keys, of its types."""
    values = attrs.evolve(
        VALUES, config="/Users/a&b/config.toml", runtime_dir="/Users/a&b/run", log="/Users/a&b/mayfly.log"
    )
    found = plistlib.loads(units.launchd(values).encode())

    assert "io.mayfly.daemon" == found["Label"]
    assert [*["/opt/mayfly/bin/python", "-I", "-m", "mayfly", "serve", "--config"], "/Users/a&b/config.toml"] == found[
        "ProgramArguments"
    ]
    assert {
        "port": {
            "SockFamily": "IPv4",
            "SockNodeName": "127.0.0.1",
            "SockServiceName": "9170",
            "SockType": "stream",
        },
        "control": {
            "SockFamily": "Unix",
            "SockPathName": "/Users/a&b/run/control.sock",
            "SockPathMode": 0o600,
            "SockType": "stream",
        },
    } == found["Sockets"]
    assert False is found["RunAtLoad"]
    assert {"Crashed": True} == found["KeepAlive"]
    assert "Aqua" == found["LimitLoadToSessionType"]
    assert 0o077 == found["Umask"]
    assert "/Users/a&b/mayfly.log" == found["StandardErrorPath"]
    assert found["EnvironmentVariables"]["PATH"].startswith("/opt/homebrew/bin:/usr/local/bin:")


def test_a_stamped_agent_is_still_a_property_list() -> None:
    """The line that makes the file ours stands where XML allows a comment."""
    assert "Label" in plistlib.loads(files.stamped(units.launchd(VALUES), "<!-- {} -->").encode())


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=50))
def test_what_was_stamped_is_known_again(text: str) -> None:
    """Whatever is stamped is ours as long as nobody edits it; with any change to it, it is edited."""
    body = text + "\n"
    stamped = files.stamped(body)
    found, stamp = files._split(stamped)

    assert body == found
    assert stamp is not None
    assert stamp[2] == files._digest(found)
    assert stamp[2] != files._digest(found + "x")


def test_what_stands_there_is_told_apart(tmp_path: Path) -> None:
    """Absent, the same, of another version, edited, not ours, a link: each is known for what it is."""
    wanted, path = files.stamped("[Unit]\n"), tmp_path / "unit"
    assert FileState.ABSENT is files.file_state(path, wanted)
    files.write(path, wanted)
    assert FileState.CURRENT is files.file_state(path, wanted)
    assert 0o600 == path.stat().st_mode & 0o777
    path.write_text(files.stamped("[Unit]\nOld=\n", version="0.0.1"))
    assert (FileState.OUTDATED, "0.0.1") == (files.file_state(path, wanted), files.version_of(path))
    path.write_text(files.stamped("[Unit]\n", version="0.0.1"))
    assert FileState.OTHER_VERSION is files.file_state(path, wanted)
    path.write_text(wanted + "\n")
    assert not files.file_state(path, wanted).is_kept
    path.write_text(wanted + "Mine=\n")
    assert (FileState.EDITED, __version__) == (files.file_state(path, wanted), files.version_of(path))
    path.write_text(wanted.replace("Unit", "Mine"))
    assert FileState.EDITED is files.file_state(path, wanted)
    path.write_text("[Unit]\n")
    assert (FileState.FOREIGN, None) == (files.file_state(path, wanted), files.version_of(path))
    path.write_bytes(b"\xff")
    assert FileState.FOREIGN is files.file_state(path, wanted)
    path.unlink()
    path.symlink_to("/dev/null")
    assert FileState.FOREIGN is files.file_state(path, wanted)


@pytest.mark.parametrize("name", units.SYSTEMD)
def test_a_unit_is_known_by_its_template_whatever_it_is_filled_in_with(name: str) -> None:
    """Another port or program is no other unit; another directive is, at whichever end it stands."""
    template, text = units.template("systemd", name), units.systemd(attrs.evolve(VALUES, config="/a.b"))[name]

    assert units.is_from_template(template, text)
    assert not units.is_from_template(template, text + "More=\n")
    assert not units.is_from_template(template, "More=\n" + text)
    assert not units.is_from_template(template, text.replace("Description=", "Described="))


def test_every_directive_of_the_seal_is_probed_and_can_be_taken_back() -> None:
    """What the unit's sealing part has is known to the probe, but for what needs nothing of the machine."""
    unit = units.systemd(VALUES)["mayfly.service"]
    sealing = unit[unit.index("# No network of its own") :]
    there = set(re.findall(r"^(\w+)=", sealing, re.MULTILINE))
    needs_nothing = {"DevicePolicy", "RemoveIPC", "AmbientCapabilities"}

    assert there - needs_nothing == {name for name, _ in sandbox.directives(unit)}


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
async def test_what_hinders_a_service_that_was_started_is_told(
    world: World, state: str, text: str, expected: list[str]
) -> None:
    """A daemon that waits for a better config tells systemd why, and so whoever asks: to start it would tell nobody."""
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


def test_a_version_on_disk_is_noticed(tmp_path: Path) -> None:
    """Another version in the package's file is told; the same one, a broken file and a missing one are not."""
    path = tmp_path / "__init__.py"
    installed = InstalledVersion(path, "1.0")
    told = [installed.other_than_running()]
    for text in ('__version__ = "1.0"\n', "broken", '__version__ = "1.1"\n'):
        path.write_text(text)
        told.append(installed.other_than_running())
    path.unlink()
    told.append(installed.other_than_running())

    assert [None, None, None, "1.1", "1.1"] == told
