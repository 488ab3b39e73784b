"""An answer that STS would never give is an AwsFailed, and nothing in it is believed."""

from __future__ import annotations

import asyncio
import gzip
import logging
import tracemalloc

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from botocore.session import Session as BotocoreSession

from mayfly.config.model import Config
from mayfly.exchange.onepassword.items import Item
from mayfly.exchange.sts.answers import parse_instant
from mayfly.exchange.sts.identity import verify
from mayfly.exchange.sts.roles import Roles
from mayfly.exchange.sts.sessions import Sessions
from mayfly.shared.credentials import Credentials, container_body
from mayfly.shared.errors import AwsFailed
from mayfly.shared.wire import Identity, Request, Result
from support import botocore_data
from support.configs import keys, loaded, role
from support.odd_sts import ACCOUNT_ID, OddSts, answer_xml, assumed_xml, credentials_xml, http, identity_xml


ITEM = Item(
    access_key_id="AKIAQ3EGWJLPEXAMPLE7",
    secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    mfa_serial=f"arn:aws:iam::{ACCOUNT_ID}:mfa/me",
    token_code="123456",
)
SESSION = Credentials(
    access_key_id="ASIAQ3EGWJLPEXAMPLE9",
    secret_access_key="made-up",
    session_token="made-up-session",
    expiration=datetime.now(UTC) + timedelta(hours=1),
)
OPERATIONS = ("GetSessionToken", "AssumeRole", "GetCallerIdentity")


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The exchange runs in the tests' own process: it reads botocore's data but once, and turns off all logging."""
    monkeypatch.setattr("mayfly.exchange.sts.client.Loader", botocore_data.SharingLoader)
    monkeypatch.setattr("botocore.hooks.EventAliaser._alias_event_name", botocore_data.shared_alias)
    monkeypatch.setattr("botocore.hooks.accepts_kwargs", botocore_data.accepts_kwargs)
    yield
    logging.disable(logging.NOTSET)


def _now() -> datetime:
    return datetime.now(UTC)


def _config(url: str) -> Config:
    base = keys(sts_endpoint_url=url, duration_seconds=3600)
    admin = role(role_arn=f"arn:aws:iam::{ACCOUNT_ID}:role/Admin", duration_seconds=3600)
    return loaded({"profiles": {"base": base, "admin": admin}})


async def _call(sts: OddSts, operation: str) -> Result:
    """One call of the exchange's, as the program makes it, and its result."""
    config, results = _config(sts.url), list[Result]()
    async with asyncio.timeout(30):
        if operation == "GetSessionToken":
            sessions = Sessions(config, {}, _now)
            await asyncio.to_thread(sessions.start, {"base": ITEM}, results.append)
        elif operation == "AssumeRole":
            await Roles(config, {}, _now, results.append, {}).run(["admin"], {"base": SESSION})
        else:
            request = Request(kind="verify", digest="", profiles=(), sessions={"base": SESSION})
            await verify(request, config, {}, _now, results.append)
    [result] = results
    return result


def _content(operation: str, **changes: Any) -> str:
    """The content of a right answer, with changes to its credentials."""
    if operation == "GetCallerIdentity":
        return identity_xml()
    return credentials_xml(**changes) + (assumed_xml() if operation == "AssumeRole" else "")


def _right(operation: str, **changes: Any) -> bytes:
    return http(answer_xml(operation, _content(operation, **changes)))


def _error_xml(code: str, message: str) -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"


