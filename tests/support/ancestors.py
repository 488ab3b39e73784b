"""Processes with marked and unmarked environments, below one another, and below none of this test's own ancestors."""

from __future__ import annotations

import asyncio
import shlex
import sys

from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


PATIENCE_SECONDS = 30


# `setsid --fork` may end later than its child begins, and its environment may have a mark.
_ALONE = """
is_below_setsid() {
  read -r _ _ _ parent _ <"/proc/$$/stat" && read -r name <"/proc/$parent/comm" && [ "$name" = setsid ]
}
while is_below_setsid 2>/dev/null; do :; done
exec "$@"
"""


def orphaned(*argv: str) -> tuple[str, ...]:
    """A command that runs `argv` as a child of nobody: the tests' own ancestors may work for an agent.

    Its output ends with it; its exit code is lost.
    """
    return ("setsid", "--fork", "sh", "-c", _ALONE, "sh", *argv)


# The middle one ends, so the last one is nobody's child; the first one waits for it, and has its terminal.
_ADOPTED = """
import os, subprocess, sys, time
there, here = os.pipe()
if os.fork():
    os.close(here)
    sys.exit(int(os.read(there, 9) or 99))
middle = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == middle:
    time.sleep(0.001)
code = subprocess.run(sys.argv[1:]).returncode
os.write(here, b"%d" % code)
"""


def adopted(*argv: str) -> tuple[str, ...]:
    """As `orphaned`, with the terminal, and with the exit code."""
    return (sys.executable, "-c", _ADOPTED, *argv)


@asynccontextmanager
async def family(*generations: str, last: str = "cat; :", lines: int = 0) -> AsyncIterator[list[int]]:
    """The pids of processes, each the child of the one before, for as long as the block lasts.

    A generation is what `env` is given for it: variables, or -i. The youngest runs the shell's line `last`,
    which may print pids up to so many `lines`.
    """
    script = f"echo $$; {last}"
    for words in reversed(generations):
        script = f"echo $$; env {words} sh -c {shlex.quote(script)}; :"
    script = script.removeprefix("echo $$; ").removesuffix("; :")
    process = await asyncio.create_subprocess_exec(*orphaned("sh", "-c", f"exec {script}"), stdin=PIPE, stdout=PIPE)
    assert process.stdout
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield [int(await process.stdout.readline()) for _ in range(lines or len(generations))]
    finally:
        await process.communicate(b"")
