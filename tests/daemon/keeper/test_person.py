"""What a person may do: log in, and forget."""

import asyncio

from support.engine import (
    HOUR,
    LOCKED,
    NO,
    ONE,
    WITH_ROLE,
)
from support.stage import Stage, code, fetch, in_words, login, outcome, staged


@staged(WITH_ROLE)
async def test_a_person_renews_what_is_fresh(stage: Stage) -> None:
    """`mayfly login` gets new credentials now, with or without need; a role on a live session also behind a lock."""
    old = await fetch(stage, "nsrc")
    new = await login(stage, "nsrc")
    stage.scene = LOCKED
    role_too = await login(stage, "admin")
    assert (True, role_too) == (new != old, stage.keeper.take("admin"))
    assert ["login: nsrc", "login: nsrc", "assume: admin < nsrc"] == in_words(stage.asked)


@staged(ONE)
async def test_a_person_is_not_kept_waiting_by_a_refusal(stage: Stage) -> None:
    """After a refusal clients wait and a person does not; the person's own refusal starts the delays anew."""
    stage.outcomes["nsrc"] = NO
    client = [await outcome(fetch(stage, "nsrc")) for _ in range(3)]
    person = [await outcome(login(stage, "nsrc")) for _ in range(3)]
    assert ([NO] * 6, 4) == (client + person, len(stage.asked))
    assert 1 == stage.keeper._ledger["nsrc"].consecutive_failures


@staged(ONE)
async def test_forgotten_is_gone_until_somebody_asks(stage: Stage) -> None:
    """`mayfly forget` empties memory; the next client gets new ones."""
    await fetch(stage, "nsrc")
    stage.keeper.forget(["nsrc"])
    work = asyncio.ensure_future(stage.keeper.run())
    await asyncio.sleep(10 * HOUR)
    gone, asked = stage.keeper.take("nsrc"), len(stage.asked)
    await fetch(stage, "nsrc")
    work.cancel()
    assert (None, 1, 2) == (gone, asked, len(stage.asked))


@staged(ONE)
async def test_forgotten_on_its_way_does_not_come_back(stage: Stage) -> None:
    """Credentials that arrive after a forget are dropped, and the waiting client is told to ask again."""
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.forget(["nsrc"])
    refused = await waiting
    assert ("ExchangeFailed", None) == (code(refused), stage.keeper.take("nsrc"))
    assert stage.keeper.status()[0].last_error is None


@staged(ONE)
async def test_forgotten_and_asked_for_again_comes(stage: Stage) -> None:
    """A client that asks after the forget is served by the exchange under way."""
    first = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.forget(["nsrc"])
    second = await fetch(stage, "nsrc")
    assert (second, 1) == (await first, len(stage.asked))