def _instant(**delta: float) -> str:
    return (_now() + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_right_answer_is_believed(operation: str) -> None:
    """The answers of this file are odd only where a test makes them so."""
    async with OddSts(_right(operation)).open() as sts:
        result = await _call(sts, operation)

    assert isinstance(result.outcome, Credentials | Identity), result.outcome


# Redirects


REDIRECTS = (300, 301, 302, 303, 304, 305, 307, 308, 399)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", REDIRECTS)
async def test_no_redirect_is_followed(operation: str, status: int) -> None:
    """A redirect is an AwsFailed: neither its server nor the host that it names gets another request."""
    async with OddSts(_right(operation)).open() as elsewhere:
        body = answer_xml(operation, _content(operation))
        async with OddSts(http(body, f"{status} Odd", f"Location: {elsewhere.url}/")).open() as sts:
            result = await _call(sts, operation)

    assert (AwsFailed, [], 1) == (type(result.outcome), elsewhere.requests, len(sts.requests))


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling", "ExpiredToken"])
async def test_a_redirect_with_the_body_of_a_refusal_is_a_redirect(code: str) -> None:
    """The status decides: the call is not repeated with the same code, and the reason in the body is not shown."""
    error = _error_xml(code, "no")
    async with OddSts(http(error, "307 Temporary Redirect", "Location: http://127.0.0.1:1/")).open() as sts:
        result = await _call(sts, "GetSessionToken")

    assert (AwsFailed, 1) == (type(result.outcome), len(sts.requests))


# Size


CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = b" " * 2**20
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "a long body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", MEBIBYTE),
    "a body without a length": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", MEBIBYTE),
    "chunks": (CHUNKED, b"100000\r\n" + MEBIBYTE + b"\r\n"),
    "tiny chunks": (CHUNKED, b"1\r\n \r\n" * 10_000),
    "a long error": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 1000000000\r\n\r\n", MEBIBYTE),
    "a long redirect": (b"HTTP/1.1 307 Go\r\nLocation: /\r\nContent-Length: 1000000000\r\n\r\n", MEBIBYTE),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X-Odd: " + b"x" * 1000 + b"\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nX-Odd: ", b"x" * 2**20),
    "trailers": (CHUNKED + b"1\r\n \r\n0\r\n", b"X-Odd: " + b"x" * 1000 + b"\r\n"),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", FLOODS)
async def test_an_answer_that_is_too_long_is_cut(operation: str, name: str) -> None:
    """Reading ends soon after the limit, whichever part of the answer is long."""
    head, chunk = FLOODS[name]
    sts = OddSts(b"")
    sts._answers = [sts.flood(head, chunk)]
    async with sts.open():
        result = await _call(sts, operation)

    assert isinstance(result.outcome, AwsFailed)
    assert sts.sent_bytes < 16 * 2**20


@pytest.mark.parametrize(
    ("head", "chunk"), [(CHUNKED + b"1;", b"x" * 2**20), (b"HTTP/1.1 200 OK\r\nX-Odd: ", b" " * 2**20)]
)
async def test_what_is_skipped_of_an_answer_takes_no_memory(head: bytes, chunk: bytes) -> None:
    """aiohttp reads a long chunk extension, or blanks before a header's value, without keeping them."""
    sts = OddSts(b"")
    sts._answers = [sts.flood(head, chunk)]
    tracemalloc.start()
    try:
        async with sts.open():
            result = await _call(sts, "AssumeRole")
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert isinstance(result.outcome, AwsFailed)
    assert peak_bytes < sts.sent_bytes / 2


async def test_an_answer_of_the_usual_encodings_is_not_unpacked() -> None:
    """A compressed answer, which was not asked for, is not unpacked: a kilobyte cannot become a gigabyte."""
    packed = gzip.compress(_right("GetSessionToken").partition(b"\r\n\r\n")[2])
    async with OddSts(http(packed, "200 OK", "Content-Encoding: gzip")).open() as sts:
        result = await _call(sts, "GetSessionToken")

    assert isinstance(result.outcome, AwsFailed)
    assert b"accept-encoding: identity" in sts.requests[0].lower()


# Content


ENTITY = '<!DOCTYPE x [<!ENTITY e "ASIAQ3EGWJLPEXAMPLE1">]>'
LAUGHS = (
    "<!DOCTYPE x [<!ENTITY a 'ha'>"
    + "".join(
        f"<!ENTITY {below}{below} '{f'&{above};' * 10}'>" for above, below in [("a", "b"), ("bb", "c"), ("cc", "d")]
    )
    + "]>"
)
ODD_EXPIRATIONS: dict[str, Callable[[], str]] = {
    "none": lambda: "",
    "words": lambda: "tomorrow",
    "a number": lambda: str(int(_now().timestamp()) + 3600),
    "a date": lambda: (_now() + timedelta(days=1)).strftime("%Y-%m-%d"),
    "without a zone": lambda: _instant(hours=1).removesuffix("Z"),
    "in the past": lambda: _instant(hours=-1),
    "now": _instant,
    "a day later than asked": lambda: _instant(days=1),
    "half an hour later than asked": lambda: _instant(minutes=90),
    "in a thousand years": lambda: "3026-01-01T00:00:00Z",
    "at the end of time": lambda: "9999-12-31T23:59:59-23:59",
    "before the beginning": lambda: "0001-01-01T00:00:00+23:59",
    "no such day": lambda: "2026-02-30T00:00:00Z",
    "infinite": lambda: "1e999",
    "not a number": lambda: "nan",
}


