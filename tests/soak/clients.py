"""Who asks the daemon: pollers that never stop, and jobs that run on."""

from __future__ import annotations

import asyncio

from datetime import UTC, datetime, timedelta

from tests.soak.stage import Stage
from tests.soak.tally import JOB, Tally


# A process that fetches again within a minute makes the daemon ask AWS whether it had to; this one takes its time.
CONTENT_SECONDS = 75
ANXIOUS_SECONDS = 30
# What botocore does: inside the last quarter of an hour it asks at every call.
REFRESH_SECONDS = 15 * 60


class Client:
    """Asks for one profile whenever its time has come; keeps nothing, or (`caches`) what it got while it is good."""

    def __init__(self, stage: Stage, tally: Tally, profile: str, *, caches: bool = False) -> None:
        self._stage = stage
        self._tally = tally
        self.name = f"{JOB}{profile}" if caches else profile
        self._profile = profile
        self._caches = caches
        self._next_at = datetime.min.replace(tzinfo=UTC)
        self._visit: asyncio.Task[None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it has asked and not been answered."""
        return self._visit is not None and not self._visit.done()

    def act(self, now: datetime) -> None:
        """Ask, if it is time."""
        if self._visit is not None and self._visit.done():
            self._visit.result()
            self._visit = None
        if self._visit is None and now >= self._next_at:
            self._visit = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        reply = await self._stage.world.get(f"/credentials/{self._profile}")
        now = self._stage.clock.now()
        expiration = datetime.fromisoformat(reply.json["Expiration"]) if reply.status == 200 else None
        self._tally.answered(self.name, reply.status, expiration)
        rest = timedelta(seconds=CONTENT_SECONDS if expiration else ANXIOUS_SECONDS)
        refresh_at = expiration - timedelta(seconds=REFRESH_SECONDS) if expiration and self._caches else now
        self._next_at = max(now + rest, refresh_at)
