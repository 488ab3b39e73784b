"""A log that nobody reads holds up nobody: on real pipes, terminals and disks, and with a real daemon."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import json
import os
import signal
import socket
import sys
import termios
import time
import tty

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mayfly.daemon import log_writer
from mayfly.daemon.log_writer import QUEUE_LINES, LogStream, LogWriter
from support.world import PATIENCE_SECONDS, World


LIMIT_SECONDS = 20


class Pipe(NamedTuple):
    """A pipe, and what it was filled with."""

    reading: int
    writing: int
    filling: int

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        got = b""
        while len(got) < size and (chunk := os.read(self.reading, size - len(got))):
            got += chunk
        return got

    def line(self) -> Any:
        """The next line, of JSON."""
        got = b""
        while not got.endswith(b"\n"):
            got += os.read(self.reading, 1)
        return json.loads(got)


@contextmanager
def full_pipe() -> Iterator[Pipe]:
    """A pipe that takes no byte more until it is read."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filling = 0
    try:
        while True:
            filling += os.write(writing, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    try:
        yield Pipe(reading, writing, filling)
    finally:
        os.close(reading)
        os.close(writing)


def writer_to(descriptor: int) -> LogWriter:
    return LogWriter(descriptor, json.dumps)


def test_a_full_pipe_delays_no_line() -> None:
    """`put` returns at once. The queue keeps the newest lines, and the first of them says how many were dropped."""
    with full_pipe() as pipe:
        writer = writer_to(pipe.writing)
        writer.put({"number": -1})
        until = time.monotonic() + LIMIT_SECONDS
        while writer._queue:
            assert time.monotonic() < until
        began = time.monotonic()
        for number in range(3 * QUEUE_LINES):
            writer.put({"number": number})
        assert time.monotonic() - began < LIMIT_SECONDS / 2

        pipe.read(pipe.filling)
        lines = [pipe.line() for _ in range(QUEUE_LINES + 1)]
        writer.put({"number": "last"})
        last = pipe.line()

    assert {"number": -1} == lines[0]
    assert {"number": 2 * QUEUE_LINES, "dropped": 2 * QUEUE_LINES} == lines[1]
    assert [{"number": number} for number in range(2 * QUEUE_LINES + 1, 3 * QUEUE_LINES)] == lines[2:]
    assert {"number": "last"} == last


def test_the_end_waits_a_moment_for_the_last_lines(tmp_path: Path) -> None:
    """All lines are in a file when `close` returns; of a full pipe it waits for no longer than it was told."""
    with (tmp_path / "log").open("w+b") as file:
        writer = writer_to(file.fileno())
        for number in range(100):
            writer.put({"number": number})
        writer.close(LIMIT_SECONDS)
        assert list(range(100)) == [json.loads(line)["number"] for line in (tmp_path / "log").read_text().splitlines()]

    with full_pipe() as pipe:
        writer = writer_to(pipe.writing)
        writer.put({})
        began = time.monotonic()
        writer.close(0.2)
        assert 0.2 <= time.monotonic() - began < LIMIT_SECONDS


def test_lines_that_cannot_be_written_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A disk that is full loses lines, also halves of them; the first one that it takes says how many."""
    room = [7, 0, 0]
    real = os.write

    def write(descriptor: int, text: bytes) -> int:
        if not room:
            return real(descriptor, text)
        if size := room.pop(0):
            return real(descriptor, text[:size])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_writer.os, "write", write)
    with (tmp_path / "log").open("w+b") as file:
        writer = writer_to(file.fileno())
        writer.put({"number": 1})
        writer.put({"number": 2})
        writer.put("a line of text")
        writer.put({"number": 3})
        writer.put({"number": 4})
        writer.close(LIMIT_SECONDS)

    assert [
        '{"numbe',
        "a line of text",
        '{"number": 3, "dropped": 2}',
        '{"number": 4}',
    ] == (tmp_path / "log").read_text().splitlines()


def test_a_pipe_that_somebody_has_made_non_blocking_loses_nothing() -> None:
    """Half a line may fit: the rest follows when there is room."""
    with full_pipe() as pipe:
        os.set_blocking(pipe.writing, False)
        writer = writer_to(pipe.writing)
        writer.put({"long": "x" * 2 * pipe.filling})
        writer.put({"number": 2})
        pipe.read(pipe.filling)
        assert {"long": "x" * 2 * pipe.filling} == pipe.line()
        assert {"number": 2} == pipe.line()


def test_what_is_printed_comes_along_in_order(tmp_path: Path) -> None:
    """Whole lines, without what steers a terminal or looks like a secret, in the encoding of the stream."""
    with (tmp_path / "log").open("w+b") as file:
        writer = LogWriter(file.fileno(), json.dumps, encoding="ascii")
        stream = LogStream(writer, file.fileno())
        print("mayfly:", "one\x1b[0m", file=stream)
        writer.put({"number": 2})
        print("three: 東京, code 371946", file=stream, flush=True)
        print("four", end="", file=stream)
        writer.close(LIMIT_SECONDS)
        assert (file.fileno(), False, True) == (stream.fileno(), stream.isatty(), stream.writable())

    assert [
        "mayfly: one\\ufffd[0m",
        '{"number": 2}',
        "three: \\u6771\\u4eac, code [redacted]",
    ] == (tmp_path / "log").read_text().splitlines()


# The daemon


@asynccontextmanager
async def serving(world: World, stderr: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A daemon that answers, whose log goes to the descriptor `stderr`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "serve"), stderr=stderr, env=world.env, cwd=world.home
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await is_answered(world):
                assert process.returncode is None
                await asyncio.sleep(0.05)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def is_answered(world: World) -> bool:
    try:
        return (await world.get("/healthz", token="")).status == 200
    except ConnectionRefusedError:
        return False


async def forget(world: World, times: int) -> None:
    """As many lines for the log as forgotten sessions, over one connection to the control socket."""
    reader, writer = await asyncio.open_unix_connection(world.run_dir / "control.sock")
    for _ in range(times):
        writer.write(b"POST /profiles/nsrc/forget HTTP/1.1\r\nHost: mayfly\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        (length,) = [line for line in head.lower().splitlines() if line.startswith(b"content-length:")]
        await reader.readexactly(int(length.split(b":")[1]))
    writer.close()


async def test_a_daemon_whose_log_nobody_reads_serves_on(world: World) -> None:
    """The pipe is full from the start: clients, commands and SIGTERM are heard; its reader learns what was lost."""
    with full_pipe() as pipe:
        flags = fcntl.fcntl(pipe.writing, fcntl.F_GETFL)
        async with asyncio.timeout(PATIENCE_SECONDS), serving(world, pipe.writing) as daemon:
            assert 200 == (await world.get()).status
            await forget(world, 2 * QUEUE_LINES)
            assert 0 == (await world.run("status")).code
            assert 401 == (await world.get(token="wrong")).status
            assert flags == fcntl.fcntl(pipe.writing, fcntl.F_GETFL)

            reading = asyncio.to_thread(
                lambda: (pipe.read(pipe.filling), [pipe.line() for _ in range(QUEUE_LINES + 1)])
            )
            first, second, *rest = (await reading)[1]
            daemon.send_signal(signal.SIGTERM)
            assert 0 == await daemon.wait()

    assert "daemon.started" == first["event"]
    assert second["dropped"] >= QUEUE_LINES
    assert not [row for row in rest if "dropped" in row]
    assert ["request.refused", "client.refused"] == [row["event"] for row in rest[-2:]]


async def test_a_daemon_whose_log_nobody_reads_ends(world: World) -> None:
    """SIGTERM ends it with 0, in little more than the moment that the last lines are given."""
    with full_pipe() as pipe:
        async with asyncio.timeout(PATIENCE_SECONDS), serving(world, pipe.writing) as daemon:
            assert 200 == (await world.get()).status
            began = time.monotonic()
            daemon.send_signal(signal.SIGTERM)
            assert 0 == await daemon.wait()

    assert time.monotonic() - began < LIMIT_SECONDS / 2


async def test_a_stopped_terminal_stops_no_daemon(world: World) -> None:
    """After Ctrl-S it serves and ends; after Ctrl-Q the lines are there. Its flags are as they were."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    flags = fcntl.fcntl(theirs, fcntl.F_GETFL)
    async with asyncio.timeout(PATIENCE_SECONDS), serving(world, theirs) as daemon:
        shown = os.read(ours, 4096)
        while b"daemon.started" not in shown:
            shown += os.read(ours, 4096)
        termios.tcflow(theirs, termios.TCOOFF)
        assert 200 == (await world.get()).status
        await forget(world, 2 * QUEUE_LINES)
        assert 200 == (await world.get("/healthz", token="")).status
        termios.tcflow(theirs, termios.TCOON)
        while b"dropped" not in shown:
            shown += await asyncio.to_thread(os.read, ours, 4096)
        termios.tcflow(theirs, termios.TCOOFF)
        daemon.send_signal(signal.SIGTERM)
        assert 0 == await daemon.wait()

    assert flags == fcntl.fcntl(theirs, fcntl.F_GETFL)
    os.close(ours)
    os.close(theirs)


async def test_the_last_lines_of_a_daemon_are_written(world: World) -> None:
    """In a file that takes them, `daemon.stopped` is the last line, and nothing is dropped."""
    async with world.serve() as daemon:
        assert 200 == (await world.get()).status
        assert 0 == await daemon.end()

    assert "daemon.stopped" == daemon.events()[-1]["event"]
    assert not [row for row in daemon.events() if "dropped" in row]


async def test_a_wrong_config_is_told_to_the_service_manager_though_nobody_reads_the_log(world: World) -> None:
    """Under systemd the reason is in the unit's status, and a changed config ends the wait."""
    config = world.write_toml("[profiles.nsrc]\nrole_arn = 7\n")
    with full_pipe() as pipe, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(world.folder / "notify"))
        manager.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mayfly", "serve"),
            stderr=pipe.writing,
            env=world.env | {"NOTIFY_SOCKET": str(world.folder / "notify")},
            cwd=world.home,
        )
        ending = asyncio.ensure_future(process.wait())
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                told = await asyncio.get_running_loop().sock_recv(manager, 4096)
                for second in itertools.count():
                    os.utime(config, (second, second))
                    if (await asyncio.wait([ending], timeout=0.5))[0]:
                        break
        finally:
            if process.returncode is None:
                process.kill()
            code = await ending

    assert b"STATUS=not serving: " in told
    assert 2 == code
