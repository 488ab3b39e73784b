"""Counting what may come in floods: a flood of events is to be no flood of lines."""

from __future__ import annotations

from collections import Counter


class LogCounter:
    """How often each cause has come."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def note(self, cause: str = "") -> int:
        """Count one more. How many that makes, where it is to be told: the 1st, the 10th, the 100th …; else 0."""
        self.counts[cause] += 1
        times = self.counts[cause]
        return times if str(times).strip("0") == "1" else 0
