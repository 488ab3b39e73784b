"""A child process, with a text to read and a time limit: started, fed, watched, read, and gone with all it has started.

Whatever it does (hang, flood, close its pipes and stay, leave children behind that hold them), `printed` returns or
raises within the limit, and after the `with` block nothing of it lives on.
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
LOOK_SECONDS = 0.05

_CHUNK_BYTES = 16 * 1024


class Hung(Exception):
    """It did not end in time."""


class Flooded(Exception):
    """It printed more than its cap."""


class Printed(NamedTuple):
    """How it ended: its exit code (negative: the signal), what it printed, and how long it took."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    seconds: float


class Child:
    """A running child, in a session of its own and without a terminal. Raises OSError where it cannot be started."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        text: bytes = b"",
        environment: Mapping[str, str],
        limit_seconds: float,
        cap_bytes: int = 64 * 1024,
    ) -> None:
        self._limit_seconds = limit_seconds
        self._cap_bytes = cap_bytes
        self._unsent = text
        self._taken = {"stdout": bytearray(), "stderr": bytearray()}
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
            start_new_session=True,
        )
        _alive.append(self)
        assert self._process.stdin is not None  # noqa: S101 - for mypy: it was made with a pipe
        self._stdin = self._process.stdin
        os.set_blocking(self._stdin.fileno(), False)
        self._feed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever still runs is asked to end, then made to."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(TERM_GRACE_SECONDS)
        self.signal(signal.SIGKILL)
        descendants.kill_descendants()
        _alive.remove(self)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def printed(self) -> Printed:
        """How it ended, once it has; raises Hung or Flooded."""
        with selectors.DefaultSelector() as selector:
            for name in self._taken:
                selector.register(getattr(self._process, name), selectors.EVENT_READ, name)
            if not self._stdin.closed:
                selector.register(self._stdin, selectors.EVENT_WRITE, "stdin")
            while not self._is_read(selector):
                if self._left_seconds() <= 0:
                    raise Hung
        try:
            exit_code = self._process.wait(max(0.0, self._left_seconds()))
        except subprocess.TimeoutExpired:
            raise Hung from None
        seconds = time.monotonic() - self._started
        return Printed(exit_code, bytes(self._taken["stdout"]), bytes(self._taken["stderr"]), seconds)

    def _is_read(self, selector: selectors.BaseSelector) -> bool:
        """Serve what is ready; whether both streams are at their end, or hold nothing though the child has ended.

        A daemon that it left behind may hold them open for ever.
        """
        has_ended = self._process.poll() is not None
        ready = selector.select(0 if has_ended else LOOK_SECONDS)
        for key, _ in ready:
            self._serve(selector, key)
        is_silent = has_ended and not any(key.data in self._taken for key, _ in ready)
        return is_silent or not any(key.data in self._taken for key in selector.get_map().values())

    def _serve(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if key.data == "stdin":
            self._feed()
            if self._stdin.closed:
                selector.unregister(key.fileobj)
            return
        chunk = os.read(key.fd, _CHUNK_BYTES)
        self._taken[key.data] += chunk
        if not chunk:
            selector.unregister(key.fileobj)
        elif len(self._taken[key.data]) > self._cap_bytes:
            raise Flooded

    def _feed(self) -> None:
        """As much as the pipe takes, and at the end of the text the end of the file, for which it waits."""
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            pass  # it does not want to read; its own words, or its silence, tell why
        self._stdin.close()

    def _left_seconds(self) -> float:
        return self._limit_seconds - (time.monotonic() - self._started)

    def signal(self, number: int) -> None:
        """To it and to whoever is in its group."""
        # Nobody may be left in the group (macOS says so with EPERM).
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


_alive: list[Child] = []


def end_all() -> None:
    """End every child as its block would, and what they have started: for who leaves from within a signal's handler."""
    for child in _alive:
        child.signal(signal.SIGTERM)
    descendants.wait_for_children(TERM_GRACE_SECONDS)
    for child in _alive:
        child.signal(signal.SIGKILL)
    descendants.kill_descendants()
