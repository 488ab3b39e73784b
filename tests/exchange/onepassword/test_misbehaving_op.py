"""An `op` that hangs, floods, mumbles or leaves children behind: the exchange ends in time, and alone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from typing import Any

import pytest

from mayfly.shared import wire
from support.exchange import (
    alive_of,
    answer,
    ask,
    exchange,
    key_profile,
    login,
    program,
    put,
    stand_in,
    sts_called,
    until,
    waits_for_a_lock,
    with_onepassword,
)
from support.world import World


# A child that ends well, and its grandchild that holds all three pipes in a session of its own.
ORPHAN = """
import os, subprocess, sys, time
done = subprocess.run([REAL, *sys.argv[1:]])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
sys.exit(done.returncode)
"""

# Closes what it could print to, and stays.
STAYS = """
import os, time
os.close(1), os.close(2)
time.sleep(60)
"""

# Has a child that writes for ever, and ends.
CHATTERS = """
import os, sys
if os.fork() == 0:
    while True:
        os.write(1, b"x" * 4096)
"""

# Prints a line too many where the secret is, as a pasted line break does, and none where the code is.
SHIFTS = """
import subprocess, sys
lines = subprocess.run([REAL, *sys.argv[1:]], stdout=subprocess.PIPE).stdout.decode().splitlines()
print("\\n".join([*lines[:2], "pasted", lines[2], "", *lines[4:]]))
"""

# Reads nothing and never ends.
DEAF = """
import time
time.sleep(60)
"""

# Forks faster than it can be looked at, for a while.
BREEDS = """
import os, time
until = time.monotonic() + 20
while time.monotonic() < until:
    if os.fork():
        os._exit(0)
    os.setsid()
"""


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        ({"misbehave": "flood"}, "OnePasswordGarbled"),
        ({"misbehave": "invalid-utf8"}, "OnePasswordGarbled"),
        ({"misbehave": "truncated"}, "OnePasswordGarbled"),
        ({"misbehave": "empty"}, "OnePasswordUnknown"),
        ({"misbehave": "crlf"}, "Credentials"),
        ({"final_newline": True}, "Credentials"),
        ({"misbehave": "ignore_stdin"}, "OnePasswordUnknown"),
        ({"misbehave": "ansi", "prompt": {"answer": "reject"}}, "ApprovalDismissed"),
        ({"app": {"running": False}}, "OnePasswordNotRunning"),
        ({"app": {"setgid_ok": False}}, "IntegrationOff"),
        ({"network": "offline"}, "OnePasswordOffline"),
        ({"ratelimit": "hourly"}, "OnePasswordRateLimited"),
        ({"mode": "none"}, "AccountNotFound"),
        ({"daemon": {"spawn": True, "hold_pipes": False, "hold_s": 60}}, "Credentials"),
        ({"daemon": {"spawn": True, "hold_pipes": True, "hold_s": 60}}, "Credentials"),
    ],
)
async def test_whatever_op_does_has_one_answer(world: World, state: dict[str, Any], verdict: str) -> None:
    """Each misbehaviour of `op` is one error, or none where its output is good; nothing it printed is repeated."""
    world.vault.update(**state)

    ended = await ask(world, login(world))

    assert (0, "", {"nsrc": verdict}) == (ended.code, ended.err, ended.verdicts)
    assert [] == alive_of(world)
    assert 1 == len(world.vault.calls())
    assert world.vault.access_key_id not in ended.out.decode()


async def test_silence_with_exit_code_0_is_garbled(world: World) -> None:
    """An `op` that prints nothing at all and ends well has not done what was asked."""
    stand_in(world, "")

    error = (await ask(world, login(world))).error()

    assert ("OnePasswordGarbled", True) == (error.code, error.retryable)
    assert error.message.startswith("op printed 0 values for 4 references to op://NSRC/")


async def test_an_op_that_hangs_ends_by_its_limit(world: World) -> None:
    """`timeout_seconds` after its start `op` is ended, and the error says what to look at."""
    with_onepassword(world, "timeout_seconds = 1")
    world.vault.update(hang=True)

    error = (await ask(world, login(world))).error()

    assert ("OnePasswordHung", "op did not end within 1 s", True) == (error.code, error.message, error.retryable)
    assert "timeout_seconds in [onepassword] is the limit" in error.hint
    assert [] == alive_of(world)


async def test_no_value_is_taken_for_another(world: World) -> None:
    """A line break in one field and nothing in the last: as many lines as references, and none is what it should be."""
    stand_in(world, SHIFTS)

    error = (await ask(world, login(world))).error()

    assert "ItemValueInvalid" == error.code
    assert [] == world.sts.calls


async def test_hundreds_of_items_are_no_flood(world: World) -> None:
    """How much `op` may print grows with what it is asked for."""
    profiles = "".join(key_profile(f"p{number}", item=f"I{number}") for number in range(400))
    with_onepassword(world, "", profiles)
    stand_in(world, f"print('{'A' * 60}\\n' * 1600)")

    ended = await ask(world, login(world, *(f"p{number}" for number in range(400))))

    assert {"ItemValueInvalid"} == set(ended.verdicts.values())


@pytest.mark.slow
async def test_an_op_that_ignores_sigterm_is_killed(world: World) -> None:
    """Whoever does not end when asked is made to."""
    with_onepassword(world, "timeout_seconds = 1")
    world.vault.update(hang=True, ignore_sigterm=True)

    ended = await ask(world, login(world))

    assert {"nsrc": "OnePasswordHung"} == ended.verdicts
    assert [] == alive_of(world)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (ORPHAN, "Credentials"),
        (STAYS, "OnePasswordHung"),
        (CHATTERS, "OnePasswordGarbled"),
        (DEAF, "OnePasswordHung"),
        (BREEDS, "OnePasswordGarbled"),
    ],
    ids=["orphan", "stays", "chatters", "deaf", "breeds"],
)
async def test_no_descendant_survives(world: World, text: str, verdict: str) -> None:
    """Neither a double fork, nor a session of its own, nor a pipe held open keeps anything alive or the exchange."""
    with_onepassword(world, "timeout_seconds = 1" if verdict == "OnePasswordHung" else "")
    stand_in(world, text)

    ended = await ask(world, login(world))

    assert (0, {"nsrc": verdict}) == (ended.code, ended.verdicts)
    assert [] == alive_of(world)


async def test_a_template_that_no_pipe_holds_does_not_hang_the_exchange(world: World) -> None:
    """Feeding is part of the time limit: an `op` that reads nothing cannot stop the exchange by a full pipe."""
    profile = """
