"""Text that other programs wrote, made harmless for a terminal, a notification or a unit."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with "?" for each character that is not printable: control characters, line ends, bidi marks, surrogates."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
