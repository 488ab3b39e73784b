"""The daemon's status as a page for people. Pure: a status in, lines out; the daemon's clock counts, not ours."""

from __future__ import annotations

from datetime import datetime

from mayfly.cli import terminal
from mayfly.cli.durations import format_duration, format_time
from mayfly.cli.status.blocks import Blocks
from mayfly.cli.status.phrases import instant
from mayfly.cli.terminal import Terminal
from mayfly.shared.text import printable


TYPE_CHECKING = False  # typing costs `mayfly status` some ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


def page(
    status: Mapping[str, Any],
    to: Terminal,
    *,
    now: datetime | None = None,
    breaks_words: bool = False,
) -> list[str]:
    """The profiles with their errors and hints, notes, refusals, and the daemon itself.

    `now` is by the daemon's clock; by default the page is as of the status. With `breaks_words` no line is longer than
    the terminal is wide.
    """
    status = _printable(status)
    now = now or instant(status["observed_at"])
    rows = [{**row, "observed_at": status["observed_at"]} for row in status["profiles"]]
    blocks = Blocks(rows, status.get("last_fetches", ()), now, to, breaks_words=breaks_words)
    others = (
        (_notes(status), terminal.YELLOW),
        (_grants(status), ""),
        (_refusals(status), ""),
        (_daemon(status, now), terminal.DIM),
    )
    folded = [
        [line for text in texts for line in _folded(text, to, style, breaks_words=breaks_words)]
        for texts, style in others
    ]
    return [line for section in (blocks.lines(), *folded) if section for line in ("", *section)][1:]


def _notes(status: Mapping[str, Any]) -> Iterator[str]:
    skew = next((row["skew_seconds"] for row in status["profiles"] if row["skew_seconds"]), 0)
    if skew:
        yield f"note: this machine's clock is {format_duration(abs(skew))} {'behind' if skew > 0 else 'ahead of'} AWS's"
    yield from (f"note: {note}" for note in (*status["notes"], *status.get("detours", ())))


def _grants(status: Mapping[str, Any]) -> Iterator[str]:
    # Daemons of earlier versions have none.
    if count := status.get("grants", 0):
        yield f"grants: {count} (mayfly grants)"


def _refusals(status: Mapping[str, Any]) -> Iterator[str]:
    counts = status.get("refusals", {})
    if counts:
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        yield "refused: " + ", ".join(f"{times} by {cause}" for cause, times in ordered)


def _daemon(status: Mapping[str, Any], now: datetime) -> Iterator[str]:
    started_at = instant(status["started_at"])
    since = format_time(started_at.astimezone(), now.astimezone())
    up = format_duration((now - started_at).total_seconds())
    service = f" (by {status['service']})" if status.get("service") else ""
    yield f"mayfly {status['version']}{service}, http://{status['address']}, since {since} ({up}), pid {status['pid']}"
    yield f"config {status['config']}"


def _folded(text: str, to: Terminal, style: str, *, breaks_words: bool) -> Iterator[str]:
    """A text in lines, of which all but the first are indented. A path stays on the line of its name."""
    is_path = text.startswith("config ") and not breaks_words
    room = to.columns - 2 if to.columns and not is_path else None
    first, *more = terminal.wrapped(to.shown(text), room, breaks_words=breaks_words)
    yield to.styled(first, style)
    yield from (f"  {to.styled(line, style)}" for line in more)


def _printable(value: Any) -> Any:
    """The same tree, with texts that cannot steer the terminal: a daemon repeats what programs call themselves."""
    if isinstance(value, dict):
        return {printable(key): _printable(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(below) for below in value]
    return printable(value) if isinstance(value, str) else value
