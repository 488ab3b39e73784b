"""`mfa = "each"`: a role that is assumed with the long-term access key and a code of its own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from mayfly.demo.sts.server import Role
from mayfly.shared import wire
from mayfly.shared.wire import Request
from support.exchange import CODE_SECONDS, Clock, answer, ask, digest, exchange, login, put
from support.people import (
    ROLES,
    SECOND,
    calls_of,
    counts,
    early,
    fetch_all,
    fetch_together,
    inhabited,
    keys,
    keys_in,
    life_seconds,
    role,
    rows_of,
)
from support.world import World


EACH = 'mfa = "each"'
LONG = Role(name="Long", max_session_seconds=43200, requires_mfa=True)
CONFIG = keys("ann") + role("Long", "ann", EACH, "duration_seconds = 43200")


def _signed_by(world: World) -> list[str]:
    """The actions that were called, each with the owner of the keys that signed it."""
    names = {user.access_key_id: user.name for user in world.sts.account.users}
    return [f"{call.action} by {names.get(call.access_key_id, 'a session')}" for call in world.sts.calls]


async def test_such_a_role_is_assumed_with_the_keys_and_a_code(tmp_path: Path) -> None:
    """One `op`, one AssumeRole by the long-term access key with device and code, no session, and twelve hours."""
    async with inhabited(tmp_path, ["ann"], [LONG]) as world:
        world.write_toml(CONFIG)
        async with world.serve():
            reply = await world.get("/credentials/Long")
        [call] = calls_of(world, "AssumeRole")

    assert (200, (1, 0, 1), f"{ROLES}/Long") == (reply.status, counts(world), reply.json["RoleArn"])
    assert ["AssumeRole by ann"] == _signed_by(world)
    assert (world.sts.account.users[0].mfa_serial, "43200") == (call.mfa_serial, call.parameters["DurationSeconds"])
    assert call.code_step is not None
    assert 43_100 < life_seconds(reply, call.at) <= 43_200


async def test_roles_above_it_stand_on_it(tmp_path: Path) -> None:
    """A role whose source it is, is assumed from it in the same exchange; no session of the keys is needed."""
    async with inhabited(tmp_path, ["ann"], [LONG, Role(name="Above")]) as world:
        world.write_toml(CONFIG + role("Above", "Long"))
        async with world.serve() as daemon:
            replies = await fetch_all(world, ["Above", "Long"])
            exchanges = daemon.events("exchange.started")

    assert {"Above": 200, "Long": 200} == {name: reply.status for name, reply in replies.items()}
    assert ["AssumeRole by ann", "AssumeRole by a session"] == _signed_by(world)
    assert keys_in(replies)["Long"] == calls_of(world, "AssumeRole")[1].access_key_id
    assert 1 == len(exchanges)


async def test_its_code_is_another_than_that_of_the_session(tmp_path: Path, clock: Clock) -> None:
    """In one exchange the session and the roles above it come first, then the role with the next code."""
    async with inhabited(tmp_path, ["ann"], [LONG, Role(name="Admin")], clock) as world:
        world.write_toml(role("Long", "ann", EACH, "duration_seconds = 43200") + keys("ann") + role("Admin", "ann"))
        async with exchange(world, clock.rule(world)) as process:
            assert process.stdout is not None
            await put(process, login(world, "Long", "ann", "Admin"))
            assert wire.MAY_I == await process.stdout.readline()
            first = [wire.parse_result(await process.stdout.readline()) for _ in range(2)]
            clock.jump(CODE_SECONDS)
            assert wire.MAY_I == await process.stdout.readline()
            last = wire.parse_result(await process.stdout.readline())
            await answer(process)

    assert ["ann", "Admin", "Long"] == [result.profile for result in (*first, last)]
    one, other = (call.code_step for call in world.sts.calls if call.mfa_serial)
    assert one is not None
    assert one + 1 == other
    assert ["ok"] * 3 == [call.outcome for call in world.sts.calls]


async def test_nobody_waits_for_its_code_who_does_not_need_it(tmp_path: Path, clock: Clock) -> None:
    """While the role waits for the next code, its source, its sibling and another account's login are served."""
    async with inhabited(tmp_path, ["ann", "bob", "early"], [LONG, Role(name="Admin")], clock) as world:
        bob = keys("bob", 'onepassword = "second"')
        world.write_toml(early(world) + SECOND + CONFIG + role("Admin", "ann") + bob)
        async with world.serve(env=clock.rule(world)) as daemon:
            [asked] = await fetch_together(world, daemon, ["Long", "ann", "Admin", "bob"])
            served = await fetch_all(world, ["ann", "Admin", "bob"])
            is_waiting = not asked.done()
            clock.jump(CODE_SECONDS)
            replies = await asked
            exchanges = [event["profiles"] for event in daemon.events("exchange.started")]

    assert ([200] * 3, True) == ([reply.status for reply in served.values()], is_waiting)
    assert [200] * 4 == [reply.status for reply in replies.values()]
    assert [["early"], ["ann", "Admin"], ["bob"], ["Long"]] == exchanges
    assert 2 == len(set(_steps_of(world, "ann")))


