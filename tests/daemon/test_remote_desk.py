"""The desk behind its socket, as the daemon asks it."""

from __future__ import annotations

import asyncio
import socket

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mayfly.daemon import remote_desk
from mayfly.daemon.remote_desk import RemoteDesk
from mayfly.shared.desk import Presence, Scene
from support.desks import FakeDesk, desk_service
from support.engine import NOON


PRESENT, LOCKED = Presence.PRESENT, Presence.LOCKED


async def test_an_unlock_is_remembered_though_the_desk_forgets(tmp_path: Path) -> None:
    """The daemon's side remembers the unlock, so the desk may end between two questions."""
    desk = FakeDesk(LOCKED)
    async with desk_service(tmp_path, desk) as path:
        remote = RemoteDesk(path, lambda: NOON)
        await remote.scene()
        desk.seen = PRESENT

        assert Scene(presence=PRESENT, unlocked_at=NOON) == await remote.scene()


async def test_a_lock_is_remembered_though_the_desk_forgets(tmp_path: Path) -> None:
    """A desk that does not know the presence, as after its start on a busy machine, unlocks nothing."""
    desk = FakeDesk(LOCKED)
    async with desk_service(tmp_path, desk) as path:
        remote = RemoteDesk(path, lambda: NOON)
        await remote.scene()
        desk.seen = None

        assert Scene(presence=LOCKED) == await remote.scene()


@asynccontextmanager
async def answering(path: Path, answer: Callable[[bytes], Awaitable[bytes]]) -> AsyncIterator[RemoteDesk]:
    """A remote desk whose service answers by `answer`."""

    async def on_question(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await answer(await reader.readline()))
        writer.close()

    async with await asyncio.start_unix_server(on_question, path):
        yield RemoteDesk(path, lambda: NOON)


@pytest.mark.parametrize("failure", ["slow", "cut", "gone", "nonsense"])
async def test_a_desk_that_fails_does_not_unlock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """When the desk fails, the presence stays as it was last seen, and no failure counts as an unlock."""
    answers = {"cut": b"", "nonsense": b'"asleep"\n'}
    tasks: list[asyncio.Task[object] | None] = []
    told_late = asyncio.Event()

    async def answer(_line: bytes) -> bytes:
        tasks.append(asyncio.current_task())
        if len(tasks) == 1:
            return b'"locked"\n'
        if failure == "slow":
            await told_late.wait()
        return answers.get(failure, b'"present"\n')

    async with answering(tmp_path / "s", answer) as desk:
        first = await desk.scene()
        monkeypatch.setattr(remote_desk, "PATIENCE_SECONDS", 0.1)
        if failure == "gone":
            (tmp_path / "s").unlink()
        second = await desk.scene()
        told_late.set()
        await asyncio.gather(*filter(None, tasks))
    assert [Scene(presence=LOCKED)] * 2 == [first, second]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"not json\n",
        b"[]\n",
        b'"asleep"\n',
        b"{}\n",
        b'{"pid": 1}\n',
        b"x" * 9000 + b"\n",
        b"[" * 4000 + b"\n",
    ],
)
async def test_a_desk_that_talks_nonsense_knows_nothing(tmp_path: Path, raw: bytes) -> None:
    """After a malformed answer the user counts as present, and no process is found."""

    async def nonsense(_line: bytes) -> bytes:
        return raw

    async with answering(tmp_path / "s", nonsense) as desk:
        assert Scene(presence=PRESENT) == await desk.scene()
        assert (None, None) == (await desk.caller(7), await desk.process(7))


async def test_without_a_desk_everybody_counts_as_present(tmp_path: Path) -> None:
    """Without its socket the user counts as present, and no process is found."""
    remote = RemoteDesk(tmp_path / "gone.sock", lambda: NOON)

    assert Scene() == await remote.scene()
    assert await remote.caller(7) is None
    await remote.tell("Mayfly", "…")


def noted(path: Path, problem: str) -> list[str]:
    return [f"the desk does not answer: {problem.format(path=path)}; systemctl --user restart mayfly-desk.socket"]


async def test_a_desk_without_its_socket_is_noted(tmp_path: Path) -> None:
    """While the desk's socket is there and answers, there is no note; without it there is one, with what to run."""
    async with desk_service(tmp_path, FakeDesk()) as path:
        remote = RemoteDesk(path, lambda: NOON)
        unasked = remote.notes()
        await remote.scene()
        answered = remote.notes()
        await asyncio.to_thread(path.unlink)
        missing = remote.notes()

    assert ([], [], noted(path, "{path} is no socket")) == (unasked, answered, missing)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("refused", "{path}: Connection refused"),
        ("silent", "no answer within 0.1 s"),
        ("cut", "its answer cannot be read"),
    ],
)
async def test_a_desk_that_does_not_answer_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, problem: str
) -> None:
    """The note has the last question's failure. It goes with the next answer, and with a new socket."""
    monkeypatch.setattr(remote_desk, "PATIENCE_SECONDS", 0.1)
    path = tmp_path / "desk.sock"
    remote = RemoteDesk(path, lambda: NOON)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        if answer != "refused":
            listener.listen()
        asking = asyncio.create_task(remote.scene())
        if answer == "cut":
            connection, _ = await asyncio.to_thread(listener.accept)
            await asyncio.to_thread(connection.recv, 999)
            connection.close()
        await asking
        notes = remote.notes()
    await asyncio.to_thread(path.unlink)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        anew = remote.notes()

    assert (noted(path, problem), []) == (notes, anew)


async def test_a_problem_stays_until_its_own_question_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk that finds processes and does not tell the presence has a note, whatever was asked last."""
    monkeypatch.setattr(remote_desk, "PATIENCE_SECONDS", 0.2)
    path, is_well = tmp_path / "s", asyncio.Event()

    async def answer(line: bytes) -> bytes:
        if b"scene" in line:
            await is_well.wait()
        return b'"present"\n' if b"scene" in line else b"null\n"

    async with answering(path, answer) as desk:
        await desk.scene()
        await desk.caller(7)
        await desk.process(7)
        await desk.tell("Mayfly", "…")
        meanwhile = desk.notes()
        is_well.set()
        await desk.scene()
        well = desk.notes()

    assert (noted(path, "no answer within 0.2 s"), []) == (meanwhile, well)
