"""The log: one line an event, listed fields alone, and never a secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import subprocess
import sys

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.daemon import log
from support.secret_texts import AROUND, SECRETS


@pytest.fixture(autouse=True)
def _libraries() -> Iterator[None]:
    """The root logger is as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


def logged(event: str, **facts: Any) -> dict[str, Any]:
    """One event with these facts, as it stands in the log."""
    stream = io.StringIO()
    log.open_log(stream).info(event, **facts)
    (line,) = stream.getvalue().splitlines()
    return dict(json.loads(line))


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    """A stream that has been closed, and one whose other end has: who logs hears nothing of it."""
    stream = io.StringIO()
    logger = log.open_log(stream)
    stream.close()
    logger.info("daemon.stopped")

    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as raw:
        log.open_log(io.TextIOWrapper(raw, write_through=True)).info("daemon.stopped")


def test_an_event_is_one_line_of_json() -> None:
    """What happened, when in UTC, how bad, and the facts; line breaks in a fact break no line."""
    told = logged("credentials.handed_out", profile="nsrc", pid=371946, program="two\nlines", agent=None)

    assert told.pop("timestamp").endswith("Z")
    assert {
        "event": "credentials.handed_out",
        "level": "info",
        "profile": "nsrc",
        "pid": 371946,
        "program": "two\nlines",
        "agent": None,
    } == told


def test_debugging_is_not_logged() -> None:
    """The log is for what happened."""
    stream = io.StringIO()
    log.open_log(stream).debug("daemon.stopped")

    assert "" == stream.getvalue()


CONSOLE = """
import sys
from mayfly.daemon import log
logger = log.open_log()
logger.info("daemon.started", address="127.0.0.1:9170", version="curl\\x1b]0;evil\\x07")
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


@given(secret=SECRETS, before=st.sampled_from((*AROUND, "the code is ")), after=st.sampled_from(AROUND))
def test_no_secret_is_in_the_log_wherever_it_stands(secret: str, before: str, after: str) -> None:
    """In a text, an exception, a number's place, a library's warning or the event's own name: it is not there."""
    text = f"{before}{secret}{after}"
    stream = io.StringIO()
    logger = log.open_log(stream)
    logger.info("credentials.handed_out", profile=text, pid=text, program=text, agent={"a": [text, {text: 1}]})
    logger.warning("session.refresh_failed", reason=ValueError(text), code=repr(text), in_use=text.encode())
    logger.warning(text, reason=text)
    logger.error("request.failed", exc_info=RuntimeError(text))
    logging.getLogger("library").warning("it said %s", text)

    shown = stream.getvalue()
    # What JSON and repr escape cannot be looked for as it stands.
    assert secret not in shown
    assert secret not in "".join(str(json.loads(line)) for line in shown.splitlines())
    assert 5 == len(shown.splitlines())


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
log.open_log().info("daemon.stopped")
assert "structlog" in sys.modules
assert "rich" not in sys.modules, "imported, or still blocked"
import rich
print(rich.MARK)
"""


RICH_BEFORE = """
import rich, sys
from mayfly.daemon import log
log.open_log().info("daemon.stopped")
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
