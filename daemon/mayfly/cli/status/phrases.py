"""The texts about one profile on the page of `mayfly status`. Pure: rows of the daemon's status in, texts out.

A daemon of an earlier version tells less: it has no `source`, `issued_at`, `renewal_at`, `renewal_takes` and `stage`.
"""

from __future__ import annotations

from datetime import datetime

from mayfly.cli.durations import format_duration, format_time


TYPE_CHECKING = False  # typing costs `mayfly status` some ms
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Row = Mapping[str, Any]


# The programs that are named for each profile.
LAST_FEW = 3
# The daemon notes a program's hand-outs once a minute.
NOTED_EVERY_SECONDS = 60
# A time that is near is told to the second.
NEAR_SECONDS = 10 * 60

TAKES = {"touch": ", with a touch", "nothing": ", without a touch"}


def instant(text: str) -> datetime:
    """An instant of the daemon's status."""
    return datetime.fromisoformat(text)


def left_seconds(row: Row, now: datetime) -> float:
    """Seconds from `now` until the credentials expire, 0 if there are none."""
    if row["expiration"] is None:
        return 0
    since = (now - instant(row["observed_at"])).total_seconds()
    return max(0.0, float(row["expires_in_seconds"]) - since)


def word(row: Row) -> str:
    """The phase in one word. Without credentials it is `waiting` for an exchange, or `failed`."""
    has_credentials = row["phase"] not in {"empty", "expired"}
    if row["in_flight"]:
        return "renewing" if has_credentials else "waiting"
    return "failed" if row["last_error"] and not has_credentials else row["phase"]


def next_event(row: Row, now: datetime) -> str:
    """What happens next, when, and what it takes of the user; "" if the hint of an error says it."""
    error, step, takes = row["last_error"], row["next_step"], TAKES.get(row.get("renewal_takes", ""), "")
    if row["in_flight"]:
        return _stage(row, now) or str(step)
    if row.get("renewal_at"):
        return f"{'tried again' if error else 'renewed'} at {clock_time(row['renewal_at'], now)}{takes}"
    if error:
        return "" if error["hint"] and not step.startswith("tried again") else str(step)
    if row["phase"] == "fresh" and takes:
        return f"renewed when a client asks after {clock_time(row['due_at'], now)}{takes}"
    if step.startswith("a client's first request"):
        return f"got when a client asks, or by 'mayfly login {row['profile']}'{takes}"
    return f"{step}{takes}" if step.startswith("renewed") else str(step)


def _stage(row: Row, now: datetime) -> str:
    """What the profile waits for, in the words of `mayfly login`; "" if the daemon does not tell."""
    if not row.get("stage"):
        return ""
    from mayfly.cli import stage_words  # attrs comes along, and most pages have nothing of it

    seen = stage_words.seen_of(row["stage"], instant(row["observed_at"]).timestamp())
    return stage_words.alone(seen, now.timestamp()) + stage_words.elapsed(seen, now.timestamp())


def usage(row: Row, roles: Sequence[str], fetches: Sequence[Row], now: datetime, *, is_short: bool = False) -> str:
    """When the profile was used last, and by whom: `roles` that come from it, or programs (`fetches`, newest first)."""
    if not row["last_fetched_at"]:
        return "not used yet" if row["expiration"] else ""
    used_at = instant(row["last_fetched_at"])
    # A client without credentials has asked for them, and has not used them.
    told = f"{'used' if row['expiration'] else 'asked for'} {_ago(used_at, now)}"
    latest = [fetch for fetch in fetches if (used_at - instant(fetch["at"])).total_seconds() <= NOTED_EVERY_SECONDS]
    if latest:
        told += f" by {', '.join(_client(fetch, is_short=is_short) for fetch in latest)}"
    elif roles:
        told += f", for {', '.join(roles)}"
    before = [
        f"{_ago(instant(fetch['at']), now)} by {_client(fetch, is_short=is_short)}" for fetch in fetches[len(latest) :]
    ]
    return "; ".join([told, *before])


def last_few(profile: str, fetches: Sequence[Row]) -> list[Row]:
    """The programs that were given this profile last, each with its last process, the newest first."""
    ordered = sorted((fetch for fetch in fetches if fetch["profile"] == profile), key=_at)
    latest = {fetch["program"] or fetch["agent"]: fetch for fetch in ordered}
    return sorted(latest.values(), key=_at, reverse=True)[:LAST_FEW]


def _at(fetch: Row) -> str:
    return str(fetch["at"])


def cool_off(row: Row, now: datetime) -> str:
    """How long clients get the last error, if they get nothing else and the next event does not say it; else ""."""
    until = row["retry_not_before_at"]
    if until and instant(until) > now and word(row) == "failed" and until != row.get("renewal_at"):
        return f"clients get this answer until {clock_time(until, now)}"
    return ""


def clock_time(at: str, now: datetime) -> str:
    """`20:53` in local time; with its day if it is another one, with its seconds if it is near."""
    local_at, local_now = instant(at).astimezone(), now.astimezone()
    is_near = abs((local_at - local_now).total_seconds()) < NEAR_SECONDS
    return local_at.strftime("%H:%M:%S") if is_near else format_time(local_at, local_now)


def _client(fetch: Row, *, is_short: bool = False) -> str:
    """The program by its name and user agent, or by the latter alone if its process was gone."""
    if fetch["pid"] is None:
        return f"a program that was gone ({fetch['agent']})"
    agent = "" if is_short else f", {fetch['agent']}"
    acting = f", for {fetch['acting_agent']}" if fetch.get("acting_agent") else ""
    return f"{fetch['program'] or '?'} (pid {fetch['pid']}{agent}{acting})"


def _ago(at: datetime, now: datetime) -> str:
    return f"{format_duration((now - at).total_seconds())} ago"
