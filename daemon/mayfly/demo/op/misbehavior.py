"""The misbehavior of the stand-in `op`, as its state says.

Law: everything here was seen in a real `op`, or is something that a reader of its output must survive.
"""

from __future__ import annotations

import os
import signal
import time

from contextlib import suppress

from mayfly.demo.op import state as op_state


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from typing import NoReturn

    from mayfly.demo.op.call import Call

_FLOOD_BYTES = 1024 * 1024


def hang(call: Call) -> NoReturn:
    """Print nothing and never end. The call is logged first, because it may be killed with SIGKILL."""
    call.finish(None)
    while True:
        signal.pause()


def spoilt(output: bytes, how: str | None) -> bytes:
    """The output of a successful command, spoilt as `misbehave` says."""
    match how:
        case "empty":
            return b""
        case "flood":
            return b"0123456789abcdef" * (_FLOOD_BYTES // 16)
        case "invalid-utf8":
            return b"".join(b"\xff" + line for line in output.splitlines(keepends=True))
        case "crlf":
            return output.replace(b"\n", b"\r\n")
        case "truncated":
            return b"".join(output.splitlines(keepends=True)[:1])
        case _:
            return output


def coloured(text: str, how: str | None) -> str:
    """A line for stderr, in red if `misbehave` is `ansi`."""
    return f"\x1b[31m{text}\x1b[0m" if how == "ansi" else text


def leave_daemon(call: Call) -> None:
    """Leave a daemon behind as `op` does: in its own session, and with our pipes if `hold_pipes`.

    Its process id is added to the state's `daemons`.
    """
    daemon = call.table("daemon")
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    grandchild = os.fork()
    if grandchild:
        with op_state.changing(call.path) as state:
            state.setdefault("daemons", []).append(grandchild)
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _redirect_to_null(0, *(() if daemon.get("hold_pipes") else (1, 2)))
    with suppress(OSError):  # the file exists on Linux only
        descriptor = os.open("/proc/self/comm", os.O_WRONLY)
        os.write(descriptor, b"op daemon")
    time.sleep(daemon.get("hold_s", 3))
    os._exit(0)


def _redirect_to_null(*descriptors: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(null, descriptor)
