"""The log: one line an event, readable facts, and never a secret."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
import os
import subprocess
import sys
import time

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.daemon import log


@pytest.fixture(autouse=True)
def _libraries() -> Iterator[None]:
    """The root logger is as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


def logged(**facts: Any) -> dict[str, Any]:
    """One event with these facts, as it stands in the log."""
    stream = io.StringIO()
    log.open_log(stream).info("test.happened", **facts)
    (line,) = stream.getvalue().splitlines()
    return dict(json.loads(line))


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    """A stream that has been closed, and one whose other end has: who logs hears nothing of it."""
    stream = io.StringIO()
    logger = log.open_log(stream)
    stream.close()
    logger.info("test.happened")

    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as raw:
        log.open_log(io.TextIOWrapper(raw, write_through=True)).info("test.happened")


def test_an_event_is_one_line_of_json() -> None:
    """What happened, when in UTC, how bad, and the facts; line breaks in a fact break no line."""
    event = logged(text="two\nlines", number=7, none=None, yes=True, nested={"list": [1, "x", (2, 3.5)]})

    assert event.pop("timestamp").endswith("Z")
    assert {
        "event": "test.happened",
        "level": "info",
        "text": "two\nlines",
        "number": 7,
        "none": None,
        "yes": True,
        "nested": {"list": [1, "x", [2, 3.5]]},
    } == event


def test_debugging_is_not_logged() -> None:
    """The log is for what happened."""
    stream = io.StringIO()
    log.open_log(stream).debug("test.happened")

    assert "" == stream.getvalue()


CONSOLE = """
import sys
from mayfly.daemon import log
logger = log.open_log()
logger.info("daemon.started", address="127.0.0.1:9170", agent="curl\\x1b]0;evil\\x07")
try:
    raise RuntimeError("code 371946")
except RuntimeError:
    logger.error("request.failed", exc_info=True)
"""


