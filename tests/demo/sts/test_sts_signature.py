"""The embedded STS accepts exactly the signatures that botocore makes."""

import hashlib

from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials

from mayfly.demo.sts.server import EmbeddedSts
from support.sts import (
    CARMAS,
    OTHER,
    PERMANENT,
    call,
    send,
    signed,
)


MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS"
    " Secret Access Key and signing method. Consult the service documentation for details."
)


async def test_a_request_survives_the_wire(sts: EmbeddedSts) -> None:
    """Repeated spaces, an escaped path and an unsorted query arrive as they were signed."""
    url = f"{sts.url}/a%20b/c~d?z=1&a=%2F&empty="
    request = signed(url, "GetCallerIdentity", headers={"X-Amz-Note": "  one   two  "})

    assert 200 == (await send(request)).status


def edit_authorization(old: str, new: str) -> Callable[[AWSRequest], None]:
    def edit(request: AWSRequest) -> None:
        value = request.headers["Authorization"]
        assert old in value
        del request.headers["Authorization"]
        request.headers["Authorization"] = value.replace(old, new)

    return edit


def put(name: str, value: str | None) -> Callable[[AWSRequest], None]:
    def edit(request: AWSRequest) -> None:
        del request.headers[name]
        if value is not None:
            request.headers[name] = value

    return edit


def put_body(request: AWSRequest) -> None:
    request.data = request.data.replace("Version", "Other=1&Version")


def put_date(request: AWSRequest) -> None:
    stamp = request.headers["X-Amz-Date"]
    seconds = "01Z" if stamp.endswith("00Z") else "00Z"
    put("X-Amz-Date", stamp[:-3] + seconds)(request)


def edit_day(request: AWSRequest) -> None:
    day = request.headers["X-Amz-Date"][:8]
    edit_authorization(f"/{day}/", "/20200101/")(request)


def put_query(request: AWSRequest) -> None:
    request.url += "?x=1"


def put_path(request: AWSRequest) -> None:
    request.url += "x"


TAMPERED = {
    "body": put_body,
    "query": put_query,
    "path": put_path,
    "a signed header": put("Content-Type", "application/x-www-form-urlencoded"),
    "region": edit_authorization("eu-central-1", "eu-central-2"),
    "signature": edit_authorization("Signature=", "Signature=0"),
    "signed headers, without host": edit_authorization(";host", ""),
    "signed headers": edit_authorization("SignedHeaders=content-type;", "SignedHeaders="),
    "signed headers, by one that was not sent": edit_authorization(
        "SignedHeaders=content-type;", "SignedHeaders=content-type;expires;"
    ),
    "scope's service": edit_authorization("/sts/", "/s3/"),
    "scope's terminator": edit_authorization("aws4_request", "aws5_request"),
    "scope's day": edit_day,
    "date": put_date,
}


@pytest.mark.parametrize("part", TAMPERED)
async def test_nothing_signed_can_be_changed(sts: EmbeddedSts, part: str) -> None:
    """A request that was changed after it was signed is refused."""
    request = signed(f"{sts.url}/", "GetCallerIdentity")
    TAMPERED[part](request)

    assert (403, "SignatureDoesNotMatch", MISMATCH) == (await send(request)).refusal


