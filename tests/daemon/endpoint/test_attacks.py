"""Hostile requests, from one table, against one daemon."""

from __future__ import annotations

import json

import pytest

from daemon.endpoint.attacks import ATTACKS, Attack
from support.raw import Line, asking, dial, get, replies
from support.warm import Warm


pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.unfollowed]

# Word for word: so nothing of what was sent can be in them.
TEXTS = {
    "BadRequest": {
        "this is no HTTP request that mayfly understands",
        "only HTTP/1.0 and HTTP/1.1 are spoken here",
        "a request here has no body",
        "a request here has one Host",
    },
    "MethodNotAllowed": {"only GET is answered here"},
    "NotFound": {"mayfly answers /credentials/PROFILE and /healthz, and no other path"},
    "ForeignHost": {"this Host is not mayfly's"},
    "BrowserRequest": {"web pages are not answered"},
    "ForwardedRequest": {"forwarded requests are not answered"},
    "DoubledAuthorization": {"send the token once"},
    "Unauthorized": {
        'token missing or wrong, or no such profile: eval "$(mayfly env PROFILE)" anew',
        "no token was sent (older SDKs read no AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE):"
        ' eval "$(mayfly env PROFILE)" anew, without --token-file',
    },
}
CAUSES = {"malformed", "method", "target", "host", "browser", "forwarded", "body", "authorization", "token"}
USUAL_HEADERS = {"Content-Type": "application/json", "Cache-Control": "no-store"}


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name[:60] for attack in ATTACKS])
async def test_every_request_is_answered_as_the_contract_says(warm: Warm, attack: Attack) -> None:
    """Status, code and headers are the contract's, and the log tells the cause and nothing that was sent."""
    told = len(warm.daemon.log_text)

    async with dial(warm.world.port) as line:
        raw = await _answers(line, warm, attack)

    found = replies(raw, bodiless=attack.sent.startswith(b"HEAD "))
    assert attack.statuses == tuple(reply.status for reply in found)
    for reply, code in zip(found, attack.codes, strict=True):
        extra = {"Connection": "close"} if attack.closes else {}
        extra |= {"Allow": "GET"} if reply.status == 405 else {}
        assert USUAL_HEADERS | extra | {"Content-Length": reply.header("Content-Length")} == dict(reply.headers)
        assert len(reply.headers) == len(dict(reply.headers))
        if code and not attack.sent.startswith(b"HEAD "):
            assert ["code", "message"] == list(reply.json)
            assert code == reply.json["code"]
            assert reply.json["message"] in TEXTS[code]
    _assert_quiet(warm.daemon.log_text[told:])


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name[:60] for attack in ATTACKS])
async def test_earlier_good_requests_on_the_connection_change_nothing(warm: Warm, attack: Attack) -> None:
    """After good requests, which the daemon remembers, an attack on the same connection has the same answers."""
    good = warm.fill(asking())
    for asked in (1, 3):
        async with dial(warm.world.port) as line:
            for _ in range(asked):
                line.send(good)
                assert 200 == (await line.reply()).status
            raw = await _answers(line, warm, attack)
        found = replies(raw, bodiless=attack.sent.startswith(b"HEAD "))
        assert attack.statuses == tuple(reply.status for reply in found), f"after {asked}"


REPEATABLE = [attack for attack in ATTACKS if not attack.closes]


@pytest.mark.parametrize("attack", REPEATABLE, ids=[attack.name[:60] for attack in REPEATABLE])
async def test_an_attack_that_is_sent_again_is_refused_again(warm: Warm, attack: Attack) -> None:
    """The same bytes a second and a third time on one connection have the same answers as the first time."""
    sent, is_head = warm.fill(attack.sent), attack.sent.startswith(b"HEAD ")
    async with dial(warm.world.port) as line:
        for _ in range(3):
            line.send(sent)
            for status in attack.statuses:
                reply = await (line.head() if is_head else line.reply())
                assert status == reply.status


async def _answers(line: Line, warm: Warm, attack: Attack) -> bytes:
    """All that comes back; where the connection stays open, a health check shows that nothing was left over."""
    line.send(warm.fill(attack.sent))
    if attack.closes:
        return await line.rest()
    line.send(warm.fill(get("/healthz", "Connection: close")))
    whole = await line.rest()
    head, _, body = whole.rpartition(b"HTTP/1.1 200 OK\r\n")
    assert body.endswith(b'\r\n\r\n{"status":"ok"}')
    return head


def _assert_quiet(log: str) -> None:
    for row in map(json.loads, log.splitlines()):
        if row["event"] == "request.refused":
            assert {"event", "cause", "times", "level", "timestamp"} == set(row)
            assert row["cause"] in CAUSES
        elif row["event"] == "client.refused":
            # Once an hour, for a notification: the profile is of the config, the words are ours.
            told = ("nsrc", "Unauthorized", "its token is missing, or counts no longer")
            assert told == (row["profile"], row["code"], row["reason"])
        else:
            assert row["event"] in {"credentials.handed_out", "audit.limited"}


async def test_the_table_is_long_and_names_each_row_once() -> None:
    """There are over two hundred attacks, no two of one name in one group."""
    assert len(ATTACKS) > 200
    assert len({(attack.name, attack.sent) for attack in ATTACKS}) == len(ATTACKS)


async def test_refusals_are_counted_by_their_cause(warm: Warm) -> None:
    """`mayfly status` tells how many requests were refused, and why."""
    before = json.loads((await warm.world.run("status", "--json")).out)["refusals"]
    for template in (get(), get("/x"), get(host="evil.example"), b"\0\r\n\r\n"):
        async with dial(warm.world.port) as line:
            line.send(warm.fill(template))
            await line.reply()

    after = json.loads((await warm.world.run("status", "--json")).out)["refusals"]

    grown = {cause for cause in after if after[cause] == before.get(cause, 0) + 1}
    assert {"token", "target", "host", "malformed"} == grown
