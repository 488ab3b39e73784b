"""The terminal's other screen, on which a page is drawn again and again.

Law: the terminal is left as it was, however the command ends. So signals wait while the screen is entered and left, and
those that would end the process become exceptions meanwhile.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from types import FrameType
from typing import Any, NamedTuple, NoReturn, Protocol, Self


# The private modes of xterm: 1049 is the other screen, 25 the cursor, 2026 holds an update back until it is whole. A
# console without another screen is left empty.
ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
LEAVE = "\x1b[?2026l\x1b[0m\x1b[H\x1b[2J\x1b[?25h\x1b[?1049l"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"

ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
HELD_BACK = {signal.SIGINT, signal.SIGTSTP, *ENDINGS}


class HasDescriptor(Protocol):
    """A source for `select`."""

    def fileno(self) -> int:
        """The descriptor."""


class Ended(Exception):
    """A signal ends the process; `die` ends it, once the screen is left."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def die(self) -> NoReturn:
        """End by the signal itself, so that the parent sees by which."""
        signal.signal(self.number, signal.SIG_DFL)
        os.kill(os.getpid(), self.number)
        sys.exit(128 + self.number)


class Heard(NamedTuple):
    """The reason for which `Screen.wait` returned."""

    ready: list[HasDescriptor]
    keys: bytes


class Screen:
    """The other screen of the terminal at standard output, with the keys of standard input."""

    def __init__(self) -> None:
        self._out = sys.stdout.fileno()
        self._keys = sys.stdin.fileno() if sys.stdin and sys.stdin.isatty() else None
        self._modes: Any = None
        self._is_entered = False
        self._drawn: list[str] = []
        self._handlers: dict[int, Any] = {}
        self._bell, self._rope = os.pipe()

    def __enter__(self) -> Self:
        """Handle signals from now on. The screen is entered by `enter`."""
        os.set_blocking(self._bell, False)
        os.set_blocking(self._rope, False)
        signal.set_wakeup_fd(self._rope, warn_on_full_buffer=False)
        for number in (*ENDINGS, signal.SIGTSTP):
            # What the parent has had ignored stays ignored (nohup).
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, _end if number in ENDINGS else _note)
        self._handlers[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, _note)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the screen."""
        with _held_back():
            self._leave()
            signal.set_wakeup_fd(-1)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
            os.close(self._bell)
            os.close(self._rope)

    def enter(self) -> None:
        """Show the other screen, empty, without a cursor; keys are not echoed."""
        with _held_back():
            self._drawn = []
            if self._keys is not None and self._modes is None:
                self._modes = termios.tcgetattr(self._keys)
                quiet = termios.tcgetattr(self._keys)
                quiet[3] &= ~(termios.ICANON | termios.ECHO)
                termios.tcsetattr(self._keys, termios.TCSADRAIN, quiet)
            self._is_entered = True
            self._write(ENTER)

    def _leave(self) -> None:
        """Show the screen that was there before, and put the terminal's modes back."""
        # A terminal that has gone needs nothing.
        with suppress(OSError, termios.error):
            if self._is_entered:
                self._is_entered = False
                self._write(LEAVE)
        with suppress(OSError, termios.error):
            if self._keys is not None and self._modes is not None:
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._modes)
                self._modes = None

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, of which none is wider than the terminal; writes those that have changed."""
        pairs = enumerate(zip_longest(lines, self._drawn))
        changed = [(place, line or "") for place, (line, before) in pairs if line != before]
        self._drawn = list(lines)
        if changed:
            self._write(BEGIN + "".join(f"\x1b[{place + 1};1H{line}\x1b[K" for place, line in changed) + END)

    def wait(self, sources: Sequence[HasDescriptor], seconds: float) -> Heard:
        """Wait for one of the sources, for a key, for a signal, and for so long at most."""
        keys = [self._keys] if self._keys is not None else []
        ready, _, _ = select.select([*sources, self._bell, *keys], [], [], seconds)
        if self._bell in ready:
            self._answer(os.read(self._bell, 1024))
        return Heard(
            [source for source in sources if source in ready],
            self._read_keys() if keys and self._keys in ready else b"",
        )

    def _answer(self, numbers: bytes) -> None:
        """React to signals: a resize draws everything anew, and Ctrl-Z stops the process on the screen from before."""
        if signal.SIGTSTP in numbers:
            self._stop()
        if signal.SIGWINCH in numbers:
            self._clear()

    def _stop(self) -> None:
        with _held_back():
            self._leave()
            ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # The process is stopped here, until the shell continues it (`fg`).
        signal.signal(signal.SIGTSTP, ours)
        self.enter()

    def _clear(self) -> None:
        self._drawn = []
        self._write("\x1b[2J")

    def _read_keys(self) -> bytes:
        keys = os.read(self._keys, 1024) if self._keys is not None else b""
        if not keys:
            self._keys = None
        if b"\x0c" in keys:  # Ctrl-L
            self._clear()
        return keys

    def _write(self, text: str) -> None:
        """Write past Python's buffer, which would keep the rest of an interrupted write."""
        rest = text.encode(sys.stdout.encoding, errors="backslashreplace")
        while rest:
            rest = rest[os.write(self._out, rest) :]


@contextmanager
def _held_back() -> Iterator[None]:
    """Hold signals back in the block, so that none interrupts it half-way."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(number: int, _frame: FrameType | None) -> None:
    raise Ended(number)


def _note(_number: int, _frame: FrameType | None) -> None:
    """The wakeup descriptor tells of it."""
