"""The connection that holds a grant: the grant goes on while the connection is open, and the daemon ends it afterwards.

A restart of the daemon breaks the connection, too. Then the command tries for a minute to hold the grant again.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import time

from mayfly.cli import client, daemon_calls, speech
from mayfly.shared.errors import ConfigInvalid


# The daemon waits for half of it; a service that must first be installed anew may take longer.
PATIENCE_SECONDS = 60
_RETRY_SECONDS = 0.5
# Two short lines and a head, or an error.
_MAX_BYTES = 8192
# For the first answer: the grant is new, and the daemon has just spoken.
_FIRST_ANSWER_SECONDS = 10


class Hold:
    """A grant's connection; SIGIO is sent to this process when there is something to read.

    `problem` is why it is lost for good, or None.
    """

    def __init__(self, grant_id: str) -> None:
        self._path = f"/grants/{grant_id}/hold"
        self._call: client.Call | None = None
        self._received = b""
        self._is_held = False
        self._lost_at = time.monotonic()
        self.problem: str | None = None
        # By default SIGIO would end this process. `Child` blocks it, to wait for it.
        signal.signal(signal.SIGIO, lambda *_: None)

    def take(self) -> None:
        """Take hold of a new grant; raises Stop if that fails."""
        self._try()
        until = time.monotonic() + _FIRST_ANSWER_SECONDS
        while self._call and not self._is_held and (rest := until - time.monotonic()) > 0:
            if select.select([self._call], [], [], rest)[0]:
                self._read()
        if not self._is_held:
            raise speech.Stop(speech.FAILED, self.problem or "the daemon does not hold the grant")

    def look(self) -> float | None:
        """Read what has come, and connect again after a loss. Returns seconds until the next look, None for never."""
        while self._call and select.select([self._call], [], [], 0)[0]:
            self._read()
        if self._call or self.problem:
            return None
        if time.monotonic() - self._lost_at > PATIENCE_SECONDS:
            self.problem = f"the daemon has not answered for {PATIENCE_SECONDS} s, so it ends the grant"
            return None
        self._try()
        return _RETRY_SECONDS

    def close(self) -> None:
        """Hold the grant no more."""
        if self._call:
            self._call.close()
        self._call = None

    def _try(self) -> None:
        try:
            self._call = client.send("POST", self._path, answer_seconds=None)
        except (client.NotRunning, client.Distrusted, ConfigInvalid):
            return
        self._received, self._is_held = b"", False
        descriptor = self._call.fileno()
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)

    def _read(self) -> None:
        block = self._call.read() if self._call else b""
        if not block:
            self._lose()
        else:
            self._received = (self._received + block)[-_MAX_BYTES:]
            self._is_held |= self._received.startswith(b"HTTP/") and self._received[9:12] == b"200"

    def _lose(self) -> None:
        """The grant's end and a refusal are final. A connection that only breaks off is a restart of the daemon."""
        self.close()
        if self._is_held:
            self._lost_at = time.monotonic()
            self.problem = _ending(self._received)
        elif reply := _reply(self._received):
            self.problem = _refusal(reply)
        self._is_held = False


def _ending(received: bytes) -> str | None:
    """Why the grant has ended, by the last line of the daemon's answer: `{"ended": "revoked"}`; None if it has not."""
    try:
        told = json.loads(received.rpartition(b"\n")[0].rpartition(b"\n")[2]).get("ended")
    except (ValueError, AttributeError):
        return None
    return f"the grant has ended ({told})" if told else None


def _reply(received: bytes) -> client.Reply | None:
    """The daemon's whole answer; None where it broke off, or where the daemon is starting or ending (503)."""
    try:
        reply = client.reply_in(received)
    except client.NotRunning:
        return None
    return None if reply.status == 503 else reply


def _refusal(reply: client.Reply) -> str:
    try:
        daemon_calls.body_of(reply)
    except speech.Stop as reason:
        return "; ".join(reason.errors)
    return "the daemon does not hold the grant"
