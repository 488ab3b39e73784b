"""What an exchange tells of itself while it works: only to who asks for it, and only what is true then."""

from __future__ import annotations

import attrs

from mayfly.shared import stages, wire
from mayfly.shared.stages import Stage
from mayfly.shared.wire import Request
from support.exchange import (
    Clock,
    Exchange,
    alive_of,
    answer,
    ask,
    exchange,
    key_profile,
    login,
    put,
    role_profile,
    until,
    with_onepassword,
)
from support.world import SEED_ACCOUNT, SEED_TOML, World


ROLES = "".join(role_profile(name, f"arn:aws:iam::{SEED_ACCOUNT}:role/{name.title()}") for name in ("admin", "reader"))


def telling(request: Request) -> Request:
    return attrs.evolve(request, with_stages=True)


async def stage(process: Exchange, *names: str) -> Stage:
    """The next stage of these names."""
    assert process.stdout
    while line := await process.stdout.readline():
        told = wire.parse_told(line) if line != wire.MAY_I else None
        if isinstance(told, Stage) and told.name in names:
            return told
    raise AssertionError(f"the exchange has ended before {names}")


def runs_op(world: World) -> bool:
    return any("mayfly.demo.op" in line or "/op" in line.split(" ")[0] for line in alive_of(world))


async def test_a_login_tells_its_stages_in_order(world: World, clock: Clock) -> None:
    """The prompt, AWS; within ten minutes `op` may need nobody; roles wait for what is below them."""
    world.write_toml(SEED_TOML + ROLES)
    env = clock.rule(world)
    first = await ask(world, telling(login(world, "nsrc", "admin", "reader")), env)
    clock.next_step()
    second = await ask(world, telling(login(world)), env)
    clock.jump(660)
    third = await ask(world, telling(login(world)), env)

    everybody = "nsrc admin reader"
    before = [f"{name}: {everybody}" for name in (stages.APPROVE, stages.AWS)]
    assert [*before, "aws: admin reader"] == first.stages
    assert {"nsrc": "Credentials", "admin": "Credentials", "reader": "Credentials"} == first.verdicts
    assert ["op: nsrc", "aws: nsrc"] == second.stages
    assert ["approve: nsrc", "aws: nsrc"] == third.stages
    assert 2 == world.vault.state()["prompts"]


async def test_who_asks_for_no_stages_is_told_none(world: World) -> None:
    """A daemon of an earlier version reads results alone."""
    assert [] == (await ask(world, login(world))).stages


async def test_a_service_account_asks_nobody(world: World) -> None:
    """`op` runs, and there is no prompt that could be approved."""
    world.vault.update(mode="service")
    token = world.home / "token"
    token.write_text("ops_made_up")
    token.chmod(0o600)
    with_onepassword(world, f'token_file = "{token}"')

    assert ["op: nsrc", "aws: nsrc"] == (await ask(world, telling(login(world)))).stages


async def test_1password_is_asked_only_while_op_runs(world: World) -> None:
    """When the prompt is told of, `op` runs; when AWS is told of, it does not."""
    world.vault.update(prompt={"answer": "ignore"})
    world.sts.faults.then("hang")
    async with exchange(world) as process:
        await put(process, telling(login(world)))
        await stage(process, stages.APPROVE, stages.OP)
        at_the_prompt = runs_op(world)
        world.vault.update(prompt={"answer": "approve"})
        await stage(process, stages.AWS)
        at_aws = runs_op(world)
        process.terminate()
        await answer(process)

    assert (True, False) == (at_the_prompt, at_aws)


async def test_the_next_code_is_waited_for_before_op_runs(world: World, clock: Clock) -> None:
    """It is told how long, and nobody is told to approve a prompt before there is one."""
    env = clock.rule(world)
    await ask(world, telling(login(world)), env)
    async with exchange(world, env) as process:
        await put(process, telling(login(world)))
        told = await stage(process, stages.CODE, stages.OP, stages.APPROVE)
        calls = len(world.vault.calls())
        clock.next_step()
        await stage(process, stages.OP)
        await answer(process)

    assert (stages.CODE, ("nsrc",), 1) == (told.name, told.profiles, calls)
    assert told.left_seconds is not None
    assert 0 < told.left_seconds <= 60


async def test_one_op_at_a_time_is_a_turn(world: World) -> None:
    """The exchange that has to wait for the other's `op` says that, until it is its turn."""
    world.write_toml(SEED_TOML + key_profile("other"))
    world.vault.update(prompt={"answer": "ignore"})
    async with exchange(world) as first, exchange(world) as second:
        await put(first, telling(login(world)))
        await stage(first, stages.APPROVE)
        await put(second, telling(login(world, "other")))
        told = await stage(second, *stages.STAGES)
        first.terminate()
        await answer(first)
        after = await stage(second, stages.CONNECT)
        second.terminate()
        await answer(second)

    assert ((stages.TURN, ("other",)), ("other",)) == ((told.name, told.profiles), after.profiles)


async def test_a_refusal_ends_what_is_told(world: World) -> None:
    """After a "no" AWS is not asked, and nothing claims so."""
    world.vault.update(prompt={"answer": "deny"})
    ended = await ask(world, telling(login(world)))

    assert (["approve: nsrc"], {"nsrc": "ApprovalDismissed"}) == (ended.stages, ended.verdicts)
    await until(lambda: not runs_op(world))
