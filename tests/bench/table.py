"""The table: what, measured, reference, ratio, budget, met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


HEADS = ("what", "measured", "reference", "ratio", "budget", "met?")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line. Of the limits at most one is set; a row without any is there to be compared with.

    `decimals` are those of the measured value and its reference; without it as many as its size asks for.
    """

    what: str
    measured: float
    unit: str = "ms"
    decimals: int | None = None
    reference: float | None = None
    against: str = ""
    at_most: float | None = None
    at_least: float | None = None
    exactly: float | None = None
    ratio_at_most: float | None = None
    ratio_at_least: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.measured / self.reference if self.reference else None

    @property
    def is_met(self) -> bool | None:
        """Whether the budget is kept; None where there is none."""
        ratio = self.ratio or 0
        limits = (
            (self.at_most, self.measured <= (self.at_most or 0)),
            (self.at_least, self.measured >= (self.at_least or 0)),
            (self.exactly, self.measured == self.exactly),
            (self.ratio_at_most, ratio <= (self.ratio_at_most or 0)),
            (self.ratio_at_least, ratio >= (self.ratio_at_least or 0)),
        )
        return next((holds for limit, holds in limits if limit is not None), None)

    def cells(self) -> tuple[str, ...]:
        reference = "" if self.reference is None else f"{self._told(self.reference)} {self.against}".rstrip()
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        met = {None: "", True: "yes", False: "NO"}[self.is_met]
        return (self.what, self._told(self.measured), reference, ratio, self._budget(), met)

    def _told(self, value: float) -> str:
        number = _number(value) if self.decimals is None else f"{value:,.{self.decimals}f}"
        return f"{number} {self.unit}".rstrip()

    def _budget(self) -> str:
        texts = (
            (self.at_most, f"<= {_number(self.at_most or 0)} {self.unit}"),
            (self.at_least, f">= {_number(self.at_least or 0)} {self.unit}"),
            (self.exactly, f"{_number(self.exactly or 0)} {self.unit}"),
            (self.ratio_at_most, f"<= {self.ratio_at_most} x"),
            (self.ratio_at_least, f">= {self.ratio_at_least} x"),
        )
        return next((text.rstrip() for limit, text in texts if limit is not None), "")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2f}"


def milliseconds(seconds: Iterable[float]) -> float:
    """The median of some times, in milliseconds."""
    return median(seconds) * 1000


def rendered(rows: Sequence[Row]) -> str:
    """The table, and a last line that says how many budgets were missed."""
    lines = [HEADS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    drawn = [" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    drawn.insert(1, "-|-".join("-" * width for width in widths))
    budgets = [row.is_met for row in rows if row.is_met is not None]
    return "\n".join([*drawn, "", f"{budgets.count(False)} of {len(budgets)} budgets missed"])