MALFORMED = {
    "no Authorization": (put("Authorization", None), (403, "MissingAuthenticationToken")),
    "another algorithm": (edit_authorization("AWS4-HMAC-SHA256", "AWS3"), (400, "IncompleteSignature")),
    "no signature": (put("Authorization", "AWS4-HMAC-SHA256 SignedHeaders=host"), (400, "IncompleteSignature")),
    "no fields": (put("Authorization", "AWS4-HMAC-SHA256"), (400, "IncompleteSignature")),
    "no date": (put("X-Amz-Date", None), (400, "IncompleteSignature")),
    "an unreadable date": (put("X-Amz-Date", "yesterday"), (400, "IncompleteSignature")),
    "a short scope": (edit_authorization("/eu-central-1/", "/"), (400, "IncompleteSignature")),
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_malformed_signatures(sts: EmbeddedSts, case: str) -> None:
    """A signature that cannot be parsed has another error than a wrong one."""
    edit, expected = MALFORMED[case]
    request = signed(f"{sts.url}/", "GetCallerIdentity")
    edit(request)

    assert expected == (await send(request)).refusal[:2]


async def test_host_must_be_signed(sts: EmbeddedSts) -> None:
    """A valid signature without the Host header could be sent to another server, so it is refused."""
    request = AWSRequest("POST", f"{sts.url}/", data="Action=GetCallerIdentity&Version=2011-06-15")
    WithoutHost(PERMANENT, "sts", "eu-central-1").add_auth(request)

    assert (403, "SignatureDoesNotMatch", MISMATCH) == (await send(request)).refusal


class WithoutHost(SigV4Auth):
    """Signs the date alone."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return HTTPHeaders.from_pairs([("x-amz-date", request.headers["X-Amz-Date"])])


async def test_another_services_signature(sts: EmbeddedSts) -> None:
    """A signature for S3 is not valid for STS."""
    answer = await send(signed(f"{sts.url}/", "GetCallerIdentity", service="s3"))

    assert (403, "SignatureDoesNotMatch", MISMATCH) == answer.refusal


async def test_hash_of_another_body_does_not_stand_for_it(sts: EmbeddedSts) -> None:
    """A signed X-Amz-Content-SHA256 must be the hash of the body."""
    body = signed(f"{sts.url}/", "GetCallerIdentity").data
    right = hashlib.sha256(body.encode()).hexdigest()
    requests = [
        signed(f"{sts.url}/", "GetCallerIdentity", headers={"X-Amz-Content-SHA256": claimed})
        for claimed in (right, "UNSIGNED-PAYLOAD")
    ]
    answers = [await send(request) for request in requests]

    assert [200, 403] == [answer.status for answer in answers]


async def test_wrong_secret(sts: EmbeddedSts) -> None:
    """A wrong secret access key has AWS's long message about signatures."""
    answer = await call(sts, "GetCallerIdentity", Credentials(CARMAS.access_key_id, OTHER.secret_access_key))

    assert (403, "SignatureDoesNotMatch", MISMATCH) == answer.refusal


@pytest.mark.parametrize("skew_minutes", [-14, 0, 14])
async def test_clocks_may_differ_by_15_minutes(sts: EmbeddedSts, skew_minutes: int) -> None:
    """Signatures up to 15 minutes off are valid, and the Date header has the server's time."""
    sts.faults.clock_skew_seconds = skew_minutes * 60
    answer = await call(sts, "GetCallerIdentity")

    assert 200 == answer.status
    date = parsedate_to_datetime(answer.headers["Date"])
    assert sts.now.replace(microsecond=0) == date


@pytest.mark.parametrize(
    ("skew_minutes", "words", "sign"),
    [(17, "Signature expired: {} is now earlier than {} ({} - 15 min.)", -1),
     (-17, "Signature not yet current: {} is still later than {} ({} + 15 min.)", 1)],
)  # fmt: skip
async def test_clocks_too_far_apart(sts: EmbeddedSts, skew_minutes: int, words: str, sign: int) -> None:
    """The error for a signature that is more than 15 minutes off has both times."""
    sts.faults.clock_skew_seconds = skew_minutes * 60
    request = signed(f"{sts.url}/", "GetCallerIdentity")
    answer = await send(request)

    limit = sts.now + timedelta(minutes=15) * sign
    clocks = (instant.strftime("%Y%m%dT%H%M%SZ") for instant in (limit, sts.now))
    message = words.format(request.headers["X-Amz-Date"], *clocks)
    assert (403, "SignatureDoesNotMatch", message) == answer.refusal
