"""Free text in the log: readable facts, and never a secret."""

from __future__ import annotations

import hashlib
import json
import time

from urllib.parse import quote, unquote

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.daemon.redaction import redacted, shortened
from support.secret_texts import AROUND, DIGITS, SECRETS, UPPER


@given(secret=SECRETS, before=st.sampled_from((*AROUND, "the code is ")), after=st.sampled_from(AROUND))
def test_no_secret_is_left_wherever_it_stands(secret: str, before: str, after: str) -> None:
    """Between any two separators, and in what repr and JSON make of it."""
    text = f"{before}{secret}{after}"
    forms = (text, repr(text), repr(repr(text)), str({"a": [text, (text, {text: 1})]}), str(text.encode()), str({text}))
    shown = "".join(map(redacted, forms))

    assert secret not in shown


KEY, TOKEN = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "Zk3-_vB1nQ9xYpLw7TgRsA2cDfEhJmKuVoXqWzI0b4t"


@pytest.mark.parametrize(
    "text",
    [
        "key=" + quote(KEY, safe=""),
        "twice " + quote(quote(KEY, safe=""), safe=""),
        KEY.replace("/", "\\/"),
        KEY.replace("/", "\\u002f").replace("+", "\\u002B"),
        repr({"body": json.dumps({"key": KEY.replace("/", "\\/")})}),
        "x" + KEY,
        "/" + KEY,
        "https://sts.amazonaws.com/" + KEY,
        "secret" + KEY,
        "/credentials/" + TOKEN,
        "token_" + TOKEN,
        "Bearer" + TOKEN,
        quote("ops_" + TOKEN + "=="),
    ],
)
def test_no_disguise_helps_a_secret(text: str) -> None:
    """Encoded for a URL, escaped for JSON, or with a word right before it: it is not in the log, in no reading."""
    shown = redacted(text)
    plain = unquote(unquote(shown)).replace("\\/", "/").replace("\\u002f", "/").replace("\\u002B", "+")

    for secret in (KEY, TOKEN):
        assert secret[8:] not in plain


@pytest.mark.parametrize("text", ["a" * 100_000, "-a" * 50_000, "aA1/" * 25_000, "%41" * 30_000, "\\u0041" * 20_000])
def test_a_long_line_takes_no_long_time(text: str) -> None:
    """A long text is searched once, not once for each of its letters."""
    began = time.process_time()
    redacted(text)

    assert time.process_time() - began < 5


@given(st.text(UPPER + DIGITS, min_size=16, max_size=16), st.sampled_from(["AKIA", "ASIA"]), st.sampled_from(AROUND))
def test_of_a_key_id_the_last_four_remain(rest: str, kind: str, before: str) -> None:
    """Enough to tell two keys apart, as AWS's own pages show them."""
    shown = redacted(f"{before}{kind}{rest} is unknown")

    assert f"{kind}…{rest[-4:]} is unknown" in shown
    assert rest not in shown
    assert f"{kind}…{rest[-4:]}" == shortened(kind + rest)


@pytest.mark.parametrize(
    "fact",
    [
        "/tmp/pytest-of-root/pytest-0/popen-gw1/test_a_daemon_drains0/run/control.sock",
        "/home/carmas/projects/terraform/modules/x",  # 40 and a bit
        "/" + "a" * 39,
        "/srv/" + "deep/" * 30,
        "127.0.0.1:9170 is taken by python3 (pid 371946) of carmas (uid 100000)",
        "is 129601 seconds: must be from 900 to 129600 seconds",
        "waited 123456 s",
        "2026-05-01T09:05:03.123456Z",
        "took 0.123456 s",
        "arn:aws:iam::123456789012:mfa/carmas",
        "op://NSRC/NSRC AWS Training Account/secret_access_key",
        hashlib.sha256(b"config").hexdigest(),
        hashlib.sha1(b"commit").hexdigest(),
        "5f0c2a1e-371946aa-4e5b-9c3d-0123456789ab",
        "the profile nsrc-production-eu-central-1-read-only has no item",
        "Zürich, 東京",
        "/Users/carmas/Projects/terraform/modules/network/Main",
        "/Users/carmas/Library/Application Support/mayfly/run/control.sock",
        "the variable MAYFLY_AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is set",
        "a path with 100%25 in it, and C:\\new",
    ],
)
def test_ordinary_facts_stay_readable(fact: str) -> None:
    """Paths, pids, ports, durations, instants, ARNs, references and digests are what a log is read for."""
    assert fact == redacted(fact)


@pytest.mark.parametrize(
    "mark",
    [
        *("\x1b]52;c;bWF5Zmx5\x07", "\x9b31m", "\r", "\x00", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"),
        *("\u200e", "\u200f", "\u061c", "\u200b", "\ufeff", "\xad", "\U000e0041", "\udcff"),
    ],
    ids=ascii,
)
def test_nothing_steers_a_terminal(mark: str) -> None:
    """What is not printable (escapes, C1, line separators, bidirectional marks) is replaced; tab and newline stay."""
    shown = redacted(f"a{mark}b\tc\nd")

    assert mark[0] not in shown
    assert shown.startswith("a\N{REPLACEMENT CHARACTER}")
    assert shown.endswith("b\tc\nd")
