"""A program is run to its end, and no longer than it may take."""

from __future__ import annotations

import os
import time

from contextlib import suppress
from pathlib import Path

import pytest

from mayfly.shared.run_program import MAX_OUTPUT_BYTES, Ended, run
from support.exchange import program


# Long enough for any machine; a test that waits for it fails.
LIMIT_SECONDS = 60


def sh(script: str, seconds: float = LIMIT_SECONDS) -> Ended:
    return run(("/bin/sh", "-c", script), seconds=seconds, environ={"PATH": os.defpath, "WORD": "hello"})


@pytest.mark.parametrize(
    ("script", "ended"),
    [
        ("echo $WORD; echo no >&2; exit 3", Ended(3, "hello\n", "no\n")),
        ("kill -9 $$", Ended(-9, "", "")),
        ("printf '\\377'", Ended(0, "\udcff", "")),
        ('read line; echo "[$line]"', Ended(0, "[]\n", "")),
        # A child that stays behind holds the output open.
        ("sleep 100 & echo $!", None),
        ("exec >&- 2>&-; sleep 0.2; exit 4", Ended(4, "", "")),
        (f"head -c {MAX_OUTPUT_BYTES} /dev/zero", Ended(0, MAX_OUTPUT_BYTES * "\0", "")),
    ],
)
def test_a_program_has_an_end(script: str, ended: Ended | None) -> None:
    """Its exit code and what it printed, as soon as it has ended. A child that it leaves behind is killed."""
    started = time.monotonic()
    found = sh(script)

    if ended is None:
        wait_for_end(int(found.stdout))
        ended = Ended(0, found.stdout, "")
    assert ended == found
    assert time.monotonic() - started < LIMIT_SECONDS / 2


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("sleep 100 & echo $! > {pid}; sleep 100", ""),
        ("exec >&- 2>&-; echo $$ > {pid}; sleep 100", ""),
        ("echo $$ > {pid}; exec yes", "it printed too much"),
        ("echo $$ > {pid}; trap '' TERM; while :; do sleep 0.05; done", ""),
    ],
)
def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path: Path, script: str, told: str) -> None:
    """The call fails in time, with an error of the system's kind, and nothing lives on."""
    with pytest.raises(OSError) as raised:  # noqa: PT011 - what it says is compared below
        sh(script.format(pid=tmp_path / "pid"), seconds=LIMIT_SECONDS if told else 1)

    assert (told or None, told == "") == (raised.value.strerror, isinstance(raised.value, TimeoutError))
    wait_for_end(int((tmp_path / "pid").read_text()))


def test_a_program_may_end_by_itself(tmp_path: Path) -> None:
    """With a grace it gets SIGTERM first, and can end what is its own."""
    told = tmp_path / "told"
    with pytest.raises(TimeoutError):
        run(
            ("/bin/sh", "-c", f"trap 'echo ended > {told}; exit' TERM; while :; do sleep 0.05; done"),
            seconds=0.5,
            grace_seconds=LIMIT_SECONDS,
        )

    assert "ended\n" == told.read_text()


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended, whether or not its parent knows."""
    with suppress(OSError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)


def test_what_cannot_be_started_is_an_error_of_the_system(tmp_path: Path) -> None:
    """A program of another machine, and one that is not there."""
    for path in (program(tmp_path / "odd", "\x7fELF"), tmp_path / "missing"):
        with pytest.raises(OSError, match=r"Exec format error|No such file"):
            run((path,), seconds=LIMIT_SECONDS)
