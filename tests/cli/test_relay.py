"""`mayfly relay`: carries bytes between a port and a socket, unchanged, and neither hoards nor leaks."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import signal
import socket
import struct
import sys

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from botocore.exceptions import MetadataRetrievalError
from botocore.utils import ContainerMetadataFetcher

from mayfly.cli import relay
from support.relays import FILE, Relay, relaying
from support.world import World, free_port


Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]

MEGABYTE = 1 << 20
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    """Where the daemon's socket is."""
    return tmp_path / "s"


@asynccontextmanager
async def daemon(path: Path | None, handler: Handler) -> AsyncIterator[str]:
    """A daemon of the test's own on a Unix socket, or a port where there is no `path`; yields what a relay calls it."""

    async def handle(reader: Reader, writer: Writer) -> None:
        with closing(writer):
            await handler(reader, writer)

    if path:
        server = await asyncio.start_unix_server(handle, path)
    else:
        server = await asyncio.start_server(handle, "::1")
    try:
        yield f"unix:{path}" if path else f"tcp:[::1]:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        if path:
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - does not block; Python 3.13 has removed it already


async def _echo(reader: Reader, writer: Writer) -> None:
    """Send back what comes, once all has come."""
    writer.write(await reader.read())
    await writer.drain()


async def _echo_lines(reader: Reader, writer: Writer) -> None:
    with closing(writer):
        while line := await reader.readline():
            writer.write(line)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", "[::1]:0"])
@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_bytes_pass_unchanged_and_each_end_is_passed_on(path: Path, listen: str, kind: str) -> None:
    """A server that waits for the end of what it is sent answers after it; megabytes of every byte come back."""
    sent = os.urandom(3 * MEGABYTE)
    async with daemon(path if kind == "unix" else None, _echo) as to, relaying(to, listen) as running:
        reader, writer = await running.dial()
        writer.write(sent)
        writer.write_eof()

        assert sent == await reader.read()


async def test_a_client_may_go_on_after_the_servers_end(path: Path) -> None:
    """The daemon's end reaches the client, whose bytes still reach the daemon."""
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"bye")
        writer.write_eof()
        heard.set_result(await reader.read())

    async with daemon(path, serve), relaying(f"unix:{path}") as running:
        reader, writer = await running.dial()
        assert b"bye" == await reader.read()
        writer.write(b"still here")
        writer.write_eof()

        assert b"still here" == await heard


async def test_interim_answers_pass_one_by_one(path: Path) -> None:
    """Each `100 Continue` is with the client before the daemon sends the next one."""
    taken = asyncio.Event()
    interim, last = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for answer in (interim, interim, last):
            taken.clear()
            writer.write(answer)
            await taken.wait()

    async with daemon(path, serve), relaying(f"unix:{path}") as running:
        reader, writer = await running.dial()
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        for answer in (interim, interim, last):
            assert answer == await reader.readexactly(len(answer))
            taken.set()


@linux_only
async def test_a_slow_reader_makes_its_server_wait(path: Path) -> None:
    """Of 64 MB for a client that does not read, the relay takes next to nothing; all of it comes later, in order."""
    parts, part = 64, bytes(range(256)) * (MEGABYTE // 256)
    given = 0

    async def serve(_reader: Reader, writer: Writer) -> None:
        nonlocal given
        writer.transport.set_write_buffer_limits(0)
        for _ in range(parts):
            writer.write(part)
            await writer.drain()
            given += 1

    async with daemon(path, serve), relaying(f"unix:{path}") as running:
        before = _resident(running.process.pid)
        reader, _ = await running.dial()
        seen = -1
        while seen < given or not given:
            seen = given
            await asyncio.sleep(0.3)
        assert seen < parts / 2
        assert _resident(running.process.pid) - before < 4 * MEGABYTE
        for _ in range(parts):
            assert part == await reader.readexactly(MEGABYTE)
        assert b"" == await reader.read()


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_a_client_waits_for_a_daemon_that_restarts(path: Path) -> None:
    """The daemon's end is the client's; the next client connects before the new daemon listens, and is served."""

    async with relaying(f"unix:{path}") as running:
        async with daemon(path, _echo_lines):
            first, first_writer = await running.dial()
            first_writer.write(b"one\n")
            assert b"one\n" == await first.readline()
            tasks = [task for task in asyncio.all_tasks() if "handle" in repr(task.get_coro())]
            for task in tasks:
                task.cancel()
            assert b"" == await first.read()
        reader, writer = await running.dial()
        writer.write(b"two\n")
        await asyncio.sleep(0.5)
        async with daemon(path, _echo_lines):
            assert b"two\n" == await reader.readline()


@linux_only
async def test_a_daemon_with_a_full_queue_gets_all_of_them(path: Path) -> None:
    """Who does not get into the queue of a daemon that is busy tries again, and loses nothing."""
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(path))
        busy.listen(1)
        async with relaying(f"unix:{path}") as running:
            dialled = [await running.dial() for _ in range(5)]
            for number, (_, writer) in enumerate(dialled):
                writer.write(f"{number}\n".encode())
            await asyncio.sleep(0.3)
            server = await asyncio.start_unix_server(_echo_lines, sock=busy)
            for number, (reader, _) in enumerate(dialled):
                assert f"{number}\n".encode() == await reader.readline()
            server.close()
            await running.hang_up()


