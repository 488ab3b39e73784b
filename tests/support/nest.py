"""The nest of `support.nursery`: imports the programs that tests run, then forks a child for each request."""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import coverage


# This file is run, and its folder has modules called as others' are.
sys.path[0] = str(Path(__file__).parents[1])

from support import followed_children, grandchildren  # noqa: E402
from support.nursery import STATUS  # noqa: E402


_LIMIT_BYTES = 256 * 1024


def main() -> int:
    """Fork for every request, tell its pid and then how it ended."""
    programs = _imported()
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
            request = json.loads(raw)
            _become(request, descriptors)
            _leave(programs[request["program"]])
        *streams, report = descriptors
        for stream in streams:
            os.close(stream)
        children[pid] = report
        os.write(report, STATUS.pack(pid, 0))


def _imported() -> dict[str, Callable[[], int]]:
    """Each program's `main`, with all that it would import."""
    import mayfly.cli
    import mayfly.daemon.daemon
    import mayfly.daemon.log
    import mayfly.daemon.sockets
    import mayfly.demo.op.misbehavior
    import mayfly.demo.totp
    import mayfly.exchange.program

    from mayfly.demo.op.__main__ import main as op

    top = Path(mayfly.__file__).parent
    for path in (top / "cli").rglob("*.py"):
        importlib.import_module(".".join(("mayfly", *path.relative_to(top).with_suffix("").parts)))
    grandchildren.prepare()
    if followed := coverage.Coverage.current():
        # Or every child would write down all of this again, for 40 ms, and then look for files that nobody has run.
        followed.save()
        followed._post_save_work = lambda: None  # type: ignore[method-assign]
    gc.freeze()
    return {"mayfly": _mayfly, "exchange": mayfly.exchange.program.main, "op": op}


def _mayfly() -> int:
    import mayfly.cli

    # A thread of the daemon's may hold the lock of a clock's library, which a fork would inherit.
    if sys.argv[1:2] == ["serve"] and "LD_PRELOAD" not in os.environ:
        grandchildren.fork_exchanges()
    return mayfly.cli.main()


def _tell_ends(children: dict[int, int]) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            report = children.pop(ended[0])
            with suppress(BrokenPipeError):
                os.write(report, STATUS.pack(ended[0], os.waitstatus_to_exitcode(ended[1])))
            os.close(report)


def _become(request: dict[str, Any], descriptors: list[int]) -> None:
    """A fresh process, as far as it can tell."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    if request["is_followed"]:
        followed_children.take_notes()
    else:
        grandchildren.stop_following()
    if request["descriptors"]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (request["descriptors"],) * 2)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["folder"])
    sys.argv = [request["program"], *request["argv"]]
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
    ended = main()
    followed_children.add_up()
    sys.exit(ended)
