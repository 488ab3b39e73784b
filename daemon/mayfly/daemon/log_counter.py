"""Thins out log lines: of events that come in floods, a few are logged."""

from __future__ import annotations

from collections import Counter


class LogCounter:
    """The number of events by cause."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, cause: str = "") -> int:
        """Count one more event. Returns the number so far if it should be logged (the 1st, 10th, 100th …), else 0."""
        self.counts[cause] += 1
        number = self.counts[cause]
        return number if str(number).strip("0") == "1" else 0
