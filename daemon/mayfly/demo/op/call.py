"""One call of the stand-in `op`: what it was given, what it may change, what it leaves in the log.

Law: the log never holds a value of the environment, and of the output nothing: names, and for the
variables that carry secrets their presence.
"""

from __future__ import annotations

import json
import os
import sys
import time

from mayfly.demo.op import state as op_state
from mayfly.demo.op.args import Arguments


TYPE_CHECKING = False  # typing costs 4 ms of every call
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mayfly.demo.op.state import State

_SECRET = ("OP_CONNECT_TOKEN", "OP_SERVICE_ACCOUNT_TOKEN", "OP_SESSION")
# Set by the shim and by its shell, so not a part of what the caller passed on.
_NOT_THE_CALLERS = {"FAKE_OP_LOG", "FAKE_OP_STATE", "PWD", "OLDPWD", "SHLVL", "_"}


class Call:
    """`state` is what holds for this call: the shared state, with one entry of its script over it.

    `arguments` is there once the command line has been parsed; `client` is who answers (`desktop`,
    `service`, `connect`, `manual`) once that is known.
    """

    arguments: Arguments
    client: str = ""

    def __init__(self, argv: list[str], environment: Mapping[str, str]) -> None:
        self.started = time.time()
        self.argv = argv
        self.environment = environment
        self.stdin: str | None = None
        self.path = environment["FAKE_OP_STATE"]
        self._running = op_state.Running(self.path)
        self._logged = False
        with op_state.changing(self.path) as state:
            self.overlapping = self._running.beside()
            overlap = state.setdefault("overlap", {"now": 0, "max": 0})
            overlap["now"] = self.overlapping + 1
            overlap["max"] = max(overlap["max"], overlap["now"])
            state["calls"] = state.get("calls", 0) + 1
            script = state.get("script")
            self._entry: State = script.pop(0) if script else {}
        self.state = op_state.merged(state, self._entry)

    def refresh(self) -> State:
        """Read the state again: a human may have done something meanwhile."""
        self.state = op_state.merged(op_state.read(self.path), self._entry)
        return self.state

    def now(self) -> float:
        """Seconds since the epoch, by the clock of this state."""
        offset: float = self.state.get("now_offset_s", 0)
        return time.time() + offset

    def table(self, name: str) -> State:
        """One table of the state, empty where there is none."""
        table: State = self.state.get(name) or {}
        return table

    def read_stdin(self) -> str:
        """All of stdin; it ends when the caller closes it."""
        self.stdin = sys.stdin.buffer.read().decode(errors="replace")
        return self.stdin

    def finish(self, exit_code: int | None) -> None:
        """Write the one line of this call; `exit_code` is None where it will hang for ever."""
        if self._logged:
            return
        self._logged = True
        with op_state.changing(self.path) as state:
            state["overlap"]["now"] = self._running.beside() + (exit_code is None)
            if exit_code is not None:
                self._running.leave()
        descriptor = os.open(self.environment["FAKE_OP_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, json.dumps(self._line(exit_code)).encode() + b"\n")
        os.close(descriptor)

    def _line(self, exit_code: int | None) -> State:
        names = sorted(self.environment.keys() - _NOT_THE_CALLERS)
        if self.environment.get("LC_CTYPE") == "C.UTF-8":
            names.remove("LC_CTYPE")  # Python's own (PEP 538), where the caller named no locale
        op_names = [name for name in names if name.startswith("OP_")]
        return {
            "argv": self.argv,
            "env_names": names,
            "op_env": op_names,
            "tokens": [name for name in op_names if name.startswith(_SECRET)],
            "stdin": self.stdin,
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "sid": os.getsid(0),
            "isatty": [os.isatty(descriptor) for descriptor in (0, 1, 2)],
            "start": self.started,
            "end": None if exit_code is None else time.time(),
            "exit": exit_code,
            "overlapping": self.overlapping,
        }
