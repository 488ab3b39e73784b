"""systemctl, systemd-run and launchctl are run only where no other user could replace them, and hold nobody up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mayfly.service import launchd, sandbox, systemd
from mayfly.shared import programs


def _probe() -> str:
    return sandbox.drop_in(sandbox.missing("[Service]\nPrivateUsers=yes\n", ["true"]))


CALLS = {"systemctl": systemd.environment, "systemd-run": _probe, "launchctl": launchd.kickstart}


@pytest.fixture(name="planted")
def _planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that others can write stands first on PATH; its programs leave a file behind."""
    folder = tmp_path / "loose"
    folder.mkdir()
    for name in CALLS:
        (folder / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/sung\n")
        (folder / name).chmod(0o755)
    folder.chmod(0o777)
    monkeypatch.setenv("PATH", f"{folder}:.:{tmp_path}/real")
    return tmp_path


@pytest.mark.parametrize("name", CALLS)
def test_the_next_on_path_is_run(planted: Path, name: str) -> None:
    """The planted program is passed over."""
    (planted / "real").mkdir()
    program = planted / "real" / name
    program.write_text(f"#!/bin/sh\nprintf 'REAL=1\\n' >> {planted}/called\n")
    program.chmod(0o755)
    CALLS[name]()

    assert (True, False) == ((planted / "called").exists(), (planted / "sung").exists())


def _refused(call: Callable[[], object]) -> str:
    try:
        return str(call())
    except systemd.Refused as reason:
        return str(reason)


@pytest.mark.parametrize("name", CALLS)
def test_where_there_is_no_other_the_reason_is_told(planted: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the program, the folder and the remedy."""
    find = programs.find
    # This machine may have the real one in its usual place.
    monkeypatch.setattr(programs, "find", lambda name, environ, _usual_places=(): find(name, environ))
    loose = planted / "loose"

    why = f"{loose}/{name} cannot be trusted: {loose} is writable by others: chmod go-w {loose}"
    assert why in _refused(CALLS[name])
    assert not (planted / "sung").exists()


@pytest.mark.parametrize("name", CALLS)
def test_a_child_that_stays_behind_holds_nobody_up(planted: Path, name: str) -> None:
    """The program has ended well, so its answer counts, though a child of its own holds its output open."""
    program = planted / "real" / name
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n/bin/sleep 100 & echo REAL=1\n")
    program.chmod(0o755)

    told = CALLS[name]()

    assert told in ({"REAL": "1"}, sandbox.drop_in({}), "")
