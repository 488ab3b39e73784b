"""What `op` and STS say when they say no, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from exchange.onepassword.op_texts import REFERENCES, TEXTS, UNKNOWN, WAITS, Said
from mayfly.exchange.onepassword.refusals import from_op
from mayfly.exchange.sts.refusals import from_sts
from mayfly.shared import errors
from mayfly.shared.errors import MayflyError, OnePasswordError, leaves


PREFIX = "[ERROR] 2026/08/24 12:00:00 "
NOW = datetime(2026, 8, 24, 12, tzinfo=UTC)
DISMISSED = b"[ERROR] 2026/08/24 12:00:00 error initializing client: authorization prompt dismissed, please try again"

ABOUT_A_REFERENCE = [said for said in TEXTS if said.at_fault]


def _numbered(rows: Iterable[Said]) -> list[str]:
    return [f"{number}-{said.leaf.__name__}" for number, said in enumerate(rows)]


DRESSES: dict[str, Callable[[str], str]] = {
    "bare": lambda text: text,
    "prefixed": lambda text: PREFIX + text + "\n",
    "each line prefixed": lambda text: "".join(f"{PREFIX}{line}\n" for line in text.split("\n")),
    "in red": lambda text: f"\x1b[31m{PREFIX}{text}\x1b[0m\r\n",
    "shouted": lambda text: PREFIX + text.upper(),
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("said", TEXTS, ids=_numbered(TEXTS))
def test_every_recorded_text_becomes_its_error(said: Said, dress: str) -> None:
    """Each text of `op` is one error, with or without its prefix, in colour or not."""
    error = from_op(DRESSES[dress](said.text).encode(), REFERENCES, elapsed_seconds=2)

    assert said.leaf is type(error)


@pytest.mark.parametrize("said", ABOUT_A_REFERENCE, ids=_numbered(ABOUT_A_REFERENCE))
def test_an_error_about_a_reference_names_it(said: Said) -> None:
    """What is wrong in an item or in the config is named by its reference, without the query."""
    error = from_op((PREFIX + said.text).encode(), REFERENCES, elapsed_seconds=2)

    assert said.at_fault == error.message.partition(": ")[2]
    assert (400, False, False) == (error.http_status, error.needs_human, error.retryable)
    assert error.hint


@pytest.mark.parametrize(
    ("elapsed_seconds", "leaf"),
    [(2.2, errors.ApprovalDismissed), (54.9, errors.ApprovalDismissed), (60.05, errors.ApprovalIgnored)],
)
def test_an_ignored_prompt_is_told_from_a_dismissed_one_by_its_time(
    elapsed_seconds: float, leaf: type[MayflyError]
) -> None:
    """On Linux `op` says "dismissed" for both: after a minute nobody was there."""
    error = from_op(DISMISSED, REFERENCES, elapsed_seconds=elapsed_seconds)

    assert (leaf, 403, True, False) == (type(error), error.http_status, error.needs_human, error.retryable)
    assert "run 'mayfly login' when you are ready" == error.hint


@pytest.mark.parametrize(("text", "seconds", "span"), WAITS)
def test_a_rate_limit_says_when_to_come_back(text: str, seconds: float, span: str) -> None:
    """1Password's own time to wait is honoured and told, a quarter of an hour where it names none, a day at most."""
    error = from_op((PREFIX + text).encode(), REFERENCES, elapsed_seconds=2)

    assert (errors.OnePasswordRateLimited, seconds) == (type(error), error.retry_after_seconds)
    assert f"come back in {span}" == error.hint
    assert (503, True) == (error.http_status, error.retryable)


@pytest.mark.parametrize(("text", "shown"), UNKNOWN)
def test_an_unknown_text_is_shown_redacted(text: str, shown: str) -> None:
    """Of what nobody has recorded the first line is told, without names, references, values and control characters."""
    error = from_op((PREFIX + text).encode(), REFERENCES, elapsed_seconds=2)

    assert (errors.OnePasswordUnknown, f"1Password says: {shown}") == (type(error), error.message)


def test_an_unknown_text_about_a_reference_names_it() -> None:
    """It is in the config, and no secret; its owner would look for it in vain."""
    error = from_op(f"could not read secret '{ONE_ITEM[1]}': odd".encode(), ONE_ITEM, elapsed_seconds=2)

    assert f"1Password says: could not read secret '': odd (of {ONE_ITEM[1]})" == error.message


def test_an_unknown_text_is_never_long() -> None:
    """A flood of words is cut."""
    assert len(from_op(b"odd words " * 10_000, REFERENCES, elapsed_seconds=2).message) < 250