@pytest.mark.parametrize("operation", ["GetSessionToken", "AssumeRole"])
@pytest.mark.parametrize("name", ODD_EXPIRATIONS)
async def test_an_odd_expiration_is_not_believed(operation: str, name: str) -> None:
    """An expiration is an instant as STS writes it, in the future, and no later than was asked for."""
    async with OddSts(_right(operation, expiration=ODD_EXPIRATIONS[name]())).open() as sts:
        result = await _call(sts, operation)

    assert (AwsFailed, 1) == (type(result.outcome), len(sts.requests))


ODD_CREDENTIALS = {
    "no key id": {"access_key_id": ""},
    "a blank key id": {"access_key_id": " "},
    "a short key id": {"access_key_id": "ASIA"},
    "a key id with a line break": {"access_key_id": "ASIAQ3EGWJLP\nEXAMPLE1"},
    "a key id beyond ASCII": {"access_key_id": "ASIAQ3EGWJLPEXÄMPLE1"},
    "digits beyond ASCII": {"access_key_id": "ASIAQ3EGWJLPEXAMPL\u0661\u0662"},
    "no secret": {"secret_access_key": ""},
    "a secret with a blank": {"secret_access_key": "made up"},
    "a secret beyond ASCII": {"secret_access_key": "geheimnß"},
    "no token": {"session_token": ""},
    "a token with a line break": {"session_token": "made\nup"},
    "a token beyond ASCII": {"session_token": "made-up…"},
    "a token that SDKs may not read": {"session_token": "x" * 9_900},
    "a token of quotes": {"session_token": '"' * 4_990},
    "a secret that SDKs may not read": {"secret_access_key": "x" * 9_900},
    "an element in a secret": {"secret_access_key": "<b>made-up</b>"},
}


@pytest.mark.parametrize("operation", ["GetSessionToken", "AssumeRole"])
async def test_a_long_session_token_is_believed(operation: str) -> None:
    """AWS promises no length: twice the typical 4096 letters fit into the 10,000 bytes that clients get."""
    async with OddSts(_right(operation, session_token="x" * 8_192)).open() as sts:
        result = await _call(sts, operation)

    assert isinstance(result.outcome, Credentials)
    assert len(container_body(result.outcome)) < 10_000


@pytest.mark.parametrize("operation", ["GetSessionToken", "AssumeRole"])
@pytest.mark.parametrize("name", ODD_CREDENTIALS)
async def test_odd_credentials_are_not_believed(operation: str, name: str) -> None:
    """Each part of the credentials is there and has only characters that AWS uses."""
    async with OddSts(_right(operation, **ODD_CREDENTIALS[name])).open() as sts:
        result = await _call(sts, operation)

    assert (AwsFailed, 1) == (type(result.outcome), len(sts.requests))


CONTENTS: dict[str, Callable[[str], str]] = {
    "nothing": lambda content: "",
    "text": lambda content: "made up",
    "doubled": lambda content: content * 2,
    "an empty element": lambda content: "<Credentials/><AssumedRoleUser/>",
    "without an expiration": lambda content: content.replace("Expiration>", "Elsewhere>"),
    "without a key id": lambda content: content.replace("AccessKeyId>", "Elsewhere>"),
    "without a token": lambda content: content.replace("SessionToken>", "Elsewhere>"),
    "a key id twice": lambda content: content.replace(
        "<SecretAccessKey>", "<AccessKeyId>x</AccessKeyId><SecretAccessKey>"
    ),
}


@pytest.mark.parametrize("operation", ["GetSessionToken", "AssumeRole"])
@pytest.mark.parametrize("name", CONTENTS)
async def test_missing_and_doubled_parts_are_not_believed(operation: str, name: str) -> None:
    """An answer must have each part of the credentials exactly once."""
    async with OddSts(http(answer_xml(operation, CONTENTS[name](_content(operation))))).open() as sts:
        result = await _call(sts, operation)

    assert (AwsFailed, 1) == (type(result.outcome), len(sts.requests))