@pytest.mark.slow
async def test_a_request_is_answered_in_the_place_of_a_daemon_that_does_not_come(tmp_path: Path) -> None:
    """503 after 5 s, in the daemon's form, which boto3 shows; 401 at once where the grant's folder was removed."""
    folder = tmp_path / "grant"
    folder.mkdir()
    async with relaying(f"unix:{folder}/s") as running:
        away, shown = await asyncio.gather(ask(running), asyncio.to_thread(by_boto3, running.port))
    mounted = os.open(folder, os.O_RDONLY)
    async with relaying(f"unix:/proc/{os.getpid()}/fd/{mounted}/s") as running:
        folder.rmdir()
        began = asyncio.get_running_loop().time()
        ended = [await ask(running, *parts) for parts in ((REQUEST,), (REQUEST[:20], REQUEST[20:]))]
        took = asyncio.get_running_loop().time() - began
        shown_at_the_end = await asyncio.to_thread(by_boto3, running.port)
    os.close(mounted)

    why = "the grant has ended, or mayfly does not run: mayfly status"
    assert (b"HTTP/1.1 503 Service Unavailable", {"code": "GrantUndelivered", "message": why}) == away
    over = {"code": "GrantEnded", "message": "this grant has ended: 'mayfly grant' makes a new one"}
    assert [(b"HTTP/1.1 401 Unauthorized", over)] * 2 == ended
    assert took < relay.CONNECT_SECONDS
    assert f"Received non 200 response 503 from container metadata: {json.dumps(away[1])}" in shown
    assert f"Received non 200 response 401 from container metadata: {json.dumps(over)}" in shown_at_the_end


REQUEST = b"GET /credentials/nsrc HTTP/1.1\r\nHost: 127.0.0.1:9170\r\n\r\n"


async def ask(running: Relay, *parts: bytes) -> tuple[bytes, Any]:
    """The first line of the answer, and its JSON; the connection is closed after it."""
    reader, writer = await running.dial()
    for part in parts or (REQUEST,):
        writer.write(part)
        await asyncio.sleep(0.1)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    assert f"Content-Length: {len(body)}".encode() in lines
    assert b"Content-Type: application/json" in lines
    return first, json.loads(body)


def by_boto3(port: int) -> str:
    """What boto3's own client of the endpoint says in the end."""
    url = f"http://127.0.0.1:{port}/credentials/nsrc"
    try:
        return str(ContainerMetadataFetcher().retrieve_full_uri(url))
    except MetadataRetrievalError as reason:
        return str(reason)


@pytest.mark.slow
async def test_a_daemon_that_does_not_come_is_told_in_a_line(path: Path) -> None:
    """After 5 s the client's connection is closed; the relay goes on."""
    async with relaying(f"unix:{path}") as running:
        reader, _ = await running.dial()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        said = await running.said()
        async with daemon(path, _echo):
            reader, writer = await running.dial()
            writer.write(b"well")
            writer.write_eof()
            assert b"well" == await reader.read()

    cause = "No such file or directory: has the grant ended, or is its folder not mounted?"
    assert f"mayfly: error: cannot connect to unix:{path}: {cause}" == said


@linux_only
async def test_a_thousand_short_connections_leave_nothing(path: Path) -> None:
    """Whether a client ends well, goes at once or is reset, its two descriptors are closed."""
    async with daemon(path, _echo), relaying(f"unix:{path}") as running:
        before = running.descriptors()
        for start in range(0, 1000, 50):
            await asyncio.gather(*(_short(running.port, number) for number in range(start, start + 50)))
        while running.descriptors() > before:
            await asyncio.sleep(0.02)

        assert before == running.descriptors()


async def _short(port: int, number: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if number % 3 == 0:
        # A reset instead of an end.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif number % 3 == 1:
        writer.write(b"short")
        writer.write_eof()
        assert b"short" == await reader.read()
    writer.close()


async def test_so_many_connections_and_no_more(path: Path) -> None:
    """One too many is closed and told, unless a client keeps one that the daemon has ended: that goes first."""
    ended = asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(b"hello")
        if not ended.is_set():
            ended.set()
            writer.write_eof()
        await reader.read()

    async with daemon(path, serve), relaying(f"unix:{path}") as running:
        dialled = [await running.dial() for _ in range(relay.MOST_CONNECTIONS)]
        for reader, _ in dialled:
            assert b"hello" == await reader.readexactly(5)
        kept, _ = dialled[0]
        assert b"" == await kept.read()
        dialled.append(await running.dial())
        assert b"hello" == await dialled[-1][0].readexactly(5)
        dialled.append(await running.dial())
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await dialled[-1][0].readexactly(5)
        assert "mayfly: error: a connection was closed: 100 are open already" == await running.said()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_a_signal_ends_it_without_a_word(path: Path, number: int, code: int) -> None:
    """Open connections are cut; nothing is said, and no traceback."""
    async with daemon(path, _echo), relaying(f"unix:{path}") as running:
        reader, writer = await running.dial()
        writer.write(b"x")

        assert code == await running.end(number)
        assert "" == await running.said()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)


