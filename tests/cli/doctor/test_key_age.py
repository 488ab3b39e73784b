"""The age of the access keys, as IAM tells it to a session that the daemon has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiohttp import web

from mayfly.cli.doctor.key_age import judged
from support.patient import Patient


NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
_MEMBER = (
    "<member><UserName>carmas</UserName><AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId>"
    "<Status>{}</Status><CreateDate>{}</CreateDate></member>"
)
_ANSWER = (
    '<ListAccessKeysResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListAccessKeysResult>'
    "<IsTruncated>false</IsTruncated><AccessKeyMetadata>{}</AccessKeyMetadata></ListAccessKeysResult>"
    "</ListAccessKeysResponse>"
)
_REFUSAL = (
    '<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
    "<Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
)


class Iam:
    """An IAM that answers ListAccessKeys with keys of these ages in days, or refuses."""

    def __init__(self, ages: Iterable[int | None]) -> None:
        self._ages = list(ages)
        self.url = ""
        self.asked: list[str] = []

    async def handle(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request.headers["Authorization"].split("Credential=")[1].split("/")[0])
        assert b"Action=ListAccessKeys" in await request.read()
        if not self._ages:
            return web.Response(status=403, text=_REFUSAL, content_type="text/xml")
        keys = (_MEMBER.format("Active" if days else "Inactive", _date(days or 4000)) for days in self._ages)
        return web.Response(text=_ANSWER.format("".join(keys)), content_type="text/xml")


def _date(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@asynccontextmanager
async def iam(*ages: int | None) -> AsyncIterator[Iam]:
    """It is up; None is a key that is not active."""
    made = Iam(ages)
    runner = web.ServerRunner(web.Server(made.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = "http://{}:{}".format(*runner.addresses[0])
    try:
        yield made
    finally:
        await runner.cleanup()


async def test_an_old_key_is_warned_of_and_the_session_is_not_used(patient: Patient) -> None:
    """Asked is with the session's key, once, and not as a use of the profile: that might prompt at its end."""
    async with patient.serve(), iam(100, None) as old, iam(7) as young, iam() as closed:
        before = await patient.doctor(env={"AWS_ENDPOINT_URL_IAM": old.url})
        assert 0 == (await patient.run("login")).code
        found = await patient.doctor(env={"AWS_ENDPOINT_URL_IAM": old.url})
        fine = await patient.doctor(env={"AWS_ENDPOINT_URL_IAM": young.url})
        refused = await patient.doctor(env={"AWS_ENDPOINT_URL_IAM": closed.url})
        elsewhere = await patient.doctor(env={"AWS_ENDPOINT_URL_IAM": "https://iam.example.com"})
        row = (await status(patient))["profiles"][0]

    assert {} == before.unwell == fine.unwell == refused.unwell == elsewhere.unwell
    assert "there is no session" in before.message("key-age.nsrc")
    assert {"key-age.nsrc": "warning"} == found.unwell
    assert "the access key is 100 days old" in found.message("key-age.nsrc")
    assert "the access key is 7 days old" == fine.message("key-age.nsrc")
    assert "not known: IAM answers AccessDenied to ListAccessKeys" == refused.message("key-age.nsrc")
    assert "neither this machine nor AWS" in elsewhere.message("key-age.nsrc")
    assert [True] == [key.startswith("ASIA") for key in old.asked]
    assert (False, None, 1) == (row["in_use"], row["last_fetched_at"], patient.vault.state()["prompts"])


async def status(patient: Patient) -> dict[str, Any]:
    import json

    return dict(json.loads((await patient.run("status", "--json")).out))


@pytest.mark.parametrize(
    ("ages", "state", "words"),
    [
        ([0], "ok", "the access key is 0 days old"),
        ([-3], "ok", "not known: the access key is newer than this machine's clock"),
        ([89], "ok", "the access key is 89 days old"),
        ([90], "warning", "the access key is 90 days old"),
        ([3, 400], "warning", "the oldest of 2 active access keys is 400 days old"),
    ],
)
def test_the_age_from_which_a_key_is_old(ages: list[int], state: str, words: str) -> None:
    """Ninety days; of several keys the oldest counts, because which one is in use is not known."""
    check = judged("nsrc", [NOW - timedelta(days=days, minutes=1) for days in ages], NOW)

    assert ("key-age.nsrc", state) == (check.id, check.state)
    assert words in check.message