BODIES: dict[str, Callable[[str, str], bytes]] = {
    "empty": lambda operation, content: b"",
    "no XML": lambda operation, content: b"made up",
    "JSON": lambda operation, content: b'{"Credentials": {}}',
    "cut off": lambda operation, content: answer_xml(operation, content).encode()[:-20],
    "no UTF-8": lambda operation, content: answer_xml(operation, content).encode("utf-16"),
    "another encoding": lambda operation, content: (
        b'<?xml version="1.0" encoding="x-odd"?>' + answer_xml(operation, content).encode("latin-1") + b"\xff"
    ),
    "an entity": lambda operation, content: answer_xml(
        operation, content.replace("ASIAQ3EGWJLPEXAMPLE1", "&e;").replace("AIDA1", "&e;"), ENTITY
    ).encode(),
    "an entity that nobody uses": lambda operation, content: answer_xml(operation, content, ENTITY).encode(),
    "an unknown entity": lambda operation, content: answer_xml(operation, content + "<Odd>&e;</Odd>").encode(),
    "laughs": lambda operation, content: answer_xml(operation, content + "<Odd>&dd;</Odd>", LAUGHS).encode(),
    "nested deep": lambda operation, content: answer_xml(operation, "<a>" * 5000 + "</a>" * 5000).encode(),
    "another operation's": lambda operation, content: answer_xml("DecodeAuthorizationMessage", content).encode(),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", BODIES)
async def test_an_odd_body_is_not_believed(operation: str, name: str) -> None:
    """Only the document of this operation, in UTF-8 and without entities, is an answer."""
    async with OddSts(http(BODIES[name](operation, _content(operation)))).open() as sts:
        result = await _call(sts, operation)

    assert (AwsFailed, 1) == (type(result.outcome), len(sts.requests))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [201, 202, 203, 204, 205, 206, 226, 299])
async def test_a_success_that_is_no_200_is_not_believed(operation: str, status: int) -> None:
    """STS answers with 200, or refuses."""
    async with OddSts(http(answer_xml(operation, _content(operation)), f"{status} Odd")).open() as sts:
        result = await _call(sts, operation)

    assert (AwsFailed, 1) == (type(result.outcome), len(sts.requests))


@pytest.mark.parametrize(
    "date",
    [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Thu, 01 Jan 2099 00:00:00 GMT",
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_odd_date_is_not_believed(operation: str, date: str) -> None:
    """AWS refuses a signature whose time is 15 minutes off, so no answer of its own has such a `Date`."""
    async with OddSts(http(answer_xml(operation, _content(operation)), "200 OK", f"Date: {date}")).open() as sts:
        result = await _call(sts, operation)

    if isinstance(result.outcome, AwsFailed):
        assert result.aws_at is None
    else:
        # A date that cannot be read is none.
        assert (None, True) == (result.aws_at, "-2359" in date or "+2359" in date)


@pytest.mark.parametrize("date", ["now", "", "Thu, 01 Jan 1970 00:00:00 -0000 or so", "Thu, 01 Jan"])
async def test_a_refusal_with_an_odd_date_is_a_refusal(date: str) -> None:
    """Without a readable date the error only lacks by how much the clock is off."""
    error = _error_xml("SignatureDoesNotMatch", "Signature expired")
    async with OddSts(http(error, "403 Forbidden", f"Date: {date}")).open() as sts:
        result = await _call(sts, "GetSessionToken")

    assert "ClockSkewed" == type(result.outcome).__name__


@pytest.mark.parametrize("date", ["Thu, 01 Jan 1970 00:00:00 -0000", "Mon, 01 Jan 0001 00:00:00 +2359"])
async def test_a_refused_code_with_an_odd_date_is_a_refused_code(date: str) -> None:
    """A date that cannot be used hides no refusal."""
    error = _error_xml("AccessDenied", "invalid MFA one time pass code")
    async with OddSts(http(error, "403 Forbidden", f"Date: {date}")).open() as sts:
        result = await _call(sts, "GetSessionToken")

    assert "MfaCodeRefused" == type(result.outcome).__name__


ERRORS = {
    "an empty document": "<ErrorResponse/>",
    "text": "<ErrorResponse><Error>made up</Error></ErrorResponse>",
    "errors twice": "<ErrorResponse><Error><Code>a</Code></Error><Error><Code>b</Code></Error></ErrorResponse>",
    "a code twice": "<ErrorResponse><Error><Code>a</Code><Code>b</Code></Error></ErrorResponse>",
    "elements in a code": "<ErrorResponse><Error><Code><b>a</b></Code></Error></ErrorResponse>",
    "terminal": _error_xml("a\u202e\u0085&#x9b;2J\u2028b", "\u009b"),
    "no XML": "made up",
    "empty": "",
}


REFUSALS = ("400 Bad", "403 Forbidden", "404 Odd", "500 Odd", "599 Odd", "999 Odd")
# Each two of operation, status and error meet.
ODD_REFUSALS = [
    (OPERATIONS[(row + column) % len(OPERATIONS)], status, name)
    for row, status in enumerate(REFUSALS)
    for column, name in enumerate(ERRORS)
]


@pytest.mark.parametrize(("operation", "status", "name"), ODD_REFUSALS)
async def test_an_odd_refusal_is_one_error(operation: str, status: str, name: str) -> None:
    """A malformed refusal becomes an AwsError with printable characters, after one request."""
    async with OddSts(http(ERRORS[name], status)).open() as sts:
        result = await _call(sts, operation)

    assert type(result.outcome).__name__ in {"AwsFailed", "AwsUnknown"}
    assert isinstance(result.outcome, Exception)
    assert str(result.outcome).isprintable()
    assert 1 == len(sts.requests)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 505, 599])
