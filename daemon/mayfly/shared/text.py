"""Text from other programs, made safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with a "?" in the place of every character that is not printable (`str.isprintable`).

    Control characters (ESC, CR, C1), line separators, bidirectional marks and lone surrogates could steer a terminal,
    forge a second line, or fail to be encoded.
    """
    return "".join(letter if letter.isprintable() else "?" for letter in text)
