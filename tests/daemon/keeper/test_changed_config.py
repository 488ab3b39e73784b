"""The config on disk is not what the daemon has read: the exchange refuses, until a reload."""

from __future__ import annotations

import asyncio

import pytest

from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import ConfigChanged, ConfigInvalid, MayflyError
from support.engine import ONE, WITH_ROLE, WITH_TWIN, config, key
from support.stage import Stage, code, digests, fetch, on_stage, outcome, staged


class Disk:
    """The config on disk: an exchange refuses requests with another digest."""

    def __init__(self, stage: Stage, digest: str, refusal: MayflyError) -> None:
        self.digest = digest
        self._stage = stage
        self._refusal = refusal
        stage.script = self._answers

    def _answers(self, request: object) -> list[object]:
        is_known = request.digest == self.digest  # type: ignore[attr-defined] # a Request
        return [
            self._stage.result(name, self._stage.fresh(name) if is_known else self._refusal)
            for name in request.profiles  # type: ignore[attr-defined]
        ]


REFUSALS = [ConfigChanged("it has changed"), ConfigInvalid("it is not sound")]


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_mended_config_is_served_at_once(refusal: MayflyError) -> None:
    """A refusal because of the file no longer counts once a sound file is taken over."""

    async def play(stage: Stage) -> None:
        disk = Disk(stage, "d0", refusal)
        refused = await outcome(fetch(stage, "nsrc"))
        disk.digest = "d2"
        stage.keeper.adopt(config("d2", nsrc=key()))
        assert [refusal.code, "Credentials"] == [code(refused), code(await outcome(fetch(stage, "nsrc")))]

    on_stage(ONE, play)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("name", ["nsrc", "admin"])
def test_a_reload_behind_a_request_is_no_failure(name: str, refusal: MayflyError) -> None:
    """The exchange has read the new file before the daemon has: the refused sessions are asked for again."""

    async def play(stage: Stage) -> None:
        if name == "admin":
            await fetch(stage, "nsrc")
        Disk(stage, "d2", refusal)
        waiting = asyncio.ensure_future(outcome(fetch(stage, name)))
        await asyncio.sleep(0.5)
        stage.keeper.adopt(WITH_TWIN)
        assert isinstance(await waiting, Credentials)
        assert ["d1", "d2"] == digests(stage)[-2:]

    on_stage(WITH_ROLE, play)


@staged(ONE)
async def test_what_is_asked_again_is_not_asked_for_ever(stage: Stage) -> None:
    """The file has changed once more: the client is told, and the request is not repeated for ever."""
    Disk(stage, "d3", REFUSALS[0])
    waiting = asyncio.ensure_future(outcome(fetch(stage, "nsrc")))
    await asyncio.sleep(0.5)
    stage.keeper.adopt(WITH_TWIN)
    assert ("ConfigChanged", ["d1", "d2"]) == (code(await waiting), digests(stage))