[profiles.p{number}]
access_key_id = "op://{name}/{name}/{name}{number}"
secret_access_key = "op://{name}/{name}/{name}s{number}"
otp = "op://{name}/{name}/{name}o{number}"
mfa_id = "op://{name}/{name}/{name}m{number}"
"""
    profiles = "".join(profile.format(number=number, name="n" * 100) for number in range(100))
    with_onepassword(world, "timeout_seconds = 1", profiles)
    stand_in(world, DEAF)

    ended = await ask(world, login(world, *(f"p{number}" for number in range(100))))

    assert {"OnePasswordHung"} == set(ended.verdicts.values())
    assert 100 == len(ended.verdicts)


@pytest.mark.parametrize("state", [{"hang": True}, {"prompt": {"answer": "ignore"}}, {"network": "hang"}])
async def test_sigterm_ends_op_too(world: World, state: dict[str, Any]) -> None:
    """An exchange that is asked to end in the middle of a prompt takes the prompt along, and says nothing."""
    world.vault.update(**state)
    async with exchange(world) as process:
        await put(process, login(world))
        await until(lambda: world.vault.state()["calls"] and alive_of(world))
        process.terminate()
        ended = await answer(process)

    assert (128 + signal.SIGTERM, b"", "") == ended
    assert [] == alive_of(world)


async def test_sigterm_ends_an_exchange_that_waits_for_its_turn(world: World) -> None:
    """Waiting for another exchange's `op` can be broken off."""
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
    """A call under way is broken off, quietly."""
    world.sts.faults.then("hang")
    async with exchange(world) as process:
        await put(process, login(world))
        await sts_called(world)
        process.terminate()
        ended = await answer(process)

    assert (128 + signal.SIGTERM, b"", "") == ended


async def test_asking_again_does_not_hurry_the_end(world: World) -> None:
    """A second signal cannot break off the ending of `op`."""
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
    """Whatever the exchange started ends with it."""
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
    """Even started with SIGCHLD ignored and SIGTERM blocked, a failing `op` is seen to fail."""
    world.vault.update(prompt={"answer": "reject"})
    script = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN);"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); os.execv(sys.executable, sys.argv[1:])"
    )
    program_words = ("python", "-I", "-m", "mayfly.exchange", "--config", str(world.config))

    ended = await world.run_program("python", "-c", script, *program_words, stdin=wire.request_bytes(login(world)))

    [line] = ended.out.encode().splitlines()
    assert "ApprovalDismissed" == type(wire.parse_result(line).outcome).__name__


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


async def test_two_at_once_are_one_op_at_a_time(world: World) -> None:
    """Two exchanges for two accounts take turns, and waiting for a turn does not count against the limit."""
    with_onepassword(world, "timeout_seconds = 4")
    world.vault.update(prompt={"delay_s": 1.5, "answer": "reject"}, auth={"session_key": "per-process"})

    ended = await asyncio.gather(*(ask(world, login(world)) for _ in range(3)))

    assert [{"nsrc": "ApprovalDismissed"}] * 3 == [one.verdicts for one in ended]
    assert 1 == world.vault.state()["overlap"]["max"]


async def test_with_a_daemon_that_is_killed_its_prompt_ends(world: World) -> None:
    """Whoever answered it would have done so in vain, and the next daemon's login would wait behind it."""
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

program._get_ready()
{moment}
time.sleep(60)
"""


@pytest.mark.parametrize("moment", ["Destructor()", "swallow()", "in_an_import()"])
async def test_an_order_to_end_is_not_lost(world: World, moment: str) -> None:
    """Wherever it comes: Python drops what a destructor raises, and an import may catch it or stop on its own lock."""
    ended = await world.run_program(sys.executable, "-c", AT_A_BAD_MOMENT.replace("{moment}", moment))

    assert 128 + signal.SIGTERM == ended.code