@pytest.mark.parametrize(
    ("listen", "to", "code", "line"),
    [
        ("0.0.0.0:1", "unix:/s", 2, "--listen 0.0.0.0:1: a relay listens on the loopback interface alone"),
        ("[::]:1", "unix:/s", 2, "--listen [::]:1: a relay listens on the loopback interface alone"),
        ("host.example:1", "unix:/s", 2, "--listen host.example:1: a relay listens on the loopback interface alone"),
        ("127.0.0.1", "unix:/s", 2, "--listen 127.0.0.1: expected 127.0.0.1:PORT, with a port up to 65535"),
        ("::1:9170", "unix:/s", 2, "--listen ::1:9170: expected 127.0.0.1:PORT, with a port up to 65535"),
        ("127.0.0.1:65536", "unix:/s", 2, "--listen 127.0.0.1:65536: expected 127.0.0.1:PORT, with a port up to 65535"),
        ("127.0.0.1:²", "unix:/s", 2, "--listen 127.0.0.1:\\xb2: expected 127.0.0.1:PORT, with a port up to 65535"),
        ("127.0.0.1:0", "/s", 2, "--to /s: expected unix:PATH or tcp:HOST:PORT"),
        ("127.0.0.1:0", "unix:", 2, "--to unix:: expected unix:PATH or tcp:HOST:PORT"),
        ("127.0.0.1:0", "udp:h:1", 2, "--to udp:h:1: expected unix:PATH or tcp:HOST:PORT"),
        ("127.0.0.1:0", "tcp:h:0", 2, "--to tcp:h:0: no program listens on port 0"),
        ("127.0.0.1:0", "unix:/", 2, "--to unix:/: / is no socket"),
        ("127.0.0.1:0", "udp:\x1b[2J", 2, "--to udp:\\x1b[2J: expected unix:PATH or tcp:HOST:PORT"),
        ("127.0.0.1:7", "tcp:localhost:7", 2, "--to tcp:localhost:7: the relay would connect to itself"),
    ],
)
async def test_what_cannot_be_relayed_is_told_in_a_line(
    world: World, listen: str, to: str, code: int, line: str
) -> None:
    """Wrong usage is exit 2, with the option and its value."""
    ended = await world.run("relay", "--listen", listen, "--to", to)

    assert (code, f"mayfly: error: {line}\n") == (ended.code, ended.err)


async def test_a_busy_port_and_a_long_path_are_told(world: World) -> None:
    """A port that another program has is exit 1; a path that no socket can have is exit 2, with the limit."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        busy = await world.run("relay", "--listen", f"127.0.0.1:{port}", "--to", "unix:/s")
    path = "/" + "long" * 30
    too_long = await world.run("relay", "--listen", "127.0.0.1:0", "--to", f"unix:{path}")

    assert (1, f"mayfly: error: cannot listen on 127.0.0.1:{port}: another program listens there\n") == (
        busy.code,
        busy.err,
    )
    most = "a socket's path has {} bytes at most".format(107 if sys.platform == "linux" else 103)
    assert (2, f"mayfly: error: --to unix:{path}: {most}\n") == (too_long.code, too_long.err)


async def test_the_daemon_answers_through_it(world: World) -> None:
    """Warm and cold, by a port that is not the daemon's; a client that waits for a human is kept alive."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve() as served, relaying(f"tcp:127.0.0.1:{world.port}") as running:
        reader, writer = await running.dial()
        asked = f"GET /credentials/nsrc HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nAuthorization: {world.token()}"
        writer.write(f"{asked}\r\n\r\n".encode())
        interim = await reader.readuntil(b"\r\n\r\n")
        world.vault.update(prompt={"answer": "approve"})
        await served.event("session.refreshed")
        answer = interim
        while answer == interim:
            answer = await reader.readuntil(b"\r\n\r\n")

    assert b"HTTP/1.1 100 Continue\r\n\r\n" == interim
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_file_stands_alone() -> None:
    """It is Python 3.8, and imports nothing but the standard library."""
    tree = ast.parse(FILE.read_text(), feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert set() == {name.partition(".")[0] for name in imported} - sys.stdlib_module_names


@linux_only
def test_a_mounted_folder_that_was_removed_is_the_end_of_its_grant(tmp_path: Path) -> None:
    """Nobody is waited for any more. A folder that is not there, or has no socket yet, may come."""
    folder = tmp_path / "grant"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    mounted, missing = (relay.Upstream(path=f"{name}/s") for name in (f"/proc/self/fd/{descriptor}", tmp_path / "none"))
    before = mounted.has_gone(), missing.has_gone()
    folder.rmdir()
    after = mounted.has_gone()
    os.close(descriptor)

    assert ((False, False), True) == (before, after)