ONE_ITEM = tuple(f"op://NSRC/AWS/{field}" for field in ("access_key_id", "secret_access_key", "mfa_id"))


@pytest.mark.parametrize("words", ["does not", "doesn't"])
@pytest.mark.parametrize("title", ["AWS", "mfa_id", "Another"])
def test_a_field_without_a_one_time_password_is_the_codes(title: str, words: str) -> None:
    """Whatever `op` calls it: only the reference that asks for a code can be meant."""
    references = (*ONE_ITEM, "op://NSRC/AWS/mfa_id?attribute=otp")
    error = from_op(f'"{title}" {words} have a one-time password'.encode(), references, elapsed_seconds=2)

    assert "1Password finds no such field in the item: op://NSRC/AWS/mfa_id" == error.message


def test_of_several_references_none_is_blamed_without_need() -> None:
    """Where `op` names nothing that was asked for, it is not said to be the first."""
    error = from_op(b'"Elsewhere" isn\'t an item', ONE_ITEM, elapsed_seconds=2)

    assert "1Password finds no such item: which one, it does not say" == error.message


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"\n\n\n", b"\x1b[31m", PREFIX.encode()])
def test_whatever_bytes_are_an_error(raw: bytes) -> None:
    """No stderr breaks the classifier."""
    assert isinstance(from_op(raw, REFERENCES, elapsed_seconds=2), OnePasswordError)


# STS

ROLE = "arn:aws:iam::058264411872:role/Admin"
DEVICE = "arn:aws:iam::058264411872:mfa/carmas"
PARAMETERS = {"RoleArn": ROLE, "SerialNumber": DEVICE, "DurationSeconds": 43200}
MFA = "MultiFactorAuthentication failed"

REFUSALS = [
    ("AccessDenied", f"{MFA} with invalid MFA one time pass code.", 403, errors.MfaCodeRefused, "MFA code"),
    (
        "AccessDenied",
        f"{MFA}, unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this "
        "user.",
        403,
        errors.MfaDeviceUnknown,
        DEVICE,
    ),
    (
        "AccessDenied",
        f"{MFA}, must provide both MFA serial number and one time pass code.",
        403,
        errors.MfaDeviceUnknown,
        DEVICE,
    ),
    (
        "ValidationError",
        "1 validation error detected: Value at 'tokenCode' failed to satisfy constraint: Member must have length 6",
        400,
        errors.RequestInvalid,
        ROLE,
    ),
    (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        400,
        errors.DurationRefused,
        "duration_seconds = 43200",
    ),
    (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        400,
        errors.DurationRefused,
        ROLE,
    ),
    ("AccessDenied", "Cannot call GetSessionToken with session credentials", 403, errors.AccessKeyUnknown, "temporary"),
    (
        "InvalidClientTokenId",
        "The security token included in the request is invalid.",
        403,
        errors.AccessKeyUnknown,
        "access key",
    ),
    ("ExpiredToken", "The security token included in the request is expired", 403, errors.SessionEnded, "expired"),
    ("ExpiredTokenException", "The security token is expired", 400, errors.SessionEnded, "expired"),
    ("RequestExpired", "Request has expired.", 400, errors.SessionEnded, "expired"),
    (
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method.",
        403,
        errors.SecretKeyWrong,
        "secret access key",
    ),
    (
        "SignatureDoesNotMatch",
        "Signature expired: 20240217T171323Z is now earlier than 20240217T173539Z (20240217T175039Z - 15 min.)",
        403,
        errors.ClockSkewed,
        "this machine's clock is 1200 s behind AWS's",
    ),
    (
        "SignatureDoesNotMatch",
        "Signature not yet current: 20240217T171323Z is still later than 20240217T173539Z",
        403,
        errors.ClockSkewed,
        "this machine's clock is 1200 s behind AWS's",
    ),
    ("Throttling", "Rate exceeded", 400, errors.AwsThrottled, "throttled"),
    ("ThrottlingException", "Rate exceeded", 400, errors.AwsThrottled, "throttled"),
    (
        "AccessDenied",
        f"User: arn:aws:iam::058264411872:user/carmas is not authorized to perform: sts:AssumeRole on resource: {ROLE}",
        403,
        errors.AccessDenied,
        ROLE,
    ),
    ("RegionDisabledException", "STS is not activated in this region", 403, errors.RegionDisabled, "eu-south-1"),
    ("InternalFailure", "The request processing has failed", 500, errors.AwsFailed, "HTTP 500"),
    ("ServiceUnavailable", "The request has failed", 503, errors.AwsFailed, "HTTP 503"),
    ("503", "Service Unavailable", 503, errors.AwsFailed, "HTTP 503"),
    ("", "", 0, errors.AwsFailed, "HTTP 0"),
    ("Odd\x1b[31mCode", "whatever op://V/I/F", 418, errors.AwsUnknown, "AWS STS refused with Odd31mCode"),
    ("", "", 404, errors.AwsUnknown, "AWS STS refused with HTTP 404"),
]


