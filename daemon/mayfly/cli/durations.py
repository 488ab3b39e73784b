"""Durations and times of day as people say them. Pure: `now` is an argument."""

from __future__ import annotations

import re

from datetime import datetime


_UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile("".join(f"(?:([0-9]{{1,6}}){unit})?" for unit in _UNITS))


def seconds_in(text: str) -> int:
    """The seconds in `900s`, `30m`, `8h`, `1h30m`; raises ValueError for any other text."""
    found = _DURATION.fullmatch(text)
    seconds = (
        sum(int(count or 0) * size for count, size in zip(found.groups(), _UNITS.values(), strict=True)) if found else 0
    )
    if not seconds:
        raise ValueError(f"{text!r} is no duration: expected one like 30m, 8h or 1h30m")
    return seconds


def format_duration(seconds: float) -> str:
    """`7h 59m`, `12m 5s`, `3d 4h`, `0s`: the two largest units."""
    left = max(0, round(seconds))
    units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]
    first = next((place for place, (_, size) in enumerate(units) if left >= size), len(units) - 1)
    parts: list[str] = []
    for name, size in units[first : first + 2]:
        count, left = divmod(left, size)
        parts += [f"{count}{name}"] if count or not parts else []
    return " ".join(parts)


def format_time(at: datetime, now: datetime) -> str:
    """`20:53` in the time zone of `now`; with its date if that is not the date of `now`."""
    local = at.astimezone(now.tzinfo)
    return local.strftime("%H:%M" if local.date() == now.date() else "%a %d %b, %H:%M")
