"""Each code is sent once: across tries, exchanges, crashes and clocks that jump."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys

import pytest

from mayfly.demo.op.vault import ITEM
from mayfly.demo.sts.server import Fault
from mayfly.shared import wire
from support.exchange import (
    CODE_SECONDS,
    Clock,
    alive_of,
    answer,
    ask,
    exchange,
    fields_of,
    key_profile,
    login,
    program,
    put,
    sts_called,
    until,
    waits_for_a_step,
    with_onepassword,
)
from support.odd_sts import OddSts, http
from support.world import SEED_TOML, World


def _steps(world: World) -> list[int | None]:
    return [call.code_step for call in world.sts.calls if call.action == "GetSessionToken"]


def _outcomes(world: World) -> list[str]:
    return [call.outcome for call in world.sts.calls if call.action == "GetSessionToken"]


async def test_two_exchanges_never_send_one_code_twice(world: World, clock: Clock) -> None:
    """The second waits for the next step before it starts `op`, although the first has ended."""
    env = clock.rule(world)
    first = await ask(world, login(world), env)
    async with exchange(world, env) as process:
        await put(process, login(world))
        await waits_for_a_step(world, process)
        calls_before = world.vault.state()["calls"]
        clock.jump(CODE_SECONDS)
        second = await answer(process)

    assert [{"nsrc": "Credentials"}] * 2 == [first.verdicts, second.verdicts]
    assert 1 == calls_before
    assert ["ok", "ok"] == _outcomes(world)
    one, other = _steps(world)
    assert one is not None
    assert one + 1 == other


async def test_two_exchanges_at_once_send_two_codes(world: World, clock: Clock) -> None:
    """Of two that start together one waits; two `op` never run at the same time."""
    env = clock.rule(world)
    asked = [asyncio.create_task(ask(world, login(world), env)) for _ in range(2)]
    await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
    clock.jump(CODE_SECONDS)
    ended = await asyncio.gather(*asked)

    assert [{"nsrc": "Credentials"}] * 2 == [one.verdicts for one in ended]
    assert 2 == len(set(_steps(world)))
    assert 1 == world.vault.state()["overlap"]["max"]


async def _after_the_first_call(world: World, clock: Clock, env: dict[str, str], *profiles: str) -> list[str]:
    """Ask, jump to the next step once STS was called, and return the verdicts."""
    async with exchange(world, env) as process:
        await put(process, login(world, *profiles))
        await sts_called(world)
        clock.jump(CODE_SECONDS)
        ended = await answer(process)
    return list(ended.verdicts.values())


@pytest.mark.parametrize("fault", ["invalid-mfa", "500", "503", "reset", "malformed"])
async def test_a_code_that_sts_has_seen_is_followed_by_one_of_the_next_step(
    world: World, clock: Clock, fault: Fault
) -> None:
    """After a code that was refused or may be used, `op` runs once more in the next step, for another code."""
    env = clock.rule(world)
    world.sts.faults.then(fault)

    verdicts = await _after_the_first_call(world, clock, env)

    assert ["Credentials"] == verdicts
    assert 2 == len(world.vault.calls()) == len(_outcomes(world))
    assert "ok" == _outcomes(world)[1]


async def test_a_code_that_was_redirected_is_used(world: World, clock: Clock) -> None:
    """A redirected code was seen, so a new one is tried in the next step; the host in the redirect gets neither."""
    env = clock.rule(world)
    async with OddSts(b"").open() as elsewhere:
        redirect = http("", "307 Temporary Redirect", f"Location: {elsewhere.url}/")
        async with OddSts(redirect).open() as sts, exchange(world, env | {"AWS_ENDPOINT_URL_STS": sts.url}) as process:
            await put(process, login(world))
            await until(lambda: sts.requests)
            clock.jump(CODE_SECONDS)
            ended = await answer(process)

    error = ended.error()
    codes = {code for request in sts.requests for code in re.findall(rb"TokenCode=\d{6}", request)}
    assert ("AwsFailed", "AWS STS gave no usable answer: it redirects (HTTP 307)") == (error.code, error.message)
    assert (2, 2, []) == (len(sts.requests), len(codes), elsewhere.requests)
    assert 2 == len(world.vault.calls())


async def test_a_second_refusal_is_the_end(world: World, clock: Clock) -> None:
    """A login tries a second code, and no third one."""
    env = clock.rule(world)
    world.sts.faults.then("invalid-mfa", "invalid-mfa")

    assert ["MfaCodeRefused"] == await _after_the_first_call(world, clock, env)
    assert 2 == len(world.vault.calls()) == len(_outcomes(world))


@pytest.mark.parametrize("permitted", [0, 1])
async def test_each_prompt_needs_the_daemons_permission(world: World, clock: Clock, permitted: int) -> None:
    """The exchange asks before each prompt, also before the first, and raises none if the daemon hangs up instead."""
    env = clock.rule(world)
    world.sts.faults.then("invalid-mfa")

    async with exchange(world, env) as process:
        assert process.stdin is not None
        process.stdin.write(wire.request_bytes(login(world)) + permitted * wire.YOU_MAY)
        if permitted:
            await sts_called(world)
            clock.jump(CODE_SECONDS)
        ended = await answer(process)

    assert (1, (permitted + 1) * wire.MAY_I, "") == ended
    assert permitted == len(world.vault.calls())


@pytest.mark.skipif(sys.platform != "linux", reason="loginctl is Linux's")
@pytest.mark.parametrize(("is_locked", "status", "prompts"), [("no", 200, 2), ("yes", 403, 1)])
async def test_a_second_prompt_does_not_come_behind_a_lock(
    world: World, clock: Clock, is_locked: str, status: int, prompts: int
) -> None:
    """The daemon looks again: behind a screen that was locked since the first prompt nobody is prompted."""
    session = world.folder / "session"
    session.write_text("LockedHint=no\nIdleHint=no\n")
    program(world.op.parent / "loginctl", f'#!/bin/sh\n[ "$1" = show-user ] && echo 7 || cat {session}\n')
    world.sts.faults.then("invalid-mfa")

    async with world.serve(env=clock.rule(world)):
        asking = asyncio.create_task(world.get())
        await sts_called(world)
        session.write_text(f"LockedHint={is_locked}\nIdleHint=no\n")
        clock.jump(CODE_SECONDS)
        reply = await asking

    assert (status, prompts) == (reply.status, len(world.vault.calls()))
    assert ("ScreenLocked" if is_locked == "yes" else None) == reply.json.get("code")


async def test_an_op_that_repeats_its_code_is_not_believed(world: World, clock: Clock) -> None:
    """If `op` gives the same digits in the next step, they are not sent."""
    env = clock.rule(world)
    world.vault.update(same_code=True)
    world.sts.faults.then("invalid-mfa")

    assert ["MfaCodeRefused"] == await _after_the_first_call(world, clock, env)
    assert (2, 1) == (len(world.vault.calls()), len(_outcomes(world)))


@pytest.mark.parametrize("item", [ITEM, "Copy"])
async def test_two_profiles_on_one_device_take_two_codes(world: World, clock: Clock, item: str) -> None:
    """The first has its result at once; the second, from the same item or another, waits for a code of its own."""
    env = clock.rule(world)
    world.vault.add_item("Copy", fields_of(world.vault))
    world.write_toml(SEED_TOML + key_profile("twin", item, more="duration_seconds = 3600"))
    async with exchange(world, env) as process:
        assert process.stdout is not None
        await put(process, login(world, "nsrc", "twin"))
        assert wire.MAY_I == await process.stdout.readline()
        first = wire.parse_result(await process.stdout.readline())
        clock.jump(CODE_SECONDS)
        assert wire.MAY_I == await process.stdout.readline()
        second = wire.parse_result(await process.stdout.readline())
        await answer(process)

    assert ["nsrc", "twin"] == [first.profile, second.profile]
    assert 2 == len(world.vault.calls())
    assert ["ok", "ok"] == _outcomes(world)
    assert 2 == len(set(_steps(world)))


@pytest.mark.parametrize(("is_serial_configured", "calls"), [(False, 2), (True, 1)])
async def test_a_device_in_two_items_sends_each_code_once(
    world: World, clock: Clock, is_serial_configured: bool, calls: int
) -> None:
    """With one device in two items, the second waits for the next step, before `op` if the config has the serial."""
    world.vault.add_item("Copy", fields_of(world.vault))
    copy = key_profile("copy", item="Copy")
    if is_serial_configured:
        copy = copy.replace("op://NSRC/Copy/mfa_id", world.vault.mfa_id)
    world.write_toml(SEED_TOML + copy)
    env = clock.rule(world)
    first = await ask(world, login(world), env)
    async with exchange(world, env) as process:
        await put(process, login(world, "copy"))
        await waits_for_a_step(world, process, calls=calls)
        clock.jump(CODE_SECONDS)
        second = await answer(process)

    assert [{"nsrc": "Credentials"}, {"copy": "Credentials"}] == [first.verdicts, second.verdicts]
    assert ["ok", "ok"] == _outcomes(world)
    assert 2 == len(set(_steps(world)))


async def test_throttling_sends_the_same_code_again(world: World) -> None:
    """A throttled code was not used, so `op` does not run again."""
    world.sts.faults.then("throttle", "throttle")

    ended = await ask(world, login(world))

    assert {"nsrc": "Credentials"} == ended.verdicts
    assert ["Throttling", "Throttling", "ok"] == _outcomes(world)
    assert 1 == len(world.vault.calls())


@pytest.mark.slow
async def test_throttling_without_end_is_told(world: World) -> None:
    """After four throttled calls the error is shown, and `op` ran once."""
    world.sts.faults.then("throttle", "throttle", "throttle", "throttle")

    ended = await ask(world, login(world))

    assert {"nsrc": "AwsThrottled"} == ended.verdicts
    assert (4, 1) == (len(_outcomes(world)), len(world.vault.calls()))


async def test_a_connection_that_fails_sends_the_same_code_again(world: World) -> None:
    """A code that was never sent is not used, so `op` does not run again."""
    world.vault.update(mode="service")
    token = world.home / "token"
    token.write_text("ops_made_up")
    token.chmod(0o600)
    world.write_toml(f'[onepassword]\ntoken_file = "{token}"\n{SEED_TOML}')
    await world.sts.down()
    async with exchange(world) as process:
        await put(process, login(world))
        await until(world.vault.calls)
        await world.sts.up()
        ended = await answer(process)

    assert {"nsrc": "Credentials"} == ended.verdicts
    assert (1, ["ok"]) == (len(world.vault.calls()), _outcomes(world))


async def test_a_crash_after_sending_counts_as_sent(world: World, clock: Clock) -> None:
    """The step is on disk before the code is sent."""
    env = clock.rule(world)
    world.sts.faults.then("hang")
    async with exchange(world, env) as process:
        await put(process, login(world))
        await sts_called(world)
        process.kill()
        await process.wait()
    async with exchange(world, env) as process:
        await put(process, login(world))
        await waits_for_a_step(world, process)
        calls_before = world.vault.state()["calls"]
        clock.jump(CODE_SECONDS)
        ended = await answer(process)

    assert (1, {"nsrc": "Credentials"}) == (calls_before, ended.verdicts)
    assert 2 == world.vault.state()["calls"]
    assert [] == alive_of(world)


async def test_an_op_lock_that_is_a_link_is_refused(world: World) -> None:
    """The lock file may be no symbolic link."""
    world.run_dir.mkdir(mode=0o700)
    (world.run_dir / "op.lock").symlink_to(world.home / "elsewhere")

    ended = await ask(world, login(world))

    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert f"{world.run_dir}/op.lock: cannot be opened" in ended.error().message
    assert not (world.home / "elsewhere").exists()


@pytest.mark.parametrize("kind", ["a pipe", "a huge file"])
async def test_an_op_lock_that_keeps_no_steps_is_refused(world: World, kind: str) -> None:
    """The lock is a small plain file; nobody is asked while something else is in its place."""
    world.run_dir.mkdir(mode=0o700)
    place = world.run_dir / "op.lock"
    if kind == "a pipe":
        os.mkfifo(place, 0o600)
    else:
        place.touch(0o600)
        os.truncate(place, 2**40)

    ended = await ask(world, login(world))

    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert f"{place}: is no plain file" in ended.error().message
    assert [] == world.vault.calls()


@pytest.mark.skipif(not shutil.which("prlimit"), reason="needs util-linux")
async def test_where_no_step_can_be_written_down_nobody_is_asked(world: World) -> None:
    """A full disk is noticed before `op` starts, and the error names the file."""
    async with exchange(world, prefix=("prlimit", "--fsize=0")) as process:
        ended = await answer(process, login(world))

    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert f"{world.run_dir}/op.lock: cannot be written" in ended.error().message
    assert [] == world.vault.calls()


async def test_a_runtime_folder_open_to_others_is_refused(world: World) -> None:
    """The folder of the lock must be closed to other users."""
    world.run_dir.mkdir(mode=0o755)

    ended = await ask(world, login(world))

    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert [] == world.vault.calls()


async def test_two_at_once_are_one_op_at_a_time(world: World) -> None:
    """Exchanges take turns, and the wait for a turn does not count against the time limit of `op`."""
    with_onepassword(world, "timeout_seconds = 4")
    world.vault.update(prompt={"delay_s": 1.5, "answer": "reject"}, auth={"session_key": "per-process"})

    ended = await asyncio.gather(*(ask(world, login(world)) for _ in range(3)))

    assert [{"nsrc": "ApprovalDismissed"}] * 3 == [one.verdicts for one in ended]
    assert 1 == world.vault.state()["overlap"]["max"]
