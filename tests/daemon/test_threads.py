"""Work that may never end holds up nobody: not the loop, not the next caller for ever, and not the exit."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from mayfly.daemon.threads import DaemonThread


async def test_what_the_function_returns_or_raises_comes_back() -> None:
    """As from a call, one after the other."""
    thread = DaemonThread()

    assert [1, 2] == await asyncio.gather(thread.run(lambda: 1, 5), thread.run(lambda: 2, 5))
    with pytest.raises(ZeroDivisionError):
        await thread.run(lambda: 1 // 0, 5)
    assert 3 == await thread.run(lambda: 3, 5)


async def test_a_function_that_hangs_is_given_up_and_no_other_is_started() -> None:
    """However often it is tried, there is one hanging thread; when it ends, the next function runs."""
    thread, release, started = DaemonThread(), threading.Event(), []

    def hang() -> None:
        started.append(1)
        release.wait(20)

    for _ in range(3):
        with pytest.raises(TimeoutError):
            await thread.run(hang, 0.05)
    assert [1] == started

    release.set()
    assert "next" == await thread.run(lambda: "next", 5)
    assert [1] == started


async def test_a_caller_that_is_cancelled_leaves_the_thread_usable() -> None:
    """A client that goes away while its answer is read from the disk is such a caller."""
    thread, release = DaemonThread(), threading.Event()
    gone = asyncio.create_task(thread.run(lambda: release.wait(20), 20))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    release.set()

    assert "next" == await thread.run(lambda: "next", 5)


EXIT = """
import asyncio, time
from mayfly.daemon.threads import DaemonThread
async def main():
    try:
        await DaemonThread().run(lambda: time.sleep(60), 0.05)
    except TimeoutError:
        print("gave up")
asyncio.run(main())
"""


def test_a_thread_that_hangs_does_not_hold_up_the_exit() -> None:
    """The loop and the interpreter end without it."""
    ended = subprocess.run([sys.executable, "-c", EXIT], capture_output=True, text=True, timeout=20, check=False)

    assert (0, "gave up\n", "") == (ended.returncode, ended.stdout, ended.stderr)
