"""Nothing that another program calls itself steers the terminal that shows it."""

from __future__ import annotations

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.shared.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("aws-cli", "aws-cli"),
        ("Мой скрипт ✓", "Мой скрипт ✓"),
        ("\x1b[2J", "?[2J"),
        ("\x1b]52;c;eA==\x07", "?]52;c;eA==?"),
        ("a\r\nb\tc", "a??b?c"),
        ("\x9b2J", "?2J"),
        ("a\u202eb\u2066c", "a?b?c"),
        ("a\u2028b\u2029c", "a?b?c"),
        ("\udc80", "?"),
    ],
)
def test_what_steers_a_terminal_becomes_a_question_mark(text: str, shown: str) -> None:
    """ESC, OSC 52, CR, C1, bidirectional marks, line separators and lone surrogates; letters of any script stay."""
    assert shown == printable(text)


@given(st.text(st.characters(codec=None, exclude_categories=[])))
def test_any_text_comes_out_as_one_printable_line_of_the_same_length(text: str) -> None:
    """It can be encoded and shown, and a table keeps its columns."""
    shown = printable(text)

    assert (len(text), True) == (len(shown), shown.isprintable())
    assert shown.encode().decode() == shown
