"""What a terminal can show, and texts that fit it."""

from __future__ import annotations

import io
import os

from typing import Any

import pytest

from mayfly.cli.terminal import GREEN, Terminal, width_of, wrapped


class Stream(io.TextIOWrapper):
    """A stream with an encoding, that may be a terminal."""

    def __init__(self, encoding: str, *, is_terminal: bool) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("encoding", "is_terminal", "environ", "columns", "abilities"),
    [
        ("utf-8", True, {"TERM": "xterm"}, 80, "colour blocks move"),
        ("utf-8", True, {"TERM": "xterm", "NO_COLOR": "1"}, 80, "blocks move"),
        ("utf-8", True, {"TERM": "xterm", "NO_COLOR": ""}, 80, "colour blocks move"),
        ("utf-8", True, {"TERM": "xterm", "COLUMNS": "44"}, 80, "colour blocks move"),
        ("latin-1", True, {"TERM": "xterm"}, 80, "colour move"),
        ("utf-8", True, {"TERM": "dumb"}, 80, ""),
        ("utf-8", True, {}, 80, "blocks"),
        ("utf-8", False, {"TERM": "xterm"}, None, "blocks"),
        ("utf-8", False, {"TERM": "xterm", "COLUMNS": "44"}, 44, "blocks"),
        ("utf-8", False, {"COLUMNS": "wide"}, None, "blocks"),
        ("utf-8", False, {"COLUMNS": "0"}, None, "blocks"),
        ("ascii", False, {}, None, ""),
    ],
)
def test_what_a_terminal_can_show(
    encoding: str, environ: dict[str, str], columns: int | None, abilities: str, *, is_terminal: bool
) -> None:
    """By the stream and the environment; the size of one that does not tell is the usual."""
    found = Terminal.at(Stream(encoding, is_terminal=is_terminal), environ)
    names = {"colour": found.has_colour, "blocks": found.has_blocks, "move": found.can_move}

    assert (columns, abilities) == (found.columns, " ".join(name for name, is_so in names.items() if is_so))


@pytest.mark.parametrize(("size", "columns", "rows"), [((100, 30), 100, 30), ((0, 0), 80, 24)])
def test_the_size_is_the_terminals_own(size: tuple[int, int], columns: int, rows: int) -> None:
    """COLUMNS, which may be of another time, does not count; a terminal that has no size yet has the usual one."""
    import termios

    leader, follower = os.openpty()
    termios.tcsetwinsize(follower, (size[1], size[0]))
    with open(follower, "w", encoding="utf-8") as stream:  # noqa: PTH123 - no path
        found = Terminal.at(stream, {"TERM": "xterm", "COLUMNS": "44"})
    os.close(leader)

    assert (columns, rows) == (found.columns, found.rows)


@pytest.mark.parametrize(
    ("text", "columns", "options", "lines"),
    [
        ("a b", None, {}, ["a b"]),
        ("a b", 3, {}, ["a b"]),
        ("a b", 2, {}, ["a", "b"]),
        ("", 2, {}, [""]),
        ("run 'mayfly login x' now", 16, {}, ["run", "'mayfly login x'", "now"]),
        ("run 'mayfly login x' now", 9, {}, ["run", "'mayfly", "login x'", "now"]),
        ("used by terraform (pid 42), aws", 18, {}, ["used by terraform", "(pid 42), aws"]),
        ("see /a/long/path", 6, {}, ["see", "/a/long/path"]),
        ("see /a/long/path", 6, {"breaks_words": True}, ["see", "/a/lon", "g/path"]),
        ("日本 日本", 8, {}, ["日本", "日本"]),
        ("日本日本", 5, {"breaks_words": True}, ["日本", "日本"]),
        ("it's the app's", 9, {}, ["it's the", "app's"]),
    ],
)
def test_a_text_is_wrapped(text: str, columns: int | None, options: dict[str, Any], lines: list[str]) -> None:
    """At blanks; a command in quotes stays whole, and a long word too, unless it may be broken."""
    assert lines == wrapped(text, columns, **options)


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), ("日本", 4), ("e\u0301", 1), ("✓\ufe0f", 1), ("█░·", 3)]
)
def test_width_is_in_cells(text: str, width: int) -> None:
    """A wide letter has two, what stands on another letter has none."""
    assert width == width_of(text)


def test_a_style_needs_colours_and_a_text() -> None:
    """Else the text is as it is."""
    coloured, plain = Terminal(has_colour=True), Terminal()

    assert ["\x1b[32mx\x1b[0m", "", "x"] == [
        coloured.styled("x", GREEN),
        coloured.styled("", GREEN),
        plain.styled("x", GREEN),
    ]
    assert ["… ·", "... -"] == [Terminal(has_blocks=True).shown("… ·"), plain.shown("… ·")]
