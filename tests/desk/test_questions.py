"""A question on the screen: by the buttons of a notification, by a dialog, by osascript; and no answer is no."""

from __future__ import annotations

import asyncio

from datetime import datetime
from pathlib import Path

import pytest

from mayfly.daemon.remote_desk import RemoteDesk
from mayfly.desk import linux, macos, programs
from mayfly.desk.linux import LinuxDesk
from mayfly.desk.macos import MacDesk
from support.desks import FakeDesk, desk_service, put_program
from support.engine import NOON


QUESTION = "claude (label) wants admin, read-only, for 1 h"
NOBODY = 'echo "cannot connect" >&2; exit 1'


def noon() -> datetime:
    return NOON


@pytest.fixture(name="screen", autouse=True)
def _screen(monkeypatch: pytest.MonkeyPatch, programs: Path) -> None:
    """A screen, and no other program than those of the test and the shell's."""
    monkeypatch.setenv("PATH", f"{programs}:/bin")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)


@pytest.mark.parametrize(
    ("scripts", "answer"),
    [
        ({"notify-send": "echo allow"}, True),
        ({"notify-send": "echo deny"}, False),
        ({"notify-send": "exit 0"}, False),
        ({"notify-send": "echo allow it"}, False),
        ({"notify-send": "echo deny", "zenity": "exit 0"}, False),
        ({"notify-send": NOBODY, "zenity": "exit 0"}, True),
        ({"notify-send": NOBODY, "zenity": "exit 1", "kdialog": "exit 0"}, False),
        ({"zenity": "exit 5"}, False),
        ({"kdialog": "exit 0"}, True),
        ({"kdialog": "exit 1"}, False),
        ({"notify-send": NOBODY}, None),
        ({"notify-send": "echo allow; exit 1"}, None),
        ({"notify-send": "kill -9 $$", "zenity": "exit 0"}, False),
        ({}, None),
    ],
)
async def test_linux_asks_by_the_first_program_that_can(
    programs: Path, scripts: dict[str, str], answer: bool | None
) -> None:
    """A notification's buttons first; a program that fails has not asked, and one that is killed has."""
    for name, script in scripts.items():
        put_program(programs, name, script)

    desk = LinuxDesk(noon)
    assert (bool(scripts), answer) == (await desk.can_ask(), await desk.ask(QUESTION))


@pytest.mark.parametrize("program", ["zenity", "kdialog"])
async def test_a_dialog_needs_a_screen(programs: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Without one it would fail as if somebody had said no."""
    put_program(programs, program, "exit 1")
    monkeypatch.delenv("DISPLAY")

    assert (False, None) == (await LinuxDesk(noon).can_ask(), await LinuxDesk(noon).ask(QUESTION))
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert (True, False) == (await LinuxDesk(noon).can_ask(), await LinuxDesk(noon).ask(QUESTION))


@pytest.mark.parametrize(
    ("script", "answer"),
    [("echo Allow", True), ("echo Deny", False), ("echo", False), ("exit 1", None), ("kill -9 $$", False)],
)
async def test_macos_asks_by_a_dialog(programs: Path, script: str, answer: bool | None) -> None:
    """`display dialog` prints the button, and nothing where it gave up."""
    calls = put_program(programs, "osascript", script)

    assert answer is await MacDesk(noon).ask(QUESTION)
    assert ["--", "Mayfly", QUESTION] == calls.read_text().splitlines()[-3:]
    assert await MacDesk(noon).can_ask()


async def test_without_osascript_macos_cannot_ask() -> None:
    """Nor does it pretend to."""
    assert (False, None) == (await MacDesk(noon).can_ask(), await MacDesk(noon).ask(QUESTION))


@pytest.mark.parametrize("program", ["notify-send", "zenity", "kdialog", "osascript"])
async def test_no_answer_is_no(programs: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """After a minute the question is taken back."""
    put_program(programs, program, "exec sleep 600")
    monkeypatch.setattr(linux, "QUESTION_SECONDS", 0.2)
    monkeypatch.setattr(macos, "QUESTION_SECONDS", -4.8)

    desk = MacDesk(noon) if program == "osascript" else LinuxDesk(noon)
    assert False is await desk.ask(QUESTION)


async def test_a_notification_is_closed_by_its_program(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at once, notify-send would leave it on the screen, with buttons that nobody hears."""
    shown, closed = programs / "shown", programs / "closed"
    script = f"trap 'echo yes >{closed}; exit 0' INT; echo yes >{shown}; while :; do sleep 0.01; done"
    put_program(programs, "notify-send", script)
    monkeypatch.setattr("mayfly.desk.programs.KILL_SECONDS", 30)
    asking = asyncio.ensure_future(LinuxDesk(noon).ask(QUESTION))
    while not shown.exists():
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert "yes\n" == closed.read_text()


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        ("notify-send", "a &lt;b&gt; \\\\033 (x) wants n"),
        ("zenity", "--text=a <b> \\\\033 (x) wants n"),
        ("kdialog", "a ?b> \\033 (x) wants n"),
    ],
)
async def test_a_question_is_text_and_nothing_else(programs: Path, program: str, shown: str) -> None:
    """No option, no markup, no escape of C."""
    calls = put_program(programs, program, "exit 0")

    await LinuxDesk(noon).ask("a <b> \\033 (x) wants n")
    lines = calls.read_text().splitlines()
    assert shown in lines
    assert "--no-markup" in lines or program != "zenity"
    assert "--" in lines or program != "notify-send"


async def test_a_question_goes_through_the_desk_s_socket(tmp_path: Path) -> None:
    """With its answer; a desk of an earlier version cannot ask."""
    desk = FakeDesk()
    async with desk_service(tmp_path, desk) as path:
        remote = RemoteDesk(path, noon)
        answers = []
        for desk.answer in (True, False, None):
            answers.append((await remote.can_ask(), await remote.ask(QUESTION)))
    gone = RemoteDesk(tmp_path / "nowhere.sock", noon)

    assert [(True, True), (True, False), (False, None)] == answers
    assert [QUESTION] * 3 == desk.asked
    assert (False, None) == (await gone.can_ask(), await gone.ask(QUESTION))
    assert programs.LATE.exit_code != 0


class Undecided(FakeDesk):
    """A desk whose person does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.is_withdrawn = asyncio.Event(), asyncio.Event()

    async def ask(self, question: str) -> bool | None:
        self.is_asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.is_withdrawn.set()
        return None


async def test_a_question_ends_with_its_asker(tmp_path: Path) -> None:
    """A daemon that has got the answer elsewhere, or has ended, leaves no question behind."""
    desk = Undecided()
    async with desk_service(tmp_path, desk) as path:
        asking = asyncio.ensure_future(RemoteDesk(path, noon).ask(QUESTION))
        await desk.is_asked.wait()
        asking.cancel()
        async with asyncio.timeout(5):
            await desk.is_withdrawn.wait()

    assert asking.cancelled()
