"""A nursery of processes: one that has imported a program, such as `mayfly`, and forks a child for each run.

A child is a process of its own, with its own environment, folder, standard streams, session, signals and end; what it
is spared is to start an interpreter and to import, which is most of what a short command costs. A test of just
that (imports, command line, /proc, what an interpreter reads from its environment) asks for a process from scratch.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import importlib
import io
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import traceback

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn


_STATUS = struct.Struct("=ii")
_LIMIT_BYTES = 256 * 1024

# What an interpreter, or the loader before it, looks at when it starts.
_STARTS = ("PYTHON", "LANG", "LC_", "LD_", "FAKETIME")


class Hatchling:
    """A child of a nursery, with the part of asyncio's Process that the tests use."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(30)
        self.pid = _STATUS.unpack(line.recv(_STATUS.size))[0]
        line.setblocking(False)
        self._line = line
        self._returncode: int | None = None
        self._transports: list[asyncio.BaseTransport] = []

    @property
    def returncode(self) -> int | None:
        if self._returncode is None:
            with suppress(BlockingIOError):
                self._note(self._line.recv(_STATUS.size))
        return self._returncode

    async def wait(self) -> int:
        while self._returncode is None:
            self._note(await asyncio.get_running_loop().sock_recv(self._line, _STATUS.size))
        for transport in self._transports:
            transport.close()
        return self._returncode

    def join(self) -> int:
        """As `wait`, where there is no loop."""
        if self._returncode is None:
            self._line.settimeout(30)
            self._note(self._line.recv(_STATUS.size))
        assert self._returncode is not None
        return self._returncode

    async def communicate(self, text: bytes = b"") -> tuple[bytes, bytes]:
        """Feed it, read what it says, and see it off."""
        with suppress(ConnectionError):
            self.stdin.write(text)
            await self.stdin.drain()
        self.stdin.close()
        said = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return said

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def connect(self, stdin: int, stdout: int, stderr: int) -> None:
        """Take our ends of its pipes."""
        loop = asyncio.get_running_loop()
        writing, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(stdin, "wb", buffering=0)
        )
        self.stdin = asyncio.StreamWriter(writing, protocol, None, loop)
        self.stdout, reading = await _reader(stdout)
        self.stderr, complaining = await _reader(stderr)
        self._transports = [writing, reading, complaining]

    def _note(self, raw: bytes) -> None:
        self._returncode = _STATUS.unpack(raw)[1]
        self._line.close()


async def _reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader, transport


class Nursery:
    """The parent of one program's processes in one pytest worker, started when the first is wanted."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._line: socket.socket | None = None

    def takes(self, env: dict[str, str] | None) -> bool:
        """Whether a process with these variables on top of the world's may come from here."""
        return not any(name.startswith(_STARTS) for name in env or {})

    def run(self, argv: Sequence[str], env: dict[str, str], text: bytes = b"") -> tuple[int, bytes, bytes]:
        """The program from its start to its end: exit code, output and errors."""
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = os.pipe(), os.pipe(), os.pipe()
        process = self.start(argv, env, "/", (their_in, their_out, their_err))
        for descriptor in (their_in, their_out, their_err):
            os.close(descriptor)
        with open(our_in, "wb") as stdin, open(our_out, "rb") as out, open(our_err, "rb") as err:  # noqa: PTH123 - no paths
            with suppress(BrokenPipeError):
                stdin.write(text)
                stdin.close()
            said = out.read(), err.read()
        return (process.join(), *said)

    async def open(self, argv: Sequence[str], env: dict[str, str], folder: str) -> Hatchling:
        """The program with `argv`, and pipes to it."""
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = os.pipe(), os.pipe(), os.pipe()
        process = self.start(argv, env, folder, (their_in, their_out, their_err))
        for descriptor in (their_in, their_out, their_err):
            os.close(descriptor)
        await process.connect(our_in, our_out, our_err)
        return process

    def start(self, argv: Sequence[str], env: dict[str, str], folder: str, streams: tuple[int, int, int]) -> Hatchling:
        """The program with `argv` in a session of its own, on these standard streams."""
        ours, theirs = socket.socketpair()
        request = json.dumps({"argv": list(argv), "env": env, "folder": folder}).encode()
        with theirs:
            socket.send_fds(self._open(), [request], [*streams, theirs.fileno()])
        return Hatchling(ours)

    def close(self) -> None:
        """Let it end, and wait until it has: by then it has written down what coverage saw."""
        if self._line:
            self._line.close()
            self._line = None
            self._parent.wait(30)

    def _open(self) -> socket.socket:
        if self._line is None:
            self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._parent = subprocess.Popen(
                    [sys.executable, __file__, self._program],
                    stdin=theirs.fileno(),
                    env={**os.environ, "HOME": "/nonexistent"},
                )
        return self._line


MAYFLY = Nursery("mayfly")
EXCHANGE = Nursery("exchange")
OP = Nursery("op")


def main() -> int:
    """In the nursery: fork for every request, tell its pid and then how it ended."""
    program = _imported(sys.argv[1])
    line = socket.socket(fileno=os.dup(0))
    awake, bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(bell)
    children: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([line, awake], [], [])
        if awake in ready:
            os.read(awake, 4096)
            _tell_ends(children)
        if line not in ready:
            continue
        raw, descriptors, _, _ = socket.recv_fds(line, _LIMIT_BYTES, 4)
        if not raw:
            return 0
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for descriptor in (awake, bell, line.detach(), *children.values()):
                os.close(descriptor)
            _become(json.loads(raw), descriptors)
            _leave(program)
        *streams, report = descriptors
        for stream in streams:
            os.close(stream)
        children[pid] = report
        os.write(report, _STATUS.pack(pid, 0))


def _imported(name: str) -> Callable[[], int]:
    """The program's `main`, with all that it would import."""
    if name == "exchange":
        import mayfly.exchange.sts.identity
        import mayfly.exchange.sts.sessions

        from mayfly.exchange.program import main as program
    elif name == "op":
        import mayfly.demo.op.misbehavior
        import mayfly.demo.totp

        from mayfly.demo.op.__main__ import main as program
    else:
        import mayfly.cli
        import mayfly.daemon.daemon
        import mayfly.daemon.log
        import mayfly.daemon.sockets

        top = Path(mayfly.__file__).parent
        for path in (top / "cli").rglob("*.py"):
            importlib.import_module(".".join(("mayfly", *path.relative_to(top).with_suffix("").parts)))
        program = mayfly.cli.main
    if "coverage" in sys.modules and (followed := sys.modules["coverage"].Coverage.current()):
        followed.save()  # or every child would write down all of this again, for 40 ms
    gc.freeze()
    return program


def _tell_ends(children: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            report = children.pop(ended[0])
            with suppress(BrokenPipeError):
                os.write(report, _STATUS.pack(ended[0], os.waitstatus_to_exitcode(ended[1])))
            os.close(report)


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """A fresh process, as far as it can tell."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    sys.argv = [sys.argv[1], *request["argv"]]
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    sys.stdout = sys.__stdout__ = _text(1, "strict")
    sys.stderr = sys.__stderr__ = _text(2, "backslashreplace")


def _leave(program: Callable[[], int]) -> NoReturn:
    """Run it and end, without the taking down of all that was imported, which takes as long as a short command."""
    try:
        code = program()
    except SystemExit as reason:
        code = reason.code if isinstance(reason.code, int) else int(reason.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _text(descriptor: int, errors: str) -> io.TextIOWrapper:
    raw = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, errors=errors, line_buffering=descriptor == 2 or os.isatty(descriptor))


if __name__ == "__main__":
    sys.exit(main())
