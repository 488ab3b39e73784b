"""The daemon's background tasks end when the daemon ends."""

from __future__ import annotations

import asyncio

from mayfly.daemon.events import Events
from mayfly.daemon.tasks import Tasks
from support.stage import Log


async def _nothing() -> None:
    """A task that is done after its first step."""


async def test_the_end_waits_for_tasks_that_need_time_to_clean_up() -> None:
    """A task that is cancelled ends an exchange or takes back a prompt, which takes a few steps of the loop."""
    tasks, cleaned_up = Tasks(Events(Log())), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up.set()

    tasks.spawn(work())
    await asyncio.sleep(0)
    await tasks.end()
    assert cleaned_up.is_set()


async def test_the_end_comes_when_a_task_has_just_ended() -> None:
    """A task that is done stays in the set until the loop's next step: since 3.12 `gather` does not wait for that."""
    tasks = Tasks(Events(Log()))
    tasks.spawn(_nothing())
    tasks.start(_nothing())
    ending = asyncio.get_running_loop().create_task(tasks.end())
    await ending
    assert not ending.cancelled()
