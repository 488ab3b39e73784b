"""The terminal at the other end of a stream: its width, its colours, and whether it shows characters beyond ASCII.

Laws: (1) a text that is measured or wrapped here has passed `printable`; (2) a style is the last thing that a text
gets, because its escape sequences have no width.

There are no colours with NO_COLOR (no-color.org), with TERM=dumb, and where the stream is no terminal. A stream that
is no terminal has no width either, unless COLUMNS gives it one, as watch(1) does.
"""

from __future__ import annotations

import os
import re


TYPE_CHECKING = False  # typing costs `mayfly status` some ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO


USUAL_COLUMNS = 80
USUAL_ROWS = 24

GREEN, YELLOW, RED, CYAN, DIM, BOLD = "32", "33", "31", "36", "2", "1"

# A command can be copied from one line.
_WORD = re.compile(r"'[^']*'\S*|\([^()]*\)\S*|\S+")
_BEYOND_ASCII = "█░·…"


class Terminal:
    """The other end of a stream.

    `columns` and `rows` are None where lines may have any length and number. `can_move`: escape sequences move the
    cursor. `has_blocks`: the characters █ ░ · … can be shown.
    """

    def __init__(
        self,
        *,
        columns: int | None = None,
        rows: int | None = None,
        has_colour: bool = False,
        has_blocks: bool = False,
        can_move: bool = False,
    ) -> None:
        self.columns = columns
        self.rows = rows
        self.has_colour = has_colour
        self.has_blocks = has_blocks
        self.can_move = can_move

    @classmethod
    def at(cls, stream: TextIO, environ: Mapping[str, str]) -> Terminal:
        """The other end of `stream` as it is now; a terminal's size can change at any time."""
        is_dumb = environ.get("TERM", "") == "dumb"
        has_blocks = not is_dumb and _can_encode(stream, _BEYOND_ASCII)
        if not stream.isatty():
            return cls(columns=_number(environ.get("COLUMNS")), has_blocks=has_blocks)
        columns, rows = _size(stream)
        can_move = not is_dumb and bool(environ.get("TERM"))
        return cls(
            columns=columns,
            rows=rows,
            has_colour=can_move and not environ.get("NO_COLOR"),
            has_blocks=has_blocks,
            can_move=can_move,
        )

    def styled(self, text: str, style: str) -> str:
        """`text` in a style, if there are colours."""
        return f"\x1b[{style}m{text}\x1b[0m" if self.has_colour and style and text else text

    def shown(self, text: str) -> str:
        """`text` without the two signs that older encodings lack."""
        return text if self.has_blocks else text.replace("…", "...").replace("·", "-")


def width_of(text: str) -> int:
    """The cells that a printable text takes: two for a wide letter, none for a combining one."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(0 if category(letter) in {"Mn", "Me"} else 1 + (east_asian_width(letter) in "WF") for letter in text)


def wrapped(text: str, columns: int | None, *, breaks_words: bool = False) -> list[str]:
    """The lines of a printable text in so many columns; at least one.

    Words in 'single quotes' or in parentheses stay together, if they fit. A longer word overflows, so that a path
    can be copied; with `breaks_words` it is broken.
    """
    if columns is None or width_of(text) <= columns:
        return [text]
    lines = [""]
    for word in _words(text, columns):
        for part in _parts(word, columns) if breaks_words else (word,):
            longer = f"{lines[-1]} {part}" if lines[-1] else part
            if lines[-1] and width_of(longer) > columns:
                lines.append(part)
            else:
                lines[-1] = longer
    return lines


def _words(text: str, columns: int) -> Iterator[str]:
    for word in _WORD.findall(text):
        yield from [word] if width_of(word) <= columns else word.split()


def _parts(word: str, columns: int) -> Iterator[str]:
    """The word in parts that fit."""
    part = ""
    for letter in word:
        if part and width_of(part + letter) > columns:
            yield part
            part = ""
        part += letter
    yield part


def _can_encode(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _size(stream: TextIO) -> tuple[int, int]:
    """Columns and rows. A serial line knows neither, and a pseudo-terminal has 0 of both until they are set."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    return columns or USUAL_COLUMNS, rows or USUAL_ROWS


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and 0 < int(text) < 10_000 else None
