"""One performance: the stage put up, the story told, the stage taken down, whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import signal

from contextlib import AsyncExitStack

from mayfly.demo.output import Teller
from mayfly.demo.stage import stage
from mayfly.demo.story import PROMPT_SECONDS, Story
from mayfly.demo.sts.server import Faults


LIFE_SECONDS = 90
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def play(teller: Teller, *, once: bool) -> int:
    """Tell the story, and stay unless `once`; the exit code. Raises Failed.

    All that it makes is for this user alone, whatever the umask was: the daemon refuses a config that others can write.
    """
    os.umask(0o077)
    show = asyncio.create_task(_show(teller, once=once))
    heard: list[int] = []

    def stop(number: int) -> None:
        """The first signal ends the show; its cleaning up is not to be disturbed by another."""
        if not heard:
            heard.append(number)
            show.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    await asyncio.wait([show])
    if not show.cancelled():
        show.result()
        return 0
    # To leave is how one ends a demo that stays; a script that asked for one round did not get it.
    return 128 + heard[0] if once else 0


async def _show(teller: Teller, *, once: bool) -> None:
    faults = Faults() if once else Faults(max_life_seconds=LIFE_SECONDS)
    teller.title("mayfly demo: a vault and an STS of its own, no 1Password, no AWS, no key")
    async with AsyncExitStack() as life:
        found = await life.enter_async_context(stage(faults, prompt_seconds=PROMPT_SECONDS))
        story = Story(found, teller)
        await story.play(await found.serve(life))
        if not once:
            await story.stay(LIFE_SECONDS)
    teller.step("that was all: its processes have ended, its folder is gone")
