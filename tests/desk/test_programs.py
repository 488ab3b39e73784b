"""The programs that the desk runs."""

from __future__ import annotations

import asyncio
import gc
import os
import resource

from contextlib import suppress
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


async def answer_within(seconds: float, program: str) -> str | None:
    async with asyncio.timeout(seconds):
        return await ask(program)


@pytest.mark.parametrize(
    "script",
    [
        "{hold}; true",
        "{hold} & exit 0",
        "trap '' TERM HUP; {hold}; {hold}",
        "yes",
        "exec yes",
        "head -c 400000000 /dev/zero; {hold}",
    ],
)
async def test_no_program_holds_the_desk_up(programs: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A program whose child keeps the output open, or that never stops to print, gives no answer, and is killed."""
    monkeypatch.setattr(platform_programs, "ANSWER_SECONDS", 0.5)
    group = programs / "group"
    put_program(programs, "holding", f"echo $$ > {group}; {script.format(hold='sleep 600')}")

    assert await answer_within(5, "holding") is None
    assert not is_running(group)
    assert [] == await members_within(5, int(group.read_text()))


async def members_within(seconds: float, group: int) -> list[str]:
    """The names of the processes of a group that are left after at most this time. A zombie is none."""
    end = asyncio.get_running_loop().time() + seconds
    while (left := members(group)) and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.01)
    return left


def members(group: int) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, rest = file.read_text(errors="replace").split("(", 1)[1].rsplit(")", 1)
            state, _, in_group = rest.split()[:3]
            if state != "Z" and int(in_group) == group:
                found.append(name)
    return found


async def test_a_child_that_leaves_the_session_holds_nobody_up(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that cannot be found is left alone, and the desk goes on without it."""
    monkeypatch.setattr(platform_programs, "ANSWER_SECONDS", 0.5)
    put_program(programs, "leaving", "setsid sleep 7 & exit 0")

    assert await answer_within(5, "leaving") is None


@pytest.mark.parametrize(("count", "is_answer"), [(256 * 1024, True), (256 * 1024 + 1, False)])
async def test_what_a_program_may_print(programs: Path, count: int, is_answer: bool) -> None:
    """At most 256 KiB are an answer; a program that prints more has failed, at once and in little memory."""
    put_program(programs, "chatty", f"head -c {count} /dev/zero")

    assert is_answer == (await answer_within(2.5, "chatty") is not None)


async def test_a_program_without_end_costs_little_memory(programs: Path) -> None:
    """What is beyond the bound is not kept."""
    put_program(programs, "chatty", "exec head -c 400000000 /dev/zero")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert await answer_within(5, "chatty") is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10 * 1024


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_desk_asks_again_and_again_and_keeps_nothing_open(programs: Path) -> None:
    """Neither an answer nor a failure leaves a descriptor or a process behind."""
    put_program(programs, "saying", "echo hello")
    put_program(programs, "chatty", "exec head -c 300000 /dev/zero")
    await ask("saying")
    # What earlier tests left to the collector would be closed while this one counts.
    gc.collect()
    before = open_descriptors()
    for _ in range(20):
        assert ("hello\n", None) == (await ask("saying"), await ask("chatty"))
    await asyncio.sleep(0)

    assert before == open_descriptors()
