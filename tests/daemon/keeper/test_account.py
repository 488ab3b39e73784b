"""The account of what an exchange brings, as the keeper looks at it once more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from support.engine import ACCOUNT, config, credentials, key
from support.stage import Stage, login, on_stage, outcome


@pytest.mark.parametrize(
    ("account_id", "words"), [(None, "an unknown account"), ("1" * 12, f"account {'1' * 12}")], ids=["unknown", "other"]
)
def test_no_account_but_the_configured_one_is_kept(account_id: str | None, words: str) -> None:
    """If the config names an account, credentials of another or an unknown account are refused."""

    async def play(stage: Stage) -> None:
        brought = credentials(stage.now() + timedelta(hours=8), account_id=account_id)
        stage.script = lambda _: [stage.result("nsrc", brought)]
        refused = await outcome(login(stage, "nsrc"))
        assert ("AccountMismatch", 400) == (refused.code, refused.http_status)
        assert f"of {words}, and the config wants {ACCOUNT}" in refused.message
        assert stage.keeper.take("nsrc") is None

    on_stage(config(nsrc=key(account_id=ACCOUNT)), play)


def test_nobody_asks_for_an_account_that_is_not_configured() -> None:
    """Without account_id in the config, credentials of an unknown account are taken."""

    async def play(stage: Stage) -> None:
        brought = credentials(stage.now() + timedelta(hours=8), account_id=None)
        stage.script = lambda _: [stage.result("nsrc", brought)]
        assert brought == await outcome(login(stage, "nsrc"))

    on_stage(config(nsrc=key()), play)
