"""The checks as people read them: aligned, coloured on a terminal alone, and with hints that can be copied."""

from __future__ import annotations

import asyncio
import os
import re
import sys

from pathlib import Path

import pexpect
import pytest

import mayfly

from mayfly.cli import doctor
from mayfly.cli.doctor import clients, page
from mayfly.cli.doctor.check import Check, failure, of_error, ok, warning
from mayfly.cli.terminal import Terminal
from mayfly.shared.errors import ApprovalDismissed, AwsUnreachable, OnePasswordOffline
from support.patient import Patient


LONG = warning("op.version", "op 2.25.0 is older than 2.30: some of its errors are not told apart", "op update")


def test_a_check_is_a_line_with_its_hint_below() -> None:
    """State, id and message stand in columns; further lines of a message stand under its first."""
    two = failure("config.content", "one problem\nand another…", "vi /home/carmas/.config/mayfly/config.toml")

    assert [
        "failure  config.content        one problem",
        "                               and another...",
        "                               hint: vi /home/carmas/.config/mayfly/config.toml",
    ] == list(page.lines(two, Terminal()))
    assert ["ok       port                  free"] == list(page.lines(ok("port", "free"), Terminal()))


def test_messages_are_wrapped_and_hints_are_not() -> None:
    """In a narrow terminal, too; in one that has no room for columns nothing is wrapped."""
    narrow = list(page.lines(LONG, Terminal(columns=70)))

    assert [
        "warning  op.version            op 2.25.0 is older than 2.30: some of",
        "                               its errors are not told apart",
        "                               hint: op update",
    ] == narrow
    assert list(page.lines(LONG, Terminal())) == list(page.lines(LONG, Terminal(columns=40)))


def test_colour_changes_nothing_but_colour() -> None:
    """Without its escape sequences a coloured line is the plain one."""
    coloured = list(page.lines(LONG, Terminal(has_colour=True)))

    assert coloured != list(page.lines(LONG, Terminal()))
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in coloured] == list(page.lines(LONG, Terminal()))


def test_the_sum_counts_each_state() -> None:
    """In one line."""
    assert "1 check: 1 ok, 0 warnings, 0 failures" == page.total([ok("a", "")])
    assert "3 checks: 0 ok, 2 warnings, 1 failure" == page.total([LONG, LONG, failure("b", "")])


def test_no_text_steers_the_terminal_and_no_hint_does_something_else() -> None:
    """A path with an escape sequence is shown without it; a hint with one would act on another file, so it goes."""
    check = failure("config.access", "/\x1b[2J/x is open\nto others", "chmod go-w '/\x1b[2J/x'")

    assert Check("config.access", "failure", "/?[2J/x is open\nto others", "") == check.cleaned()


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (ApprovalDismissed("it was dismissed"), "it was dismissed", "mayfly login nsrc"),
        (AwsUnreachable("no connection", hint="is the network up?"), "no connection: is the network up?", ""),
        (OnePasswordOffline("offline", hint=""), "offline", ""),
    ],
)
def test_advice_is_a_hint_if_it_is_a_command(error: ApprovalDismissed, message: str, hint: str) -> None:
    """Else it stands behind the message."""
    assert failure("x", message, hint) == of_error("x", error, "nsrc")


SOURCES = sorted(Path(doctor.__file__).parent.glob("*.py"))
MADE = re.compile(r"(?:ok|not_known|warning|failure|_check)\(\s*f?\"([a-z-]+(?:[.][a-z-]+)?)[\".]")


def test_every_check_is_explained() -> None:
    """docs/troubleshooting.md has a row with each id."""
    text = (Path(mayfly.__file__).parents[2] / "docs/troubleshooting.md").read_text()
    made = {name for source in SOURCES for name in MADE.findall(source.read_text())}
    made |= {client.id for client in clients.CLIENTS} | {"mayfly"}

    assert {"op.group", "key-age", "references", "sandbox.tokens", "clients.ruby"} <= made
    assert set() == {name for name in made if not re.search(rf"`{name}(?:`|\.PROFILE`)", text)}


async def in_terminal(patient: Patient, *, columns: int = 100, **env: str) -> str:
    """What a terminal of so many columns receives."""
    child = pexpect.spawn(
        sys.executable,
        ["-m", "mayfly", "doctor"],
        env=patient.env | env,
        dimensions=(24, columns),
        encoding="utf-8",
        timeout=30,
    )
    await asyncio.to_thread(child.expect, pexpect.EOF)
    child.close()
    assert (1, True) == (child.exitstatus, child.before is not None)
    return str(child.before)


async def test_a_terminal_has_colours_unless_it_is_told_otherwise(patient: Patient) -> None:
    """NO_COLOR and a dumb terminal have none; its width is kept."""
    shown, plain, dumb = await asyncio.gather(
        in_terminal(patient, TERM="xterm"),
        in_terminal(patient, TERM="xterm", NO_COLOR="1"),
        in_terminal(patient, TERM="dumb", columns=70),
    )

    assert "\x1b[31mfailure\x1b[0m  daemon.running" in shown
    assert "\x1b" not in plain + dumb
    hints = ("hint: ", "/")
    wide = [line for line in dumb.splitlines() if len(line) > 70 and not any(word in line for word in hints)]
    assert [] == wide


async def test_a_reader_that_has_gone_and_an_older_encoding_are_no_traceback(patient: Patient) -> None:
    """`mayfly doctor | head -1` and Latin-1."""
    patient.write_toml('[profiles."\u0416"]\n')
    reader, writer = os.pipe()
    os.close(reader)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "doctor"), stdout=writer, stderr=asyncio.subprocess.PIPE, env=patient.env
    )
    os.close(writer)
    _, err = await process.communicate()
    latin = await patient.run_program(sys.executable, "-m", "mayfly", "doctor", env={"PYTHONIOENCODING": "latin-1"})

    assert (141, b"") == (process.returncode, err)
    assert (1, "") == (latin.code, latin.err)
    assert "daemon.running" in latin.out
