"""The exchange as a process: its signals, its limits, and what others of its user can see of it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys

from asyncio.subprocess import DEVNULL
from pathlib import Path
from typing import Any

import pytest

from mayfly.shared import wire
from support.exchange import (
    Answer,
    alive_of,
    answer,
    asking,
    exchange,
    login,
    program,
    put,
    sts_called,
    until,
    waits_for_a_lock,
    with_onepassword,
)
from support.world import PATIENCE_SECONDS, World


# Signals


@pytest.mark.parametrize("state", [{"hang": True}, {"prompt": {"answer": "ignore"}}, {"network": "hang"}])
async def test_sigterm_ends_op_too(world: World, state: dict[str, Any]) -> None:
    """An exchange that gets SIGTERM during a prompt ends the prompt too, and prints no result."""
    world.vault.update(**state)
    async with exchange(world) as process:
        await put(process, login(world))
        await until(lambda: world.vault.state()["calls"] and alive_of(world))
        process.terminate()
        ended = await answer(process)

    assert (128 + signal.SIGTERM, wire.MAY_I, "") == ended
    assert [] == alive_of(world)


async def test_sigterm_ends_an_exchange_that_waits_for_its_turn(world: World) -> None:
    """SIGTERM ends an exchange that waits for another exchange's `op`."""
    world.vault.update(hang=True)
    async with exchange(world) as first, exchange(world) as second:
        await put(first, login(world))
        await until(lambda: world.vault.state()["calls"] == 1)
        await put(second, login(world))
        await until(lambda: waits_for_a_lock(second.pid))
        second.terminate()
        ended = await answer(second)
        first.terminate()
        await answer(first)

    assert 128 + signal.SIGTERM == ended.code
    assert 1 == world.vault.state()["overlap"]["max"]


async def test_sigterm_ends_an_exchange_that_waits_for_sts(world: World) -> None:
    """SIGTERM ends a call of STS without a word."""
    world.sts.faults.then("hang")
    async with exchange(world) as process:
        await put(process, login(world))
        await sts_called(world)
        process.terminate()
        ended = await answer(process)

    assert (128 + signal.SIGTERM, wire.MAY_I, "") == ended


async def test_asking_again_does_not_hurry_the_end(world: World) -> None:
    """A second signal does not interrupt the ending of `op`."""
    world.vault.update(hang=True)
    async with exchange(world) as process:
        await put(process, login(world))
        await until(world.vault.calls)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            process.send_signal(number)
        ended = await answer(process)

    assert 128 + signal.SIGTERM == ended.code or ended.code in {128 + signal.SIGINT, 128 + signal.SIGHUP}
    assert [] == alive_of(world)


async def test_sigterm_ends_a_token_command_too(world: World) -> None:
    """A token_command and its children end with the exchange."""
    command = program(world.home / "token-command", "#!/bin/sh\ntouch $HOME/started\nsleep 60 & sleep 60\n")
    with_onepassword(world, f'token_command = ["{command}"]')
    async with exchange(world) as process:
        await put(process, login(world))
        await until((world.home / "started").exists)
        process.terminate()
        ended = await answer(process)

    assert 128 + signal.SIGTERM == ended.code
    assert [] == alive_of(world)


async def test_inherited_signal_dispositions_change_nothing(world: World) -> None:
    """An exchange that was started with SIGCHLD ignored and SIGTERM blocked still notices that `op` fails."""
    world.vault.update(prompt={"answer": "reject"})
    script = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); os.execv(sys.executable, sys.argv[1:])"
    )
    program_words = ("python", "-I", "-m", "mayfly.exchange", "--config", str(world.config))

    ended = await world.run_program("python", "-c", script, *program_words, stdin=asking(login(world)))

    assert {"nsrc": "ApprovalDismissed"} == Answer(ended.code, ended.out.encode(), ended.err).verdicts


async def test_with_a_daemon_that_is_killed_its_prompt_ends(world: World) -> None:
    """A prompt of a killed daemon ends: its answer would be lost, and the next daemon's login would wait behind it."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve() as daemon:
        asking = asyncio.create_task(world.get())
        await until(lambda: world.vault.state()["prompts"])
        os.kill(daemon.pid, signal.SIGKILL)
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: not alive_of(world))


AT_A_BAD_MOMENT = """
import os, signal, sys, time
from mayfly.exchange import program

def ask_to_end():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0)

class Destructor:
    def __del__(self):
        ask_to_end()

def swallow():
    try:
        ask_to_end()
    except BaseException:
        pass

def in_an_import():
    sys.path.insert(0, os.environ["HOME"])
    open(os.environ["HOME"] + "/broken_off.py", "w").write("import __main__; __main__.swallow()")
    import broken_off

program._prepare_process()
{moment}
time.sleep(60)
"""


@pytest.mark.parametrize("moment", ["Destructor()", "swallow()", "in_an_import()"])
async def test_an_order_to_end_is_not_lost(world: World, moment: str) -> None:
    """SIGTERM ends the exchange also in a destructor, in an import, and where every exception is caught."""
    ended = await world.run_program(sys.executable, "-c", AT_A_BAD_MOMENT.replace("{moment}", moment))

    assert 128 + signal.SIGTERM == ended.code


# What the kernel is told


async def _in_flight(world: World, process: asyncio.subprocess.Process) -> None:
    await put(process, login(world))
    await sts_called(world)


def _limits(pid: int) -> str:
    return Path(f"/proc/{pid}/limits").read_text()


async def test_core_dumps_are_off_while_it_runs(world: World) -> None:
    """The exchange sets its limit for core files to zero."""
    world.sts.faults.then("hang")
    async with exchange(world) as process:
        await _in_flight(world, process)
        limits = _limits(process.pid)
        process.terminate()
        await answer(process)

    [line] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert ["0", "0"] == line.split()[4:6]


# Root may read everything; without its capabilities it is a user like others.
NO_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.getuid() == 0 else ()


async def _readable(process: asyncio.subprocess.Process, name: str) -> bool:
    """True if another process of the same user can read this file of the exchange."""
    reader = await asyncio.create_subprocess_exec(
        *(*NO_RIGHTS, "cat", f"/proc/{process.pid}/{name}"), stdout=DEVNULL, stderr=DEVNULL
    )
    return await reader.wait() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv, of util-linux")
async def test_after_op_nobody_of_the_same_user_can_look_inside(world: World) -> None:
    """Once `op` has ended, another process cannot read the environment and the memory maps of the exchange."""
    world.sts.faults.then("hang")
    names = ("environ", "maps")
    async with exchange(world, prefix=NO_RIGHTS) as process:
        async with asyncio.timeout(PATIENCE_SECONDS):  # it is setpriv's own, and so root's, for a moment yet
            while not all([await _readable(process, name) for name in names]):
                await asyncio.sleep(0.01)
        await _in_flight(world, process)
        after = [await _readable(process, name) for name in names]
        process.terminate()
        await answer(process)

    assert [False, False] == after