def _steps_of(world: World, name: str) -> list[int | None]:
    serials = {user.name: user.mfa_serial for user in world.sts.account.users}
    return [call.code_step for call in world.sts.calls if call.mfa_serial == serials[name]]


async def test_after_a_dismissed_prompt_it_is_not_asked_for(tmp_path: Path) -> None:
    """A dismissed prompt for the session also counts for the role that waits for the next code of the device."""
    async with inhabited(tmp_path, ["ann"], [LONG]) as world:
        world.write_toml(CONFIG)
        world.vault.update(prompt={"answer": "reject"})
        async with world.serve():
            replies = await fetch_all(world, ["ann", "Long"])

    assert ["ApprovalDismissed"] * 2 == [reply.json["code"] for reply in replies.values()]
    assert (1, []) == (world.vault.state()["calls"], world.sts.calls)


async def test_a_code_that_is_refused_is_followed_by_another(tmp_path: Path, clock: Clock) -> None:
    """As for a session, after a refused code the next one is tried, and no code is sent twice."""
    async with inhabited(tmp_path, ["ann"], [LONG], clock) as world:
        world.write_toml(CONFIG)
        world.sts.faults.then("invalid-mfa")
        async with exchange(world, clock.rule(world)) as process:
            await put(process, login(world, "Long"))
            await world.sts.called("AssumeRole")
            clock.jump(CODE_SECONDS)
            ended = await answer(process)

    assert {"Long": "Credentials"} == ended.verdicts
    assert ["AccessDenied", "ok"] == [call.outcome for call in world.sts.calls]


async def test_it_is_never_assumed_without_a_code(tmp_path: Path) -> None:
    """A session does not replace the code: a request to assume it from one is an error, without a call."""
    async with inhabited(tmp_path, ["ann"], [LONG]) as world:
        world.write_toml(CONFIG)
        session = (await ask(world, login(world, "ann"))).credentials("ann")
        asked = Request(kind="assume", digest=digest(world), profiles=("Long",), sessions={"ann": session})
        ended = await ask(world, asked)

    assert {"Long": "SessionEnded"} == ended.verdicts
    assert 0 == world.sts.calls_of("AssumeRole")


async def test_what_aws_says_of_it_is_said_of_the_role(tmp_path: Path) -> None:
    """The error of a duration that the role does not allow names its ARN and the duration."""
    async with inhabited(tmp_path, ["ann"], [Role(name="Long", max_session_seconds=7200)]) as world:
        world.write_toml(CONFIG)
        error = (await ask(world, login(world, "Long"))).error("Long")

    assert "DurationRefused" == error.code
    assert f"{ROLES}/Long" in error.message
    assert "43200" in error.message


async def test_its_session_ends_with_a_change_of_the_keys_below(tmp_path: Path) -> None:
    """It was made with the keys of its source: with another item there, its credentials are dropped."""
    async with inhabited(tmp_path, ["ann"], [LONG]) as world:
        world.write_toml(CONFIG)
        async with world.serve() as daemon:
            before = await world.get("/credentials/Long")
            world.write_toml(CONFIG.replace("op://NSRC/ann/", "op://NSRC/Ann/"))
            daemon.process.send_signal(1)
            await daemon.event("config.reloaded")
            status = await world.run("status", "--json")

    assert 200 == before.status
    assert '"phase": "empty"' in status.out


async def test_it_is_shown_with_its_own_end(tmp_path: Path) -> None:
    """`status` shows when the next prompt for it is due, as early before its end as for a login."""
    async with inhabited(tmp_path, ["ann"], [LONG]) as world:
        world.write_toml(CONFIG)
        async with world.serve():
            await world.get("/credentials/Long")
            rows = await rows_of(world)

    [row] = [row for row in rows if row["profile"] == "Long"]
    ahead = datetime.fromisoformat(row["expiration"]) - datetime.fromisoformat(row["due_at"])
    assert ("fresh", 20 * 60) == (row["phase"], round(ahead.total_seconds()))