def test_a_terminal_gets_lines_for_people() -> None:
    """On a pty there is colour and no JSON; the traceback is plain; nothing that a client sent steers the terminal."""
    ours, theirs = os.openpty()
    with subprocess.Popen([sys.executable, "-c", CONSOLE], stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass  # so Linux says that nobody has the other end any more
        assert 0 == process.wait()
    os.close(ours)

    text = shown.decode()
    assert "daemon.started" in text
    assert "127.0.0.1:9170" in text
    assert "\x1b[" in text
    assert "{" not in text
    assert "\x1b]" not in text
    assert "RuntimeError: code [redacted]" in text


UPPER, LOWER, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"


def runs(letters: str, size: int) -> st.SearchStrategy[str]:
    """Random texts of so many `letters`, with a capital: of real secrets less than one in 10^9 has none."""
    return st.text(letters, min_size=size, max_size=size).filter(lambda text: text.lower() != text)


SECRETS = st.one_of(
    runs(UPPER + LOWER + DIGITS + "/+", 40),
    runs(UPPER + LOWER + DIGITS + "-_", 43),
    runs(UPPER + LOWER + DIGITS + "/+=", 356),
    runs(UPPER + LOWER + DIGITS + "/+=", 100),
    runs(UPPER + LOWER + DIGITS + "%", 300),
    st.text(UPPER + LOWER + DIGITS + "-_=", min_size=20, max_size=900).map("ops_{}".format),
    st.text(DIGITS, min_size=6, max_size=6),
)
AROUND = ("", " ", "'", '"', ": ", "\n", "\\n", "(", ")", ", ", "=> ", "<", ">", " is wrong ", ". ")


@given(secret=SECRETS, before=st.sampled_from((*AROUND, "the code is ")), after=st.sampled_from(AROUND))
def test_no_secret_is_in_the_log_wherever_it_stands(secret: str, before: str, after: str) -> None:
    """In a text, a table, a list, a key, bytes, a set, an exception or the event's own name: it is not there."""
    text = f"{before}{secret}{after}"
    stream = io.StringIO()
    logger = log.open_log(stream)
    logger.info("test.happened", text=text, table={"a": [text, (text, {text: 1})]}, raw=text.encode(), some={text})
    logger.warning(text, reason=ValueError(text), shown=repr(text), twice=repr(repr(text)))
    logger.error("test.failed", exc_info=RuntimeError(text))
    logging.getLogger("library").warning("it said %s", text)

    shown = stream.getvalue()
    # What JSON and repr escape cannot be looked for as it stands.
    assert secret not in shown
    assert secret not in "".join(str(json.loads(line)) for line in shown.splitlines())
    assert 4 == len(shown.splitlines())


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
    shown = logged(text=text)["text"]
    plain = unquote(unquote(shown)).replace("\\/", "/").replace("\\u002f", "/").replace("\\u002B", "+")

    for secret in (KEY, TOKEN):
        assert secret[8:] not in plain


@pytest.mark.parametrize("text", ["a" * 100_000, "-a" * 50_000, "aA1/" * 25_000, "%41" * 30_000, "\\u0041" * 20_000])
def test_a_long_line_takes_no_long_time(text: str) -> None:
    """Whatever a library says at length is looked through once, not once for each of its letters."""
    began = time.process_time()
    logged(text=text)

    assert time.process_time() - began < 5


def test_a_code_is_none_as_a_number() -> None:
    """Six digits under a name that does not say what they count are taken for a code."""
    shown = logged(otp=371946, codes=[371946], table={"code": 123456}, year=2026)

    assert ("[redacted]", ["[redacted]"], {"code": "[redacted]"}, 2026) == tuple(
        shown[name] for name in ("otp", "codes", "table", "year")
    )


@given(st.text(UPPER + DIGITS, min_size=16, max_size=16), st.sampled_from(["AKIA", "ASIA"]), st.sampled_from(AROUND))
def test_of_a_key_id_the_last_four_remain(rest: str, kind: str, before: str) -> None:
    """Enough to tell two keys apart, as AWS's own pages show them."""
    shown = logged(text=f"{before}{kind}{rest} is unknown")["text"]

    assert f"{kind}…{rest[-4:]} is unknown" in shown
    assert rest not in shown


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
    assert fact == logged(fact=fact)["fact"]


def test_numbers_stay_numbers() -> None:
    """A process's id of six digits is no code."""
    facts = {"pid": 371946, "port": 9170, "seconds": 0.5, "left_seconds": 129600, "times": 100000}

    assert facts == {name: value for name, value in logged(**facts).items() if name in facts}


def test_what_libraries_warn_of_comes_along() -> None:
    """One event for a warning, redacted like any other; chatter below stays out."""
    stream = io.StringIO()
    log.open_log(stream)
    logging.getLogger("aiohttp.server").warning("bad %s", "AKIAIOSFODNN7EXAMPLE")
    logging.getLogger("aiohttp.server").info("chatter")

    (event,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert ("library.warned", "aiohttp.server", "bad AKIA…MPLE", "warning") == (
        event["event"],
        event["library"],
        event["text"],
        event["level"],
    )


def test_a_librarys_slip_fails_nobodys_request() -> None:
    """A warning whose arguments do not fit its words is logged as it is."""
    stream = io.StringIO()
    log.open_log(stream)
    logging.getLogger("library").warning("%d apples", "many")

    assert "%d apples (TypeError in its arguments)" == json.loads(stream.getvalue())["text"]


async def test_a_loops_own_complaint_comes_along() -> None:
    """What asyncio finds wrong is an event too, with its traceback redacted away or in words."""
    stream = io.StringIO()
    log.open_log(stream)
    asyncio.get_running_loop().call_exception_handler({"message": "task was lost, code 371946"})

    assert "task was lost, code [redacted]" == json.loads(stream.getvalue())["text"]


async def test_what_asyncio_says_of_every_connection_is_said_seldom() -> None:
    """Without descriptors it complains a thousand times a second: the log has the first, the tenth, the hundredth."""
    stream = io.StringIO()
    log.open_log(stream)
    for _ in range(500):
        asyncio.get_running_loop().call_exception_handler({"message": "socket.accept() out of system resource"})
        logging.getLogger("library").warning("something else")

    texts = [json.loads(line)["text"] for line in stream.getvalue().splitlines()]
    assert (3, 500) == (sum("socket.accept()" in text for text in texts), texts.count("something else"))


RICH = """
import sys
from mayfly.daemon import log
log.open_log().info("test.happened")
assert "structlog" in sys.modules
assert "rich" not in sys.modules, "imported, or still blocked"
import rich
print(rich.MARK)
"""


RICH_BEFORE = """
import rich, sys
from mayfly.daemon import log
log.open_log().info("test.happened")
assert sys.modules["rich"] is rich
print(rich.MARK)
"""


@pytest.mark.parametrize("script", [RICH, RICH_BEFORE], ids=["not-loaded", "loaded"])
def test_structlog_does_not_import_rich(tmp_path: Path, script: str) -> None:
    """Where rich is installed it is not loaded for a log that has no use for it, and not hidden from others."""
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich/__init__.py").write_text("MARK = 'ours'")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)

    assert (0, "ours\n") == (done.returncode, done.stdout), done.stderr
