"""The programs that the desk runs."""

from __future__ import annotations

import asyncio
import os

from pathlib import Path

import pytest

from mayfly.desk import programs as platform_programs
from mayfly.desk.programs import ask
from support.desks import put_program


async def test_a_program_that_is_not_there_says_nothing() -> None:
    """A missing program gives no answer, and no error."""
    assert await ask("mayfly-no-such-program") is None


@pytest.mark.parametrize(
    ("script", "answer"), [("echo hello", "hello\n"), ("echo hello; exit 3", None), ("printf '\\377'", "\ufffd")]
)
async def test_what_a_program_says(programs: Path, script: str, answer: str | None) -> None:
    """Its output counts if it ends with 0; any bytes are decoded."""
    put_program(programs, "saying", script)
    assert answer == await ask("saying")


async def test_a_program_that_cannot_be_run_says_nothing(programs: Path) -> None:
    """A file that the kernel refuses to run gives no answer, and no error."""
    (programs / "broken").write_bytes(b"\x7fELF, or so it says")
    (programs / "broken").chmod(0o755)
    assert await ask("broken") is None


def is_running(pid_file: Path) -> bool:
    return pid_file.exists() and Path(f"/proc/{pid_file.read_text().strip()}").exists()


async def test_a_program_that_hangs_says_nothing(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that takes too long is killed."""
    monkeypatch.setattr(platform_programs, "ANSWER_SECONDS", 0.1)
    pid_file = programs / "pid"
    put_program(programs, "hanging", f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 600")
    assert await ask("hanging") is None
    assert not is_running(pid_file)


async def test_who_stops_asking_leaves_nothing_running(programs: Path) -> None:
    """A question that is given up ends the program that was to answer it."""
    fifo = programs / "fifo"
    os.mkfifo(fifo)
    put_program(programs, "hanging", f"echo $$ > {fifo}; exec sleep 600")
    asking = asyncio.ensure_future(ask("hanging"))
    pid = (await asyncio.to_thread(fifo.read_text)).strip()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def loosen(folder: Path) -> None:
    folder.chmod(0o777)


@pytest.mark.parametrize("name", ["loginctl", "notify-send"])
async def test_a_program_that_others_can_replace_is_not_asked(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One in a folder that another user can write is passed over for the next on PATH."""
    planted = put_program(programs, name, "echo planted")
    real = tmp_path / "real"
    real.mkdir()
    put_program(real, name, "echo real")
    loosen(programs)
    monkeypatch.setenv("PATH", f"{programs}:.:{real}")

    assert ("real\n", False) == (await ask(name), planted.exists())


async def test_a_program_of_the_current_folder_is_not_asked(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current folder may be somebody's repository."""
    planted = put_program(tmp_path, "loginctl", "echo planted")
    monkeypatch.setenv("PATH", f".::{programs}")
    monkeypatch.chdir(tmp_path)

    assert (None, False) == (await ask("loginctl"), planted.exists())
