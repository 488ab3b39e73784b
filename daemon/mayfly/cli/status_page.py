"""The daemon's status as a page for people. Pure: a status in, lines out; the daemon's clock counts, not ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from mayfly.cli.durations import format_duration, format_time
from mayfly.shared.text import printable


Row: TypeAlias = Mapping[str, Any]

HEADINGS = ("PROFILE", "PHASE", "EXPIRES IN", "USED", "NEXT")
LAST_FEW = 5
COLOURS = {"fresh": "32", "due": "33", "expired": "31", "empty": "2", "waiting": "36"}


def page(status: Mapping[str, Any], *, is_coloured: bool = False) -> list[str]:
    """The table of profiles, the errors and their hints, notes, the last fetches, refusals, and the daemon."""
    status = _printable(status)
    now = _instant(status["observed_at"])
    table = _aligned([HEADINGS, *(_cells(row, now) for row in status["profiles"])])
    phases = ["", *(_phase(row) for row in status["profiles"])]
    coloured = [_coloured(line, phase) if is_coloured else line for line, phase in zip(table, phases, strict=True)]
    return [
        *coloured,
        *_section(_errors(status["profiles"], now)),
        *_section(_notes(status)),
        *_section(_fetches(status, now)),
        *_section(_refusals(status)),
        "",
        *_daemon(status, now),
    ]


def _cells(row: Row, now: datetime) -> tuple[str, ...]:
    has_life = row["expiration"] is not None and row["expires_in_seconds"] > 0
    return (
        row["profile"],
        _phase(row),
        format_duration(row["expires_in_seconds"]) if has_life else "-",
        _ago(row["last_fetched_at"], now),
        "see below" if row["last_error"] and not row["in_flight"] else row["next_step"],
    )


def _phase(row: Row) -> str:
    """The phase; `waiting` if there are no credentials and an exchange is in flight."""
    return "waiting" if row["in_flight"] and row["phase"] in {"empty", "expired"} else row["phase"]


def _errors(rows: Sequence[Row], now: datetime) -> Iterator[str]:
    for row in rows:
        error = row["last_error"]
        if error:
            yield f"{row['profile']}: {error['message']} ({error['code']})"
            if error["hint"]:
                yield f"  hint: {error['hint']}"
            if row["next_step"].startswith("tried again by itself"):
                yield f"  {row['next_step']}"
            retry_at = row["retry_not_before_at"]
            if retry_at and _instant(retry_at) > now:
                seconds = (_instant(retry_at) - now).total_seconds()
                yield f"  clients get this answer for another {format_duration(seconds)}"


def _notes(status: Mapping[str, Any]) -> Iterator[str]:
    skew = next((row["skew_seconds"] for row in status["profiles"] if row["skew_seconds"]), 0)
    if skew:
        yield f"note: this machine's clock is {format_duration(abs(skew))} {'behind' if skew > 0 else 'ahead of'} AWS's"
    yield from (f"note: {note}" for note in (*status["notes"], *status.get("detours", ())))


def _fetches(status: Mapping[str, Any], now: datetime) -> Iterator[str]:
    last = sorted(status.get("last_fetches", ()), key=lambda fetch: str(fetch["at"]), reverse=True)[:LAST_FEW]
    if last:
        cells = [(fetch["profile"], _client(fetch), _ago(fetch["at"], now)) for fetch in last]
        yield from _aligned([("LAST GIVEN", "TO", "WHEN"), *cells])


def _client(fetch: Row) -> str:
    """The program by its name and agent, or by its agent alone if its process was gone."""
    if fetch["pid"] is None:
        return f"a program that was gone ({fetch['agent']})"
    return f"{fetch['program'] or '?'} (pid {fetch['pid']}, {fetch['agent']})"


def _refusals(status: Mapping[str, Any]) -> Iterator[str]:
    counts = status.get("refusals", {})
    if counts:
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        yield "refused: " + ", ".join(f"{times} by {cause}" for cause, times in ordered)


def _printable(value: Any) -> Any:
    """The same tree, with texts that cannot steer the terminal: a daemon repeats what programs call themselves."""
    if isinstance(value, dict):
        return {printable(key): _printable(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(below) for below in value]
    return printable(value) if isinstance(value, str) else value


def _daemon(status: Mapping[str, Any], now: datetime) -> Iterator[str]:
    started_at = _instant(status["started_at"])
    since = format_time(started_at.astimezone(), now.astimezone())
    up = format_duration((now - started_at).total_seconds())
    who = f"mayfly {status['version']}{_service(status)}"
    yield f"{who}, http://{status['address']}, since {since} ({up}), pid {status['pid']}"
    yield f"config {status['config']}"


def _service(status: Mapping[str, Any]) -> str:
    return f" (by {status['service']})" if status.get("service") else ""


def _section(lines: Iterator[str]) -> list[str]:
    found = list(lines)
    return ["", *found] if found else []


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _coloured(line: str, phase: str) -> str:
    """The heading is dim; a phase has its colour."""
    if not phase:
        return f"\x1b[2m{line}\x1b[0m"
    return line.replace(f"  {phase}", f"  \x1b[{COLOURS.get(phase, '0')}m{phase}\x1b[0m", 1)


def _ago(at: str | None, now: datetime) -> str:
    return f"{format_duration((now - _instant(at)).total_seconds())} ago" if at else "never"


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
