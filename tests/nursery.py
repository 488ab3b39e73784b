"""A nursery of `mayfly` processes: one that has imported the package, and forks a child for each command.

A child is a process of its own, with its own environment, folder, standard streams, session, signals and end; what it
is spared is to start an interpreter and to import, which is most of what a short command costs. Whatever concerns just
that (imports, command line, /proc, what an interpreter reads from its environment) asks for a process from scratch.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


_STATUS = struct.Struct("=ii")
_LIMIT_BYTES = 256 * 1024

# What an interpreter, or the loader before it, looks at when it starts.
_STARTS = ("PYTHON", "LANG", "LC_", "LD_", "FAKETIME")


class Hatchling:
    """A child of the nursery, with the part of asyncio's Process that the tests use."""

    def __init__(self, line: socket.socket) -> None:
        line.settimeout(30)
        self.pid = _STATUS.unpack(line.recv(_STATUS.size))[0]
        line.setblocking(False)
        self._line = line
        self._returncode: int | None = None

    @property
    def returncode(self) -> int | None:
        if self._returncode is None:
            with suppress(BlockingIOError):
                self._note(self._line.recv(_STATUS.size))
        return self._returncode

    async def wait(self) -> int:
        while self._returncode is None:
            self._note(await asyncio.get_running_loop().sock_recv(self._line, _STATUS.size))
        return self._returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _note(self, raw: bytes) -> None:
        self._returncode = _STATUS.unpack(raw)[1]
        self._line.close()


class Nursery:
    """The parent of the processes of one pytest worker, started when the first is wanted."""

    def __init__(self) -> None:
        self._line: socket.socket | None = None

    def takes(self, env: dict[str, str] | None) -> bool:
        """Whether a process with these variables on top of the world's may come from here."""
        return not any(name.startswith(_STARTS) for name in env or {})

    async def run(
        self, argv: Sequence[str], env: dict[str, str], folder: Path, stdin: bytes
    ) -> tuple[int, bytes, bytes]:
        """`mayfly ARGV` from its start to its end: exit code, output and errors."""
        assert len(stdin) < select.PIPE_BUF * 8, "more than a pipe is sure to hold"
        (theirs_in, ours_in), (ours_out, theirs_out), (ours_err, theirs_err) = os.pipe(), os.pipe(), os.pipe()
        process = self.start(argv, env, folder, (theirs_in, theirs_out, theirs_err))
        os.write(ours_in, stdin)
        for descriptor in (theirs_in, ours_in, theirs_out, theirs_err):
            os.close(descriptor)
        out, err = await asyncio.gather(*(asyncio.to_thread(_read_all, end) for end in (ours_out, ours_err)))
        return await process.wait(), out, err

    def start(self, argv: Sequence[str], env: dict[str, str], folder: Path, streams: tuple[int, int, int]) -> Hatchling:
        """`mayfly ARGV` in a session of its own."""
        ours, theirs = socket.socketpair()
        request = json.dumps({"argv": list(argv), "env": env, "folder": str(folder)}).encode()
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
                    [sys.executable, __file__], stdin=theirs.fileno(), env={**os.environ, "HOME": "/nonexistent"}
                )
        return self._line


NURSERY = Nursery()


def _read_all(descriptor: int) -> bytes:
    with open(descriptor, "rb") as stream:
        return stream.read()


def main() -> int:
    """In the nursery: fork for every request, tell its pid and then how it ended. Returns in the children only."""
    _import_all()
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
            return _become(json.loads(raw), descriptors)
        *streams, report = descriptors
        for stream in streams:
            os.close(stream)
        children[pid] = report
        os.write(report, _STATUS.pack(pid, 0))


def _import_all() -> None:
    import mayfly.cli
    import mayfly.daemon
    import mayfly.log
    import mayfly.sockets

    for path in Path(mayfly.cli.__file__).parent.glob("*.py"):
        __import__(f"mayfly.cli.{path.stem}")
    gc.freeze()


def _tell_ends(children: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            report = children.pop(ended[0])
            with suppress(BrokenPipeError):
                os.write(report, _STATUS.pack(ended[0], os.waitstatus_to_exitcode(ended[1])))
            os.close(report)


def _become(request: dict[str, Any], descriptors: list[int]) -> int:
    """A fresh `mayfly`, as far as it can tell."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    sys.argv = ["mayfly", *request["argv"]]
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    sys.stdout = sys.__stdout__ = _text(1, "strict")
    sys.stderr = sys.__stderr__ = _text(2, "backslashreplace")

    from mayfly.cli import main as mayfly

    return mayfly()


def _text(descriptor: int, errors: str) -> io.TextIOWrapper:
    raw = io.BufferedWriter(io.FileIO(descriptor, "w", closefd=False))
    return io.TextIOWrapper(raw, errors=errors, line_buffering=descriptor == 2 or os.isatty(descriptor))


if __name__ == "__main__":
    sys.exit(main())
