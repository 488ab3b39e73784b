"""Coding agents as the desk finds them among real processes, and over its socket."""

from __future__ import annotations

import asyncio
import shlex
import sys

from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from mayfly.daemon.remote_desk import RemoteDesk
from mayfly.desk import linux
from mayfly.desk.linux import LinuxDesk
from mayfly.desk.macos import MacDesk
from mayfly.shared.ancestry import UNKNOWN, Agent
from support.ancestors import family, orphaned
from support.desks import FakeDesk, desk_service
from support.engine import NOON


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="by /proc")

HOLDING = (
    "import os, socket, sys; s = socket.socket(); print(os.fstat(s.fileno()).st_ino, flush=True); sys.stdin.read()"
)


@on_linux
@pytest.mark.parametrize(
    ("generations", "agents_place"),
    [
        (("X=1", "CLAUDECODE=1"), 0),
        (("X=1", "CLAUDECODE=1", "X=2", "X=3"), 0),
        (("X=1", "CLAUDECODE=1", "-i"), 0),
        (("X=1", "X=2", "CLAUDECODE=1", "-i AI_AGENT=x", "-i"), 1),
        (("X=1", "X=2"), None),
        (("CODEX_HOME=/x", "-i"), None),
    ],
    ids=str,
)
async def test_a_process_and_its_ancestors_tell(generations: tuple[str, ...], agents_place: int | None) -> None:
    """A mark of its own, of its parent or of an older one; `env -i` sheds only its own."""
    async with family(*generations) as pids:
        found = await LinuxDesk(lambda: NOON).agent(pid=pids[-1])

    assert (None if agents_place is None else ("claude-code", pids[agents_place])) == (found and found[:2])
    assert found is None or found.started > 0


@on_linux
async def test_a_process_that_leaves_its_ancestors_sheds_its_mark() -> None:
    """The guard rail is no wall: a child of nobody with an empty environment is unmarked."""
    away = shlex.join(orphaned("env", "-i", "sh", "-c", "echo $$; cat; :"))
    async with family("X=1", "CLAUDECODE=1", last=f"exec 3<&0; {away} <&3; cat <&3; :", lines=3) as pids:
        found = [await LinuxDesk(lambda: NOON).agent(pid=pid) for pid in pids]

    assert [None, "claude-code", None] == [agent and agent.name for agent in found]


OWN = "from mayfly.shared.ancestry import own_agent; print((own_agent() or ('nobody',))[0])"


@on_linux
@pytest.mark.parametrize(("mark", "name"), [("GEMINI_CLI=1", "gemini-cli"), ("X=1", "nobody")])
async def test_a_command_can_tell_whom_it_works_for(mark: str, name: str) -> None:
    """By the marks that it began with, and by its ancestors'."""
    script = shlex.join(("env", "-i", sys.executable, "-P", "-c", OWN))
    process = await asyncio.create_subprocess_exec(*orphaned("env", mark, "sh", "-c", f"{script}; :"), stdout=PIPE)

    assert f"{name}\n".encode() == (await process.communicate())[0]


@on_linux
@pytest.mark.parametrize(("mark", "name"), [("CLAUDECODE=1", "claude-code"), ("X=1", None)])
async def test_the_process_at_a_socket_is_looked_at(
    mark: str, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the socket's inode, which is looked for again after the walk; a socket that nobody holds is unknown."""
    process = await asyncio.create_subprocess_exec(
        *orphaned("env", mark, sys.executable, "-c", HOLDING), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout
    inode = int(await process.stdout.readline())
    desk = LinuxDesk(lambda: NOON)
    found = await desk.agent(inode=inode)
    caller = await desk.caller(inode)
    assert caller
    monkeypatch.setattr(linux, "_find_caller", lambda _inode: caller)
    given_away = await desk.agent(inode=inode + 1)
    await process.communicate(b"")

    assert name == (found and found.name)
    assert [UNKNOWN] * 2 == [given_away, await desk.agent(inode=inode)]


@on_linux
async def test_nobody_is_unknown() -> None:
    """Neither a socket that nobody holds nor the pid 0 is somebody."""
    desk = LinuxDesk(lambda: NOON)

    assert [UNKNOWN] * 3 == [await desk.agent(inode=1), await desk.agent(pid=0), await desk.agent()]


async def test_elsewhere_nothing_is_recognised() -> None:
    """macOS names no agent, known or unknown."""
    assert await MacDesk(lambda: NOON).agent(pid=1) is None


async def test_the_sealed_daemon_asks_the_desk(tmp_path: Path) -> None:
    """No agent, one by its socket, one by its pid; without a desk, or with one that knows no such question: unknown."""
    desk = FakeDesk()
    desk.agents = {7: Agent("claude-code", 42, 7000), 8: Agent("codex", 43)}
    async with desk_service(tmp_path, desk) as path:
        remote = RemoteDesk(path, lambda: NOON)
        found = [await remote.agent(inode=7), await remote.agent(pid=8), await remote.agent(pid=9)]

    assert [Agent("claude-code", 42, 7000), Agent("codex", 43), None] == found
    assert UNKNOWN == await RemoteDesk(tmp_path / "gone.sock", lambda: NOON).agent(pid=9)


@pytest.mark.parametrize(
    "answer",
    [b"", b"null\n", b"{}\n", b"[1]\n", b'["x"]\n', b'["x", "y"]\n', b'["x", 1]\n', b'["x", 1, "y"]\n', b"false\n"],
)
async def test_an_answer_that_says_nothing_is_unknown(tmp_path: Path, answer: bytes) -> None:
    """What a desk of an older version says, or a broken one, is never taken for 'no agent'."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(say, tmp_path / "s"):
        assert UNKNOWN == await RemoteDesk(tmp_path / "s", lambda: NOON).agent(pid=9)
