"""The daemon's log.

Events with facts, JSON unless stderr is a terminal, and a last line of defence against secrets in it.
"""

from __future__ import annotations

import logging
import re
import sys

from collections.abc import MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any, TextIO, cast
from urllib.parse import unquote

from mayfly.daemon.log_counter import LogCounter


# structlog imports rich wherever it is installed, 4 MiB and 160 ms, to print tracebacks that we do not print. An entry
# of None makes Python say that it is not there.
_without_rich = "rich" not in sys.modules
if _without_rich:
    sys.modules["rich"] = None  # type: ignore[assignment] # what the import system itself puts there for a blocked name
import structlog  # noqa: E402 - after the above


if _without_rich:
    del sys.modules["rich"]

_REDACTED = "[redacted]"

# A secret may stand behind an escape, where repr() or JSON has written a line break.
_ESCAPE = r"(?<=\\[nrt])"


def _run(letters: str, count: str) -> str:
    """A pattern for a run of so many `letters`; one without a capital is a path, a digest or a plain word.

    (Of random base64 less than one in 10^9 has none.)
    """
    beginning = rf"(?:(?<![{letters}])|{_ESCAPE})"
    # What is looked through for the capital is the run alone: or a long line would be looked through for each of its
    # words.
    smalls = letters.replace("A-Z", "")
    return rf"{beginning}(?=[{smalls}]*[A-Z])[{letters}]{{{count}}}(?![{letters}])"


_SECRETS = re.compile(
    "|".join(
        (
            r"ops_[A-Za-z0-9_=-]+",  # a service account's token
            _run("A-Za-z0-9/+=%_-", "100,"),  # a session token, percent-encoded or not
            _run("A-Za-z0-9/+", "40"),  # a secret access key
            _run("A-Za-z0-9_-", "43"),  # an endpoint token
            # A one-time password; not a process's id, a port, a duration, or the fraction of a second.
            rf"(?:(?<![A-Za-z0-9])|{_ESCAPE})(?<!pid )(?<!uid )(?<!port )(?<![0-9]\.)[0-9]{{6}}"
            r"(?![A-Za-z0-9]|\.[0-9]| s\b| seconds\b)",
        )
    )
)
# Longer runs, at whose end there may be a secret: as where a word or a path stands right before it.
_GLUED = ((40, re.compile(r"[A-Za-z0-9/+]{41,}")), (43, re.compile(r"[A-Za-z0-9_-]{44,}")))
_KEY_ID = re.compile(rf"(?:(?<![A-Za-z0-9])|{_ESCAPE})(AKIA|ASIA)[A-Z0-9]{{12}}([A-Z0-9]{{4}})(?![A-Za-z0-9])")
_JSON_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")
DECODINGS = 3
CAPITALS, SMALLS = 5, 3
# Six digits under another name may be a one-time password.
_NO_CODES = re.compile(r"^(?:pid|uid|gid|port|inode|times|number)$|_(?:pid|seconds|bytes|count)$")
_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

Event = MutableMapping[str, Any]


def redact(_logger: object, _method: str, event: Event) -> Event:
    """A structlog processor: every text in the event without what looks like a secret.

    Of key ids the last four remain.
    """
    for name, value in event.items():
        event[name] = _redacted(value, name)
    return event


def _redacted(value: Any, name: str) -> Any:
    if isinstance(value, str):
        # Nothing that a client sent may steer the terminal of whoever reads the log.
        return _STEERING.sub("\N{REPLACEMENT CHARACTER}", _without_secrets(_telling(value)))
    if isinstance(value, dict):
        return {_redacted(str(key), ""): _redacted(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(inner, name) for inner in value]
    if isinstance(value, bool | float | None):
        return value
    if isinstance(value, int):
        return _REDACTED if len(str(abs(value))) == 6 and not _NO_CODES.search(name) else value
    return _redacted(str(value), name)


def _without_secrets(text: str) -> str:
    text = _SECRETS.sub(_REDACTED, text)
    for count, longer in _GLUED:
        text = longer.sub(partial(_without_end, count=count), text)
    return _KEY_ID.sub(r"\1…\2", text)


def _without_end(run: re.Match[str], *, count: int) -> str:
    """A run without its last `count` letters, if these look like a secret, and not like a path or a constant's name.

    (Of random base64 one in 10^4 has fewer capitals or small letters.)
    """
    end = run[0][-count:]
    is_secret = sum(map(str.isupper, end)) >= CAPITALS and sum(map(str.islower, end)) >= SMALLS
    return run[0][:-count] + _REDACTED if is_secret else run[0]


def _telling(text: str) -> str:
    """The text as it is; or decoded, where only then it shows that there is a secret in it."""
    plain = text
    for _ in range(DECODINGS):
        before, plain = plain, _decoded(plain)
        if plain == before:
            break
        if _without_secrets(plain) != plain:
            text = plain
    return text


def _decoded(text: str) -> str:
    """Without what percent-encoding, JSON and repr put before or in the place of a letter."""
    text = _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "\\" in text else text
    return unquote(text.replace("\\/", "/")) if "%" in text or "\\" in text else text


class _Lossy:
    """A stream that may be full, or gone (a terminal that is closed): a line is lost then, and nobody's request."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def open_log(stream: TextIO = sys.stderr) -> Any:
    """The daemon's logger, bound to `stream`; what libraries log as warnings comes along."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
        if stream.isatty()
        else structlog.processors.JSONRenderer()
    )
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    chain = [structlog.processors.add_log_level, stamp, structlog.processors.format_exc_info, redact, renderer]
    logger = structlog.wrap_logger(
        structlog.WriteLogger(cast(TextIO, _Lossy(stream))),
        processors=chain,
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    logging.basicConfig(handlers=[_Bridge(logger)], level=logging.WARNING, force=True)
    return logger


_FLOOD = "socket.accept() out of system resource"


class _Bridge(logging.Handler):
    """Hands the libraries' own warnings to the same log, so that they pass the same redaction."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger
        self._floods = LogCounter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Of what asyncio says for every connection that it cannot accept: a line now and then."""
        return not str(record.msg).startswith(_FLOOD) or self._floods.count() > 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError) as reason:
            # The library's own slip: its arguments do not fit its words. Nobody's request fails for that.
            text = f"{record.msg} ({type(reason).__name__} in its arguments)"
        self._logger.warning("library.warned", library=record.name, text=text)
