"""The daemon's status, kept up to date: asked for again whenever the daemon tells of an event, or a told time has come.

Law: nothing here waits. The daemon may go and come back, hang, or be another one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from mayfly.cli import client, daemon_calls, speech
from mayfly.cli.status.phrases import instant
from mayfly.shared.errors import ConfigInvalid


# Many events in a row are followed by one question.
TOGETHER_SECONDS = 0.2
# While a renewal is under way, or a told time has come. Not every change is an event.
SOON_SECONDS = 1
# For changes without an event, such as that of a config file.
LATER_SECONDS = 15
CONNECT_AGAIN_SECONDS = 0.5
# To find out why no daemon answers can take some programs.
EXPLAIN_AGAIN_SECONDS = 10

# The times of a profile at which its state may change.
_TIMES = ("due_at", "renewal_at", "retry_not_before_at", "expiration")


class Follower:
    """Follows the daemon. `problem` says why there is no `status`; `seconds` are by a clock that counts sleep."""

    def __init__(self) -> None:
        self.status: dict[str, Any] | None = None
        self.problem: speech.Stop | None = None
        self._observed_at: datetime | None = None
        self._times: list[datetime] = []
        self._is_in_flight = False
        self._received_seconds = 0.0
        self._events: client.Call | None = None
        self._asking: client.Call | None = None
        self._asked_seconds = 0.0
        self._connect_seconds = 0.0
        self._ask_seconds = 0.0
        self._explained_seconds = float("-inf")

    @property
    def sources(self) -> list[client.Call]:
        """The sources for `select`."""
        return [call for call in (self._events, self._asking) if call]

    def now(self, seconds: float) -> datetime | None:
        """The time by the daemon's clock; None if there is no status."""
        if self._observed_at is None:
            return None
        return self._observed_at + timedelta(seconds=seconds - self._received_seconds)

    def rest_seconds(self, seconds: float) -> float:
        """Until something is due."""
        if self._events is None:
            return max(0.0, self._connect_seconds - seconds)
        return client.ANSWER_SECONDS if self._asking else max(0.0, self._next_question(seconds) - seconds)

    def step(self, ready: list[client.Call], seconds: float) -> None:
        """Read the answers that are there, and send the requests that are due."""
        if self._events in ready:
            self._hear(seconds)
        if self._asking in ready:
            self._receive(seconds)
        if self._asking and seconds - self._asked_seconds > client.ANSWER_SECONDS:
            self._fail(client.NotRunning("the daemon does not answer"), seconds)
        if self._events is None and seconds >= self._connect_seconds:
            self._connect(seconds)
        if self._asking is None and self._events and seconds >= self._next_question(seconds):
            self._ask(seconds)

    def close(self) -> None:
        """Hang up."""
        for call in self.sources:
            call.close()
        self._events = self._asking = None

    # Events

    def _connect(self, seconds: float) -> None:
        self._connect_seconds = seconds + CONNECT_AGAIN_SECONDS
        try:
            self._events = client.send("GET", "/events")
        except (client.NotRunning, client.Distrusted, ConfigInvalid) as reason:
            self._fail(reason, seconds)
        else:
            self._ask_seconds = seconds

    def _hear(self, seconds: float) -> None:
        heard = self._events.read() if self._events else b""
        if self._events and not heard:
            self._events.close()
            self._events = None
        # The head of the answer is no event.
        if not heard or b"data: " in heard:
            self._ask_seconds = min(self._ask_seconds, max(seconds, self._asked_seconds + TOGETHER_SECONDS))

    # The status

    def _next_question(self, seconds: float) -> float:
        is_restless = self._is_in_flight or self._has_passed(seconds)
        return min(self._ask_seconds, self._asked_seconds + (SOON_SECONDS if is_restless else LATER_SECONDS))

    def _has_passed(self, seconds: float) -> bool:
        """True if a time that the status tells has come since."""
        now, then = self.now(seconds), self._observed_at
        return bool(now and then and any(then < at <= now for at in self._times))

    def _ask(self, seconds: float) -> None:
        self._asked_seconds, self._ask_seconds = seconds, float("inf")
        try:
            self._asking = client.send("GET", "/status")
        except (client.NotRunning, client.Distrusted, ConfigInvalid) as reason:
            self._fail(reason, seconds)

    def _receive(self, seconds: float) -> None:
        call, self._asking = self._asking, None
        try:
            reply = call.reply() if call else None
        except client.NotRunning as reason:
            self._fail(reason, seconds)
            return
        try:
            self._take(daemon_calls.tree(daemon_calls.body_of(reply)) if reply else {}, seconds)
        except speech.Stop as problem:
            self._drop(problem)

    def _take(self, status: dict[str, Any], seconds: float) -> None:
        """Put a status in force; raises Stop for one that makes no sense."""
        with daemon_calls.understood():
            rows = status["profiles"]
            self._times = [instant(row[name]) for row in rows for name in _TIMES if row.get(name)]
            self._is_in_flight = any(row["in_flight"] for row in rows)
            self._observed_at = instant(status["observed_at"])
        self.status, self.problem = status, None
        self._received_seconds, self._explained_seconds = seconds, float("-inf")

    def _drop(self, problem: speech.Stop | None) -> None:
        self.status, self._observed_at, self._is_in_flight, self._times = None, None, False, []
        self.problem = problem or self.problem

    def _fail(self, reason: client.NotRunning | client.Distrusted | ConfigInvalid, seconds: float) -> None:
        """No daemon answers: find out why, now and then."""
        self.close()
        self._connect_seconds = seconds + CONNECT_AGAIN_SECONDS
        problem = None
        if isinstance(reason, ConfigInvalid):
            problem = speech.stop_for(reason)
        elif seconds - self._explained_seconds >= EXPLAIN_AGAIN_SECONDS:
            self._explained_seconds = seconds
            problem = daemon_calls.stop_for(reason)
        self._drop(problem)
