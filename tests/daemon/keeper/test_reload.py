"""A changed config under sessions that live, are on their way, or have failed."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from mayfly.config.kinds import Text
from mayfly.config.model import Config, OnePassword
from mayfly.config.values import FilePath, LimitSeconds
from mayfly.shared.errors import AwsUnreachable, ConfigChanged, OnePasswordMissing
from support.engine import CHAIN, DUE, HOUR, ONE, WITH_ROLE, WITH_TWIN, config, key, role
from support.stage import Stage, code, fetch, login, on_stage, outcome, staged


# What goes on, and what ends

OTHER = config("d2", nsrc=key("other"))


@staged(config(a=key("a"), b=key("b"), gone=key("gone")))
async def test_a_reload_keeps_what_did_not_change(stage: Stage) -> None:
    """A session goes on if nothing has changed that it is made from. Title and refresh mode do not count."""
    for name in ("a", "b", "gone"):
        await fetch(stage, name)
    stage.keeper.adopt(config("d2", a=key("a", name="A", refresh="on-demand"), b=key("b", duration_seconds=3600)))
    assert (True, None) == (stage.keeper.take("a") is not None, stage.keeper.take("b"))
    assert ["a", "b"] == [row.profile for row in stage.keeper.status()]


@staged(CHAIN)
async def test_a_base_is_in_use_when_a_role_above_it_was_fetched(stage: Stage) -> None:
    """A client that fetches a role uses every session below it."""
    await fetch(stage, "deep")
    stage.stepped_seconds = DUE + 60
    await login(stage, "nsrc")
    before = stage.keeper.status()[0].in_use
    await fetch(stage, "deep")
    assert (False, True) == (before, stage.keeper.status()[0].in_use)


@staged(CHAIN)
async def test_a_reload_ends_what_stands_on_what_changed(stage: Stage) -> None:
    """A role above other keys is another role."""
    await fetch(stage, "deep")
    stage.keeper.adopt(config("d2", nsrc=key("other"), admin=role("nsrc"), deep=role("admin", "deep")))
    assert [None] * 3 == [stage.keeper.take(name) for name in ("nsrc", "admin", "deep")]


@pytest.mark.parametrize(
    "after", [OTHER, config("d2", other=key("other")), config("d2", base=key("other"), nsrc=role("base"))]
)
def test_a_reload_on_the_way_refuses_what_comes(after: Config) -> None:
    """Credentials that were got with the old config are not served under the new one; the waiting client asks again."""

    async def play(stage: Stage) -> None:
        waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
        await asyncio.sleep(0.5)
        stage.keeper.adopt(after)
        refused = await waiting
        await asyncio.sleep(2)
        rows = {row.profile: (row.phase, row.in_flight, row.last_error) for row in stage.keeper.status()}
        assert ("ConfigChanged", "ask again") == (code(refused), refused.hint)
        assert {("empty", False, None)} == set(rows.values())

    on_stage(ONE, play)


@staged(ONE)
async def test_a_reload_on_the_way_and_asked_again(stage: Stage) -> None:
    """A client that asks after the reload waits for the exchange of the new config."""
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.adopt(OTHER)
    got = await fetch(stage, "nsrc")
    assert (["d1", "d2"], "ConfigChanged") == ([asked.request.digest for asked in stage.asked], code(await waiting))
    assert got == stage.keeper.take("nsrc")


@pytest.mark.parametrize("profile", ["nsrc", "admin"])
def test_a_reload_before_anything_was_asked(profile: str) -> None:
    """A profile is removed while its exchange starts: its client is told, and nothing is asked for it."""

    async def play(stage: Stage) -> None:
        waiting = asyncio.ensure_future(outcome(fetch(stage, profile)))
        await asyncio.sleep(0.001)
        stage.keeper.adopt(config("d2", other=key("other")))
        assert "ConfigChanged" == code(await waiting)
        await asyncio.sleep(1)
        assert [] == stage.asked
        await fetch(stage, "other")

    on_stage(WITH_ROLE, play)


@staged(ONE)
async def test_a_reload_during_the_look(stage: Stage) -> None:
    """A profile is removed during the look at the desk: its client is told."""
    stage.scene_takes_seconds = 1
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.adopt(config("d2", other=key("other")))
    assert "ConfigChanged" == code(await waiting)


@staged(ONE)
async def test_a_reload_while_a_client_wakes_what_is_due(stage: Stage) -> None:
    """A profile is removed between a fetch and the look at the desk: nothing is started."""
    await fetch(stage, "nsrc")
    stage.stepped_seconds, stage.scene_takes_seconds = DUE + 60, 1
    stage.keeper.take("nsrc")
    await asyncio.sleep(0.5)
    stage.keeper.adopt(config("d2", other=key("other")))
    await asyncio.sleep(2)
    assert (1, []) == (len(stage.asked), stage.log.told("task.failed"))


@staged(ONE)
async def test_a_config_that_changed_is_mended_by_a_reload(stage: Stage) -> None:
    """The exchange refused a config that had changed on disk: after the reload there is no delay."""
    stage.outcomes["nsrc"] = ConfigChanged("it has changed")
    refused = await outcome(fetch(stage, "nsrc"))
    del stage.outcomes["nsrc"]
    stage.keeper.adopt(config("d2", nsrc=key()))
    assert ("ConfigChanged", "Credentials") == (code(refused), code(await outcome(fetch(stage, "nsrc"))))


# Sessions are found again by what they are made from


@staged(WITH_ROLE)
async def test_a_twin_that_comes_before_it_takes_no_session_away(stage: Stage) -> None:
    """A shared session is named after the first profile: it goes on under the new name, and so does its role."""
    before = [await fetch(stage, name) for name in ("nsrc", "admin")]
    stage.keeper.adopt(WITH_TWIN)
    assert [*before, before[0]] == [stage.keeper.take(name) for name in ("nsrc", "admin", "twin")]
    assert 2 == len(stage.asked)


@staged(config(nsrc=key(), b=key(), admin=role("nsrc"), same=role("b")))
async def test_a_twin_that_goes_leaves_the_session_to_the_other(stage: Stage) -> None:
    """The session was named after the removed profile; two equal roles each keep their own session."""
    before = {name: await fetch(stage, name) for name in ("b", "admin", "same")}
    stage.keeper.adopt(config("d2", b=key(), admin=role("b"), same=role("b")))
    assert before == {name: stage.keeper.take(name) for name in before}
    assert before["admin"] != before["same"]
    stage.keeper.adopt(config("d3", b=key(), admin=role("b")))
    assert before["admin"] == stage.keeper.take("admin")


@staged(WITH_ROLE)
async def test_another_region_costs_no_session(stage: Stage) -> None:
    """A session is valid in every region, so another region does not end it."""
    before = [await fetch(stage, name) for name in ("nsrc", "admin")]
    moved = config(
        "d2", nsrc=key(region="eu-west-1", sts_region=("eu-west-1",)), admin=role("nsrc", region="us-west-2")
    )
    stage.keeper.adopt(moved)
    assert before == [stage.keeper.take(name) for name in ("nsrc", "admin")]


def test_another_op_costs_no_session() -> None:
    """Another `op` or time limit does not change the session; another 1Password account does."""
    before = OnePassword(op=FilePath("/opt/op"), account=Text("mine"))
    after = attrs.evolve(before, op=None, timeout_seconds=LimitSeconds(30))

    async def play(stage: Stage) -> None:
        got = [await fetch(stage, name) for name in ("nsrc", "admin")]
        stage.keeper.adopt(attrs.evolve(WITH_ROLE, digest="d2", onepassword=after))
        assert got == [stage.keeper.take(name) for name in ("nsrc", "admin")]
        stage.keeper.adopt(attrs.evolve(WITH_ROLE, digest="d3", onepassword=OnePassword(account=Text("other"))))
        assert [None, None] == [stage.keeper.take(name) for name in ("nsrc", "admin")]

    on_stage(attrs.evolve(WITH_ROLE, onepassword=before), play)


@staged(WITH_ROLE)
async def test_what_failed_with_one_op_may_succeed_with_another(stage: Stage) -> None:
    """After a reload with another `op` or time limit the old failure no longer counts."""
    stage.outcomes["nsrc"] = OnePasswordMissing("no op")
    assert "OnePasswordMissing" == code(await outcome(fetch(stage, "nsrc")))
    del stage.outcomes["nsrc"]
    assert "OnePasswordMissing" == code(await outcome(fetch(stage, "nsrc")))
    stage.keeper.adopt(attrs.evolve(WITH_ROLE, digest="d2", onepassword=OnePassword(timeout_seconds=LimitSeconds(30))))
    assert "Credentials" == code(await outcome(fetch(stage, "nsrc")))


@pytest.mark.parametrize(("region", "codes"), [("eu-west-1", ["Credentials"]), (None, ["AwsUnreachable"])])
def test_what_failed_somewhere_may_succeed_elsewhere(region: str | None, codes: list[str]) -> None:
    """With another region a failure no longer counts; with the same one it does."""

    async def play(stage: Stage) -> None:
        stage.outcomes["nsrc"] = AwsUnreachable("no such host")
        await outcome(fetch(stage, "nsrc"))
        del stage.outcomes["nsrc"]
        stage.keeper.adopt(config("d2", nsrc=key(region=region)))
        assert codes == [code(await outcome(fetch(stage, "nsrc")))]

    on_stage(ONE, play)


def test_a_session_comes_back_after_a_restart_under_another_name() -> None:
    """The snapshot finds sessions by what they are made from, not by name."""

    async def play(stage: Stage) -> None:
        before = [await fetch(stage, name) for name in ("nsrc", "admin")]
        next_life = Stage(WITH_TWIN)
        next_life.keeper.restore(stage.keeper.snapshot())
        assert [*before, before[0]] == [next_life.keeper.take(name) for name in ("nsrc", "admin", "twin")]

    on_stage(WITH_ROLE, play)


# Modes


@pytest.mark.parametrize(
    ("modes", "renews"),
    [
        (("on-demand", "always"), True),
        (("on-demand", None), True),
        ((None, "on-demand"), True),
        (("on-demand", "on-demand"), False),
    ],
)
def test_of_profiles_that_share_a_session_the_strongest_mode_counts(
    modes: tuple[str | None, str | None], renews: bool
) -> None:
    """`always` wins over `while-used` (here the default), and that over `on-demand`, in any order."""
    shared: Config = config(nsrc=key(refresh=modes[0]), b=key(refresh=modes[1]))

    async def play(stage: Stage) -> None:
        await fetch(stage, "nsrc")
        stage.stepped_seconds = 8 * HOUR - 600
        await stage.keeper.look()
        await asyncio.sleep(5)
        assert renews == (2 == len(stage.asked))

    on_stage(shared, play)
