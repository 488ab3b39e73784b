"""The log: one line an event, listed fields alone, and never a secret."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile

from collections.abc import Iterator
from contextlib import contextmanager
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


class LogFile:
    """A log in a file, and its lines as soon as it is closed."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def opened(self) -> Iterator[Any]:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
            with log.opened(file) as logger:
                yield logger
            file.seek(0)
            self.lines = file.read().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture(name="file")
def _file() -> LogFile:
    return LogFile()


def test_a_line_that_cannot_be_written_is_lost_and_nothing_else() -> None:
    """The other end of a pipe is closed: who logs hears nothing of it."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream, log.opened(stream) as logger:
        logger.info("daemon.stopped")


def test_an_event_is_one_line_of_json(file: LogFile) -> None:
    """What happened, when in UTC, how bad, and the facts; line breaks in a fact break no line."""
    with file.opened() as logger:
        logger.info("credentials.handed_out", profile="nsrc", pid=371946, program="two\nlines", agent=None)
    (told,) = file.events

    assert told.pop("timestamp").endswith("Z")
    assert {
        "event": "credentials.handed_out",
        "level": "info",
        "profile": "nsrc",
        "pid": 371946,
        "program": "two\nlines",
        "agent": None,
    } == told


def test_debugging_is_not_logged(file: LogFile) -> None:
    """The log is for what happened."""
    with file.opened() as logger:
        logger.debug("daemon.stopped")

    assert [] == file.lines


CONSOLE = """
import sys
from mayfly.daemon import log
with log.opened(sys.stderr) as logger:
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
    text, file = f"{before}{secret}{after}", LogFile()
    with file.opened() as logger:
        logger.info("credentials.handed_out", profile=text, pid=text, program=text, agent={"a": [text, {text: 1}]})
        logger.warning("session.refresh_failed", reason=ValueError(text), code=repr(text), in_use=text.encode())
        logger.warning(text, reason=text)
        logger.error("request.failed", exc_info=RuntimeError(text))
        logging.getLogger("library").warning("it said %s", text)

    # What JSON and repr escape cannot be looked for as it stands.
    assert secret not in "".join(file.lines)
    assert secret not in "".join(map(str, file.events))
    assert 5 == len(file.lines)


def test_what_is_printed_is_no_secret_either(file: LogFile) -> None:
    """A warning of Python's, or a traceback that nobody has caught, goes to the same file."""
    before = sys.stderr
    with file.opened():
        print("mayfly: warning: the code is 371946", file=sys.stderr)
        print("no end", end="", file=sys.stderr)

    assert ["mayfly: warning: the code is [redacted]", "no end"] == file.lines
    assert before is sys.stderr


def test_what_libraries_warn_of_comes_along(file: LogFile) -> None:
    """One event for a warning, redacted like any other; chatter below stays out."""
    with file.opened():
        logging.getLogger("aiohttp.server").warning("bad %s", "AKIAIOSFODNN7EXAMPLE")
        logging.getLogger("aiohttp.server").info("chatter")

    (event,) = file.events
    assert ("library.warned", "aiohttp.server", "bad AKIA…MPLE", "warning") == (
        event["event"],
        event["library"],
        event["text"],
        event["level"],
    )


def test_a_librarys_slip_fails_nobodys_request(file: LogFile) -> None:
    """A warning whose arguments do not fit its words is logged as it is."""
    with file.opened():
        logging.getLogger("library").warning("%d apples", "many")

    assert ["%d apples (TypeError in its arguments)"] == [event["text"] for event in file.events]


async def test_a_loops_own_complaint_comes_along(file: LogFile) -> None:
    """What asyncio finds wrong is an event too, with its traceback redacted away or in words."""
    with file.opened():
        asyncio.get_running_loop().call_exception_handler({"message": "task was lost, code 371946"})

    assert ["task was lost, code [redacted]"] == [event["text"] for event in file.events]


async def test_what_asyncio_says_of_every_connection_is_said_seldom(file: LogFile) -> None:
    """Without descriptors it complains a thousand times a second: the log has the first, the tenth, the hundredth."""
    with file.opened():
        for _ in range(500):
            asyncio.get_running_loop().call_exception_handler({"message": "socket.accept() out of system resource"})
            logging.getLogger("library").warning("something else")

    texts = [event["text"] for event in file.events]
    assert (3, 500) == (sum("socket.accept()" in text for text in texts), texts.count("something else"))


RICH = """
import sys
from mayfly.daemon import log
with log.opened(sys.stderr) as logger:
    logger.info("daemon.stopped")
assert "structlog" in sys.modules
assert "rich" not in sys.modules, "imported, or still blocked"
import rich
print(rich.MARK)
"""


RICH_BEFORE = """
import rich, sys
from mayfly.daemon import log
with log.opened(sys.stderr) as logger:
    logger.info("daemon.stopped")
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
