"""The exchange leaves no process behind that it has started or adopted."""

from __future__ import annotations

from support.world import World


REAPER = """
import os, subprocess, sys, time
from mayfly.exchange import descendants
descendants.adopt_orphans()
subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 60 & setsid sleep 60 & sleep 60"])
if os.fork() == 0:
    os._exit(0)
descendants.kill_descendants()
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("alone")
descendants.kill_descendants()
"""


async def test_whoever_was_started_or_adopted_is_killed_and_reaped(world: World) -> None:
    """After `kill_descendants` there is no child, alive or dead; with none it does nothing."""
    ended = await world.run_program("python", "-c", REAPER)

    assert (0, "alone", "") == (ended.code, ended.out.strip().splitlines()[-1], ended.err)
