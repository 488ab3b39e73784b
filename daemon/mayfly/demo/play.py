"""Runs the demo: sets the stage up, plays the story, and takes the stage down, even after an error."""

from __future__ import annotations

import asyncio
import os
import signal

from contextlib import AsyncExitStack

from mayfly.demo.output import Output
from mayfly.demo.stage import stage
from mayfly.demo.story import PROMPT_SECONDS, Story
from mayfly.demo.sts.faults import Faults


LIFE_SECONDS = 90
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def play(output: Output, *, once: bool) -> int:
    """Play the story, and stay unless `once`; returns the exit code. Raises Failed.

    All files are for this user alone; the umask does not matter: the daemon refuses a config that others can write.
    """
    os.umask(0o077)
    show = asyncio.create_task(_show(output, once=once))
    received: list[int] = []

    def stop(number: int) -> None:
        """Stop at the first signal. Later ones must not disturb the clean-up."""
        if not received:
            received.append(number)
            show.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop, number)
    await asyncio.wait([show])
    if not show.cancelled():
        show.result()
        return 0
    # A signal is the usual end of a demo that stays. With --once it means that the story was cut short.
    return 128 + received[0] if once else 0


async def _show(output: Output, *, once: bool) -> None:
    faults = Faults() if once else Faults(max_life_seconds=LIFE_SECONDS)
    output.title("mayfly demo: an embedded vault and STS, no 1Password, no AWS, no key of yours")
    async with AsyncExitStack() as life:
        built = await life.enter_async_context(stage(faults, prompt_seconds=PROMPT_SECONDS))
        story = Story(built, output)
        await story.play(await built.serve(life))
        if not once:
            await story.stay(LIFE_SECONDS)
    output.step("the end: all processes have ended, the folder is removed")
