"""A child process with a text on its standard input, a time limit and a limit on its output.

The child may hang, flood, close its pipes and stay, or leave children behind that hold the pipes open. In every case
`printed` returns or raises within the time limit, and no process of the child's outlives the `with` block.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Self

from mayfly.exchange import descendants


TERM_GRACE_SECONDS = 3
POLL_SECONDS = 0.05

_CHUNK_BYTES = 16 * 1024


class Hung(Exception):
    """The child did not end within its time limit."""


class Flooded(Exception):
    """The child printed more than `cap_bytes`."""


class Printed(NamedTuple):
    """How the child ended: its exit code (negative: the signal), what it printed, and how long it ran."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float


class Child:
    """A running child, in a session of its own and without a terminal. Raises OSError if it cannot be started.

    With `keeps_terminal` it stays in our session, in the background: it can write to the terminal, and cannot read.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        text: bytes = b"",
        environment: Mapping[str, str],
        limit_seconds: float,
        cap_bytes: int = 64 * 1024,
        keeps_terminal: bool = False,
    ) -> None:
        self._limit_seconds = limit_seconds
        self._cap_bytes = cap_bytes
        self._input_left = text
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        descendants.adopt_orphans()
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=environment,
            cwd="/",
            start_new_session=not keeps_terminal,
            process_group=0 if keeps_terminal else None,
        )
        _running.append(self)
        assert self._process.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        self._stdin = self._process.stdin
        os.set_blocking(self._stdin.fileno(), False)
        self._feed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the child and all its descendants: SIGTERM first, then SIGKILL."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(TERM_GRACE_SECONDS)
        self.signal(signal.SIGKILL)
        descendants.kill_descendants()
        _running.remove(self)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def printed(self) -> Printed:
        """Wait for the child to end; raises Hung or Flooded."""
        with selectors.DefaultSelector() as selector:
            for name in self._output:
                selector.register(getattr(self._process, name), selectors.EVENT_READ, name)
            if not self._stdin.closed:
                selector.register(self._stdin, selectors.EVENT_WRITE, "stdin")
            while not self._is_done_reading(selector):
                if self._seconds_left() <= 0:
                    raise Hung
        try:
            exit_code = self._process.wait(max(0.0, self._seconds_left()))
        except subprocess.TimeoutExpired:
            raise Hung from None
        seconds = time.monotonic() - self._started
        return Printed(exit_code, bytes(self._output["stdout"]), bytes(self._output["stderr"]), seconds)

    def _is_done_reading(self, selector: selectors.BaseSelector) -> bool:
        """Serve the pipes that are ready. True once there is nothing more to read.

        That is at the end of both outputs, or when the child has ended and its pipes are empty: a daemon that the child
        left behind may hold them open for ever.
        """
        has_ended = self._process.poll() is not None
        ready = selector.select(0 if has_ended else POLL_SECONDS)
        for key, _ in ready:
            self._serve(selector, key)
        is_silent = has_ended and not any(key.data in self._output for key, _ in ready)
        return is_silent or not any(key.data in self._output for key in selector.get_map().values())

    def _serve(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if key.data == "stdin":
            self._feed()
            if self._stdin.closed:
                selector.unregister(key.fileobj)
            return
        chunk = os.read(key.fd, _CHUNK_BYTES)
        self._output[key.data] += chunk
        if not chunk:
            selector.unregister(key.fileobj)
        elif len(self._output[key.data]) > self._cap_bytes:
            raise Flooded

    def _feed(self) -> None:
        """Write as much as the pipe takes. Close it after the text, because the child reads up to the end of file."""
        try:
            while self._input_left:
                self._input_left = self._input_left[os.write(self._stdin.fileno(), self._input_left) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            pass  # the child does not read its input; its output says why
        self._stdin.close()

    def _seconds_left(self) -> float:
        return self._limit_seconds - (time.monotonic() - self._started)

    def signal(self, number: int) -> None:
        """Send a signal to the child's process group."""
        # The group may be empty by now (macOS says so with EPERM).
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


_running: list[Child] = []


def end_all() -> None:
    """End every child and its descendants, as their `with` blocks would. For a signal handler that exits at once."""
    for child in _running:
        child.signal(signal.SIGTERM)
    descendants.wait_for_children(TERM_GRACE_SECONDS)
    for child in _running:
        child.signal(signal.SIGKILL)
    descendants.kill_descendants()
