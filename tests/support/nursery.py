"""A nursery of processes: one that has imported a program, such as `mayfly`, and forks a child for each run.

A child is a process of its own, with its own environment, folder, standard streams, session, signals and end; what it
is spared is to start an interpreter and to import, which is most of what a short command costs. A test of just
that (imports, command line, /proc, what an interpreter reads from its environment) asks for a process from scratch.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from support.following import VARIABLES, following


NEST = Path(__file__).with_name("nest.py")
# A pid, or how that process ended.
STATUS = struct.Struct("=ii")

# What an interpreter, or the loader before it, looks at when it starts.
_STARTS = ("PYTHON", "LANG", "LC_", "LD_", "FAKETIME")
# What puts a process on a clock of the test's (`support.exchange.Clock`); the file may be another for each child.
_CLOCK = {"LD_PRELOAD", "FAKETIME_NO_CACHE", "FAKETIME_TIMESTAMP_FILE"}


class Hatchling:
    """A child of a nursery, with the part of asyncio's Process that the tests use."""

    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(30)
        self.pid = STATUS.unpack(line.recv(STATUS.size))[0]
        line.setblocking(False)
        self._line = line
        self._returncode: int | None = None
        self._transports: list[asyncio.BaseTransport] = []

    @property
    def returncode(self) -> int | None:
        if self._returncode is None:
            with suppress(BlockingIOError):
                self._note(self._line.recv(STATUS.size))
        return self._returncode

    async def wait(self) -> int:
        while self._returncode is None:
            self._note(await asyncio.get_running_loop().sock_recv(self._line, STATUS.size))
        for transport in self._transports:
            transport.close()
        return self._returncode

    def join(self) -> int:
        """As `wait`, where there is no loop."""
        if self._returncode is None:
            self._line.settimeout(30)
            self._note(self._line.recv(STATUS.size))
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
        self._returncode = STATUS.unpack(raw)[1]
        self._line.close()


async def _reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader, transport


class Nest:
    """The parent of processes of all programs in one pytest worker, started when the first is wanted.

    Those on a clock of the test's have another parent than the rest: one with the clock's `library`.
    """

    def __init__(self, library: str) -> None:
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        clock = {"LD_PRELOAD": library, "FAKETIME_NO_CACHE": "1"} if library else {}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(NEST)],
                stdin=theirs.fileno(),
                env=os.environ | VARIABLES | {"HOME": "/nonexistent"} | clock,
            )

    def close(self) -> None:
        self.line.close()
        self._process.wait(30)


_nests: dict[str, Nest] = {}


def close_all() -> None:
    """Let the nests end, and wait until they have: by then they have written down what coverage saw."""
    while _nests:
        _nests.popitem()[1].close()


class Nursery:
    """Where one program's processes come from."""

    def __init__(self, program: str) -> None:
        self._program = program

    def takes(self, env: dict[str, str] | None) -> bool:
        """Whether a process with these variables on top of the world's may come from here."""
        return not any(name.startswith(_STARTS) for name in {*(env or {})} - _CLOCK)

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

    def start(
        self,
        argv: Sequence[str],
        env: dict[str, str],
        folder: str,
        streams: tuple[int, int, int],
        descriptors: int | None = None,
    ) -> Hatchling:
        """The program with `argv` in a session of its own, on these standard streams; with `descriptors` at most.

        Coverage follows it if it follows the test.
        """
        library = env.get("LD_PRELOAD", "")
        if library not in _nests:
            _nests[library] = Nest(library)
        ours, theirs = socket.socketpair()
        asked = {"program": self._program, "argv": list(argv), "env": env, "folder": folder, "descriptors": descriptors}
        request = json.dumps(asked | {"is_followed": following.processes}).encode()
        with theirs:
            socket.send_fds(_nests[library].line, [request], [*streams, theirs.fileno()])
        return Hatchling(ours)


MAYFLY = Nursery("mayfly")
EXCHANGE = Nursery("exchange")
OP = Nursery("op")
