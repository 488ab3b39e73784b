"""An `op` that hangs, floods, prints garbage or leaves children behind: the exchange ends in time, with all of them."""

from __future__ import annotations

import sys

from typing import Any

import pytest

from support.exchange import (
    alive_of,
    ask,
    key_profile,
    login,
    stand_in,
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
    """Each misbehaviour of `op` becomes one error, or none if its output is good; its output is never repeated."""
    world.vault.update(**state)

    ended = await ask(world, login(world))

    assert (0, "", {"nsrc": verdict}) == (ended.code, ended.err, ended.verdicts)
    assert [] == alive_of(world)
    assert 1 == len(world.vault.calls())
    assert world.vault.access_key_id not in ended.out.decode()


async def test_silence_with_exit_code_0_is_garbled(world: World) -> None:
    """An `op` that prints nothing and ends with exit code 0 is an error."""
    stand_in(world, "")

    error = (await ask(world, login(world))).error()

    assert ("OnePasswordGarbled", True) == (error.code, error.retryable)
    assert error.message.startswith("op printed 0 values for 4 references to op://NSRC/")


async def test_an_op_that_hangs_ends_by_its_limit(world: World) -> None:
    """`op` is ended `timeout_seconds` after its start, and the error says what to check."""
    with_onepassword(world, "timeout_seconds = 1")
    world.vault.update(hang=True)

    error = (await ask(world, login(world))).error()

    assert ("OnePasswordHung", "op did not end within 1 s", True) == (error.code, error.message, error.retryable)
    assert "timeout_seconds in [onepassword] is the limit" in error.hint
    assert [] == alive_of(world)


async def test_no_value_is_taken_for_another(world: World) -> None:
    """With a line break in one field and an empty last one, the number of lines is right and every value is wrong."""
    stand_in(world, SHIFTS)

    error = (await ask(world, login(world))).error()

    assert "ItemValueInvalid" == error.code
    assert [] == world.sts.calls


async def test_hundreds_of_items_are_no_flood(world: World) -> None:
    """The limit on the output of `op` grows with the number of references."""
    profiles = "".join(key_profile(f"p{number}", item=f"I{number}") for number in range(400))
    with_onepassword(world, "", profiles)
    stand_in(world, f"print('{'A' * 60}\\n' * 1600)")

    ended = await ask(world, login(world, *(f"p{number}" for number in range(400))))

    assert {"ItemValueInvalid"} == set(ended.verdicts.values())


# Runs a child that prints, and says what came of it. A Child ends every process that its own process has started.
PRINTS = """
import sys
from mayfly.exchange.onepassword.child import Child, Flooded
stream, number, cap_bytes = sys.argv[1], int(sys.argv[2]), 100_000
script = f"import sys; sys.{stream}.write('x' * {number})"
with Child((sys.executable, "-I", "-c", script), environment={}, limit_seconds=20, cap_bytes=cap_bytes) as child:
    try:
        print(len(getattr(child.printed(), stream)))
    except Flooded:
        print("flooded")
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize(("number", "told"), [(100_000, "100000\n"), (100_001, "flooded\n")])
async def test_output_up_to_the_cap_is_read(world: World, stream: str, number: int, told: str) -> None:
    """Output of the limit's size is read; with one byte more, on either stream, the child is ended."""
    ended = await world.run_program(sys.executable, "-c", PRINTS, stream, str(number))

    assert (0, told, "") == tuple(ended)


@pytest.mark.parametrize(
    ("beyond", "told"),
    [(0, "op printed 1 values for 4 references"), (1, "op printed more than any set of values can be")],
)
async def test_the_cap_on_what_op_prints(world: World, beyond: int, told: str) -> None:
    """The limit is 64 kB, and 1 kB for each reference."""
    stand_in(world, f"print('x' * {64 * 1024 + 4 * 1024 + beyond}, end='')")

    error = (await ask(world, login(world))).error()

    assert "OnePasswordGarbled" == error.code
    assert error.message.startswith(told)


@pytest.mark.slow
async def test_an_op_that_ignores_sigterm_is_killed(world: World) -> None:
    """A child that ignores SIGTERM gets SIGKILL."""
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
    """A double fork, a session of its own or an open pipe keep neither a descendant nor the exchange alive."""
    with_onepassword(world, "timeout_seconds = 1" if verdict == "OnePasswordHung" else "")
    stand_in(world, text)

    ended = await ask(world, login(world))

    assert (0, {"nsrc": verdict}) == (ended.code, ended.verdicts)
    assert [] == alive_of(world)


async def test_a_template_that_no_pipe_holds_does_not_hang_the_exchange(world: World) -> None:
    """The time limit includes writing to `op`: one that reads nothing cannot block the exchange by a full pipe."""
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
