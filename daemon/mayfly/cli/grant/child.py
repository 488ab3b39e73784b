"""The command of a grant, as a child: it has the terminal and gets our signals, and we end as it ends.

Everything that we wait for is a signal: the child's changes (SIGCHLD), what others send us, and news of the connection
that holds the grant (SIGIO). All are blocked and taken one by one, so that none is lost and no handler runs.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from mayfly.cli.exec import cannot_run


# What others send us is meant for the command.
_FORWARDED = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCONT,
)
# A terminal sends these to all processes of a group, so the command has them already. Where they stop it, we follow.
_OF_TERMINAL = {signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH}
# Python ignores these two, and the command would inherit that: `yes | head` would not end.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)


class Ended(NamedTuple):
    """How a command ended: its exit code, or the signal that killed it."""

    code: int
    killed_by: int = 0

    def become(self) -> int:
        """The exit code; does not return where the command was killed, because we die of the same signal."""
        if self.killed_by:
            _die_of(self.killed_by)
        return self.code


def check(command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Raise Stop, as `exec` does, if there is no such command, or it may not be run. Nothing is started."""
    name = command[0]
    found: OSError = FileNotFoundError()
    for folder in [""] if "/" in name else os.get_exec_path(dict(variables)):
        path = os.path.join(folder, name)
        if not name or not os.path.exists(path):
            continue
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return
        found = PermissionError(13, os.strerror(13))
    raise cannot_run(name, found)


class Child:
    """A command that runs. Signals stay blocked from `prepare` on, until this process ends."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Start it; raises Stop if the system refuses."""
        forwarded = [number for number in _FORWARDED if signal.getsignal(number) != signal.SIG_IGN]
        self._awaited = {*forwarded, signal.SIGCHLD, signal.SIGIO}
        for number in self._awaited:
            # A signal that is ignored by default is not even kept while it is blocked, on BSD and macOS.
            signal.signal(number, _nothing)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, self._awaited)
        try:
            self._pid = os.posix_spawnp(
                command[0], list(command), dict(variables), setsigmask=before, setsigdef=_IGNORED_BY_PYTHON
            )
        except (OSError, ValueError) as reason:
            raise cannot_run(command[0], reason) from None

    def wait(self, look: Callable[[], float | None]) -> Ended:
        """Wait for its end. `look` is called after each signal, and returns after how many seconds to call it again."""
        seconds = look()
        while True:
            news = _next_signal(self._awaited, seconds)
            if news and news[0] in _FORWARDED and not _is_of_terminal(*news):
                self._send(news[0])
            if ended := self._changes():
                return ended
            seconds = look()

    def _changes(self) -> Ended | None:
        """Follow it: stop where it has stopped. How it ended, if it has."""
        pid, status = os.waitpid(self._pid, os.WNOHANG | os.WUNTRACED)
        if pid == 0:
            return None
        if os.WIFSTOPPED(status):
            if _has_terminal():
                # The shell that waits for us takes the terminal; its `fg` continues both of us.
                os.kill(os.getpid(), signal.SIGSTOP)
                self._send(signal.SIGCONT)
            return None
        return Ended(0, os.WTERMSIG(status)) if os.WIFSIGNALED(status) else Ended(os.WEXITSTATUS(status))

    def _send(self, number: int) -> None:
        os.kill(self._pid, number)  # it is ours until it is waited for, so the number is no other process's


def _next_signal(awaited: set[signal.Signals], seconds: float | None) -> tuple[int, int | None] | None:
    """The next signal and its code, which tells who sent it (None: not known); None after so many seconds."""
    if sys.platform == "linux":
        found = signal.sigwaitinfo(awaited) if seconds is None else signal.sigtimedwait(awaited, seconds)
        return (found.si_signo, found.si_code) if found else None
    # macOS has neither: an alarm ends the waiting.
    signal.signal(signal.SIGALRM, _nothing)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, seconds or 0)
    number = signal.sigwait({*awaited, signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, 0)
    return None if number == signal.SIGALRM else (number, None)


def _is_of_terminal(number: int, code: int | None) -> bool:
    """True for a signal that the terminal has sent to the command as well."""
    if number not in _OF_TERMINAL:
        return False
    # sigaction(2): what kill() sends has a code of 0 or less, what the kernel sends has one above.
    return code > 0 if code is not None else _is_in_foreground()


def _is_in_foreground() -> bool:
    try:
        descriptor = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _has_terminal() -> bool:
    """True if there is a shell that controls jobs; without one nobody would continue us."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _die_of(number: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    # The command has left a core already, if there is to be one.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number not in {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    time.sleep(1)  # a signal that comes late, or that this system ignores by default
    raise SystemExit(128 + number)


def _nothing(*_: object) -> None:
    """The handler of a signal that is blocked."""
