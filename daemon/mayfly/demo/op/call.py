"""One call of the stand-in `op`: its input, the state that it may change, and its line in the log.

Law: the log never has a value of the environment, nor any output: of the variables it has the names.
"""

from __future__ import annotations

import json
import os
import sys
import time

from mayfly.demo.op import state as op_state
from mayfly.demo.op.args import Arguments


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from collections.abc import Mapping

    from mayfly.demo.op.state import State


class Call:
    """`state` is the shared state, with this call's entry of its script over it.

    `arguments` is set once the command line is parsed; `auth_mode` (`desktop`, `service`, `connect` or `manual`) once
    the call is authenticated.
    """

    arguments: Arguments
    auth_mode: str = ""

    def __init__(self, argv: list[str], environment: Mapping[str, str]) -> None:
        self.argv = argv
        self.environment = environment
        self.stdin: str | None = None
        self.path = environment["FAKE_OP_STATE"]
        self._running = op_state.Running(self.path)
        self._is_logged = False
        with op_state.changing(self.path) as state:
            overlap = state.setdefault("overlap", {"now": 0, "max": 0})
            overlap["now"] = self._running.others() + 1
            overlap["max"] = max(overlap["max"], overlap["now"])
            state["calls"] = state.get("calls", 0) + 1
            script = state.get("script")
            self._entry: State = script.pop(0) if script else {}
        self.state = op_state.merged(state, self._entry)

    def refresh(self) -> State:
        """Read the state again, because a human may have changed it."""
        self.state = op_state.merged(op_state.read(self.path), self._entry)
        return self.state

    def now(self) -> float:
        """Seconds since the epoch, by this state's clock."""
        offset: float = self.state.get("now_offset_s", 0)
        return time.time() + offset

    def table(self, name: str) -> State:
        """One table of the state, empty if it is not there."""
        table: State = self.state.get(name) or {}
        return table

    def read_stdin(self) -> str:
        """All of stdin; returns when the caller closes it."""
        self.stdin = sys.stdin.buffer.read().decode(errors="replace")
        return self.stdin

    def finish(self, exit_code: int | None) -> None:
        """Write this call's line to the log; `exit_code` is None for a call that hangs forever."""
        if self._is_logged:
            return
        self._is_logged = True
        with op_state.changing(self.path) as state:
            state["overlap"]["now"] = self._running.others() + (exit_code is None)
            if exit_code is not None:
                self._running.leave()
        line = {
            "argv": self.argv,
            "op_env": sorted(name for name in self.environment if name.startswith("OP_")),
            "stdin": self.stdin,
            "exit": exit_code,
        }
        descriptor = os.open(self.environment["FAKE_OP_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)
