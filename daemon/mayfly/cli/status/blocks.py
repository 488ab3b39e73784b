"""The blocks of the page: for each profile a line with its life as a bar, and what is said of it.

If the terminal is wide, or has no width, the texts stand beside the bar; otherwise below it.
"""

from __future__ import annotations

from mayfly.cli import terminal
from mayfly.cli.durations import format_duration
from mayfly.cli.status import phrases


TYPE_CHECKING = False  # typing costs `mayfly status` some ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from mayfly.cli.status.phrases import Row
    from mayfly.cli.terminal import Terminal


COLOURS = {
    "fresh": terminal.GREEN,
    "due": terminal.YELLOW,
    "renewing": terminal.CYAN,
    "waiting": terminal.CYAN,
    "expired": terminal.RED,
    "failed": terminal.RED,
    "empty": terminal.DIM,
}
GAP = "  "
LEFT_COLUMNS = 7  # 23h 59m
WORD_COLUMNS = 8  # renewing
LEAST_BAR, USUAL_BAR, MOST_BAR = 1, 20, 40
# From this width on the texts stand beside the bar.
WIDE_COLUMNS = 120
# From this width on programs are told with their SDK.
ROOMY_COLUMNS = 160
WIDEST_COLUMNS = 200


class Layout:
    """The widths of a block's parts, in columns, by the terminal's and that of the longest name."""

    def __init__(self, to: Terminal, longest_name: int) -> None:
        self.columns = min(to.columns, WIDEST_COLUMNS) if to.columns else None
        self.is_beside = self.columns is None or self.columns >= WIDE_COLUMNS
        self.is_roomy = self.columns is None or self.columns >= ROOMY_COLUMNS
        self.name = min(longest_name, self.columns // 4) if self.columns else longest_name
        rest = (self.columns or 0) - self.name - LEFT_COLUMNS - WORD_COLUMNS - 3 * len(GAP)
        self.bar = USUAL_BAR if self.is_beside else max(LEAST_BAR, min(rest, MOST_BAR))

    @property
    def lead(self) -> int:
        """Where the texts beside the bar begin."""
        return self.name + self.bar + LEFT_COLUMNS + WORD_COLUMNS + 4 * len(GAP)

    def room_from(self, start: int) -> int | None:
        """The columns from `start` to the end of the line."""
        return self.columns - start if self.columns else None


class Blocks:
    """The blocks of the profiles `rows`, as they are `now`, for one terminal. `fetches` are the last hand-outs."""

    def __init__(
        self,
        rows: Sequence[Row],
        fetches: Sequence[Row],
        now: datetime,
        to: Terminal,
        *,
        breaks_words: bool = False,
    ) -> None:
        self._rows = rows
        self._fetches = fetches
        self._now = now
        self._to = to
        self._breaks_words = breaks_words
        self._layout = Layout(to, max((terminal.width_of(row["profile"]) for row in rows), default=0))
        self._events = {row["profile"]: phrases.next_event(row, now) for row in rows}

    def lines(self) -> list[str]:
        """All lines, in the order of the config."""
        return [line for row in self._rows for line in self._block(row)]

    def _block(self, row: Row) -> Iterator[str]:
        """A name that is longer than its column has a line of its own."""
        name = self._to.styled(row["profile"], terminal.BOLD)
        gap = self._layout.name - terminal.width_of(row["profile"])
        if gap < 0:
            yield name
            name, gap = "", self._layout.name
        first, *more = self._beside(row) if self._layout.is_beside else [""]
        yield f"{name}{' ' * gap}{GAP}{self._life(row)}{GAP}{first}".rstrip()
        yield from more
        yield from self._below(row)

    def _life(self, row: Row) -> str:
        """The phase, the time that is left, and the bar."""
        left, word = phrases.left_seconds(row, self._now), phrases.word(row)
        colour = COLOURS.get(word, "")
        text = format_duration(left) if left else "-"
        padding = " " * (WORD_COLUMNS - terminal.width_of(word))
        return GAP.join(
            (self._to.styled(word, colour) + padding, text.rjust(LEFT_COLUMNS), self._bar(row, left, colour))
        )

    def _bar(self, row: Row, left: float, colour: str) -> str:
        full, empty = ("█", "░") if self._to.has_blocks else ("#", "-")
        issued_at, size = row.get("issued_at"), self._layout.bar
        if not left or not issued_at:
            return self._to.styled((empty if issued_at or not left else " ") * size, terminal.DIM)
        lived = (self._now - phrases.instant(issued_at)).total_seconds()
        cells = max(1, min(size, round(size * left / max(left, left + lived))))
        return self._to.styled(full * cells, colour) + self._to.styled(empty * (size - cells), terminal.DIM)

    # Texts

    def _beside(self, row: Row) -> list[str]:
        """What follows the bar, and the lines below that. Events that take half the room have a column of their own."""
        event, *others = self._texts(row)
        start = self._layout.lead
        room = self._layout.room_from(start)
        widths = [terminal.width_of(text) for text in self._events.values()]
        widest = max((width for width in widths if room is None or width <= room // 2), default=0)
        if terminal.width_of(event) > widest:
            lines = self._wrapped(self._joined([event, *others]), room)
            return [lines[0], *(" " * start + line for line in lines[1:])]
        first = event + " " * (widest - terminal.width_of(event)) + GAP
        start += widest + len(GAP)
        lines = self._wrapped(self._joined(others), self._layout.room_from(start))
        return [first + lines[0], *(" " * start + line for line in lines[1:])]

    def _below(self, row: Row) -> Iterator[str]:
        """The error and, if they do not stand beside the bar, the other texts."""
        start = self._layout.name + len(GAP)
        others = () if self._layout.is_beside else ((self._joined(self._texts(row)), ""),)
        for text, style in (*self._error(row), *others):
            for line in self._wrapped(text, self._layout.room_from(start)) if text else ():
                yield " " * start + self._to.styled(line, style)

    def _error(self, row: Row) -> Iterator[tuple[str, str]]:
        """The error and its hint, with styles."""
        error = row["last_error"]
        if error:
            yield f"{error['message']} ({error['code']})", terminal.RED
            yield f"hint: {error['hint']}" if error["hint"] else "", terminal.BOLD
            yield phrases.cool_off(row, self._now), ""

    def _texts(self, row: Row) -> list[str]:
        name = row["profile"]
        roles = [other["profile"] for other in self._rows if other.get("source") == name and other["last_fetched_at"]]
        fetches = phrases.last_few(name, self._fetches)
        usage = phrases.usage(row, roles, fetches, self._now, is_short=not self._layout.is_roomy)
        return [self._events[name], *([f"from {row['source']}"] if row.get("source") else []), usage]

    def _joined(self, texts: Sequence[str]) -> str:
        return (" · " if self._to.has_blocks else " - ").join(filter(None, texts))

    def _wrapped(self, text: str, room: int | None) -> list[str]:
        return terminal.wrapped(self._to.shown(text), room, breaks_words=self._breaks_words)