def _response(code: str, text: str, status: int, aws_at: datetime | None = None) -> dict[str, Any]:
    headers = {"date": format_datetime(aws_at, usegmt=True)} if aws_at else {}
    return {
        "Error": {"Code": code, "Message": text},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers},
    }


@pytest.mark.parametrize(("code", "text", "status", "leaf", "told"), REFUSALS)
def test_every_refusal_of_sts_becomes_its_error(
    code: str, text: str, status: int, leaf: type[MayflyError], told: str
) -> None:
    """Each code and text of STS is one error, which names what is at fault and says what to do."""
    response = _response(code, text, status, NOW + timedelta(minutes=20))

    error = from_sts(response, PARAMETERS, "eu-south-1", NOW)

    assert leaf is type(error)
    assert told in error.message
    assert "op://" not in error.sentence()
    assert "\x1b" not in error.sentence()


PASSES = {errors.AwsThrottled, errors.AwsFailed, errors.AwsUnreachable, errors.SessionEnded}


@pytest.mark.parametrize("leaf", leaves(errors.AwsError))
def test_what_aws_refuses_needs_no_finger(leaf: type[MayflyError]) -> None:
    """A refusal of AWS is 503 and tried again where time may help, otherwise 400; no prompt helps with either."""
    expected = (503, True, False) if leaf in PASSES else (400, False, False)

    assert expected == (leaf.http_status, leaf.retryable, leaf.needs_human)


@pytest.mark.parametrize("number", [number for number, row in enumerate(REFUSALS) if row[3] is not errors.AwsUnknown])
def test_every_known_refusal_has_a_next_step(number: int) -> None:
    """Whoever reads the error reads what to do, too."""
    code, text, status, _, _ = REFUSALS[number]

    assert from_sts(_response(code, text, status), PARAMETERS, "eu-south-1", NOW).hint


def test_a_region_that_may_be_off_is_named() -> None:
    """InvalidClientTokenId has three causes: the hint has them all, and the region."""
    error = from_sts(_response("InvalidClientTokenId", "", 403), {}, "eu-south-1", NOW)

    assert "deleted or inactive" in error.hint
    assert "a moment ago" in error.hint
    assert "the region eu-south-1 may not be enabled" in error.hint


@pytest.mark.parametrize(
    ("aws_at", "told"),
    [
        (NOW - timedelta(hours=1), "3600 s ahead of"),
        (NOW + timedelta(hours=1), "3600 s behind"),
        (None, "more than 15 minutes ahead of or behind"),
    ],
)
def test_a_wrong_clock_is_told_in_seconds(aws_at: datetime | None, told: str) -> None:
    """How far the clock is off comes from STS's own `Date`."""
    response = _response("SignatureDoesNotMatch", "Signature expired: …", 403, aws_at)

    assert f"this machine's clock is {told} AWS's" == from_sts(response, {}, "us-east-1", NOW).message


@pytest.mark.parametrize(
    ("aws_at", "told"),
    [
        (NOW + timedelta(seconds=200), ", and this machine's clock is 200 s behind AWS's"),
        (NOW - timedelta(seconds=31), ", and this machine's clock is 31 s ahead of AWS's"),
        (NOW + timedelta(seconds=30), ""),
        (None, ""),
    ],
)
def test_a_refused_code_says_how_far_the_clock_is_off(aws_at: datetime | None, told: str) -> None:
    """A clock that is a code's life off makes every code wrong: then the clock is to be set, not the item mended."""
    response = _response("AccessDenied", f"{MFA} with invalid MFA one time pass code.", 403, aws_at)

    error = from_sts(response, PARAMETERS, "us-east-1", NOW)
    assert (errors.MfaCodeRefused, f"AWS does not take the MFA code{told}") == (type(error), error.message)
    assert ("set this machine's clock" == error.hint) is bool(told)


@pytest.mark.parametrize("response", [{}, {"Error": {}}, {"Error": {"Code": None}, "ResponseMetadata": {}}])
def test_an_answer_without_words_is_a_failure(response: dict[str, Any]) -> None:
    """What botocore could not parse counts as no answer."""
    assert isinstance(from_sts(response, {}, "us-east-1", NOW), errors.AwsFailed)
