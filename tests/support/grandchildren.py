"""Exchanges that a nursery's daemon forks instead of starting an interpreter, whose imports take half a second.

Such an exchange is the daemon's own child in all that the two have with each other: parent, pipes, session, folder,
environment, signals and end. It shows the nursery's command line in /proc, and coverage does not follow it, as it does
not follow those that start from scratch.
"""

from __future__ import annotations

import asyncio
import gc
import io
import os
import posix
import signal
import subprocess
import sys
import traceback

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

import coverage

from mayfly.shared.hardening import prctl


_PR_SET_DUMPABLE = 4


def prepare() -> None:
    """Import what an exchange imports, so that each has it."""
    import mayfly.exchange.program
    import mayfly.exchange.sts.identity
    import mayfly.exchange.sts.roles
    import mayfly.exchange.sts.sessions  # noqa: F401 - these four are the exchange

    from support import botocore_data

    botocore_data.read()


def fork_exchanges() -> None:
    """From now on this process, a daemon, forks its exchanges."""
    subprocess.Popen = _Popen  # type: ignore[misc] # asyncio finds it there


class _Popen(subprocess.Popen[bytes]):
    def __init__(self, args: Any, *rest: Any, **options: Any) -> None:
        if "mayfly.exchange" in args:
            argv, env = list(args), dict(options["env"])
            argv = argv[argv.index("mayfly.exchange") :]
            loop, task = asyncio.get_running_loop(), asyncio.current_task()

            def become() -> NoReturn:
                _run(lambda: _become_exchange(argv, env, loop, task))

            # Called when all that the daemon has asked for is done, where the interpreter would start.
            options["preexec_fn"] = become
        super().__init__(args, *rest, **options)


def _become_exchange(
    argv: list[str], env: dict[str, str], loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any] | None
) -> int:
    """Be a fresh process, as far as it can tell."""
    stop_following()
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    prctl(_PR_SET_DUMPABLE, 1)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if task:
        asyncio._set_running_loop(loop)
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = argv
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
    gc.disable()
    from mayfly.exchange.program import main

    return main()


def stop_following() -> None:
    """Have coverage forget this process: nothing that it has run, or will run, is written down."""
    os._exit = posix._exit
    if followed := coverage.Coverage.current():
        followed._auto_save = False
        followed.stop()


def _run(program: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        code = program()
    except BaseException:  # noqa: BLE001 - as the interpreter would
        with suppress(OSError):
            os.write(2, traceback.format_exc().encode())
    posix._exit(code)