async def test_after_a_failure_of_sts_the_same_code_is_not_sent_again(operation: str, status: int) -> None:
    """STS may have used the code before it failed, so there is one request, whatever the failure says."""
    async with OddSts(http(_error_xml("ServiceUnavailable", "try again"), f"{status} Odd")).open() as sts:
        result = await _call(sts, operation)

    assert (AwsFailed, 1) == (type(result.outcome), len(sts.requests))


IDENTITIES = {
    "no account": {"account": ""},
    "a short account": {"account": "123"},
    "an account beyond ASCII": {"account": "\u0660\u0665\u0668\u0662\u0666\u0664\u0664\u0661\u0661\u0668\u0667\u0662"},
    "no ARN": {"arn": ""},
    "an ARN that is none": {"arn": "me"},
    "another account's ARN": {"arn": "arn:aws:iam::111111111111:user/me"},
    "a terminal's ARN": {"arn": f"arn:aws:iam::{ACCOUNT_ID}:user/me\u009b2J"},
    "no user": {"user_id": ""},
    "a user with a line separator": {"user_id": "AIDA\u20281"},
}


@pytest.mark.parametrize("name", IDENTITIES)
async def test_an_odd_identity_is_not_believed(name: str) -> None:
    """An identity has an account, an ARN of that account and a user id, all printable."""
    async with OddSts(http(answer_xml("GetCallerIdentity", identity_xml(**IDENTITIES[name])))).open() as sts:
        result = await _call(sts, "GetCallerIdentity")

    assert isinstance(result.outcome, AwsFailed)


@pytest.mark.parametrize(
    "assumed", ["", "<AssumedRoleUser/>", assumed_xml(""), assumed_xml("me"), assumed_xml("arn:aws:sts::")]
)
async def test_a_role_without_an_account_is_not_believed(assumed: str) -> None:
    """AssumeRole always says whose session it made."""
    async with OddSts(http(answer_xml("AssumeRole", credentials_xml() + assumed))).open() as sts:
        result = await _call(sts, "AssumeRole")

    assert isinstance(result.outcome, AwsFailed)


async def test_a_role_of_another_account_is_told_as_such() -> None:
    """The config says whose role it is."""
    arn = "arn:aws:sts::111111111111:assumed-role/Admin/me"
    async with OddSts(http(answer_xml("AssumeRole", credentials_xml() + assumed_xml(arn)))).open() as sts:
        result = await _call(sts, "AssumeRole")

    assert "AccountMismatch" == type(result.outcome).__name__


def test_sts_is_spoken_to_in_xml() -> None:
    """botocore uses the query protocol, whose documents are checked. If this fails, see `check_document`."""
    assert "query" == BotocoreSession().get_service_model("sts").resolved_protocol


@pytest.mark.parametrize(
    "value", ["2026-11-28T04:00:00Z", "2026-11-28T04:00:00.000Z", "2026-11-28T05:00:00+01:00", 1795838400.0]
)
def test_an_instant_is_read_in_the_forms_of_aws(value: str | float) -> None:
    """XML has a text with a zone, JSON a number."""
    assert datetime(2026, 11, 28, 4, tzinfo=UTC) == parse_instant(value)
