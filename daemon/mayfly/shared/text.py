"""Text from other programs, made safe to show."""

from __future__ import annotations


def printable(text: str, *, allowed: str = "", replacement: str = "?") -> str:
    """`text` with a "?" in the place of every character that is neither printable (`str.isprintable`) nor `allowed`.

    Control characters (ESC, CR, C1), line separators, bidirectional marks and lone surrogates could steer a terminal,
    forge a second line, or fail to be encoded.
    """
    return "".join(letter if letter.isprintable() or letter in allowed else replacement for letter in text)


def failure_words(reason: Exception) -> str:
    """Why a call of the system or a program failed, in words for a person; the name of an exception is none.

    `reason` is an OSError, or subprocess's TimeoutExpired.
    """
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    if isinstance(reason, ConnectionError):
        return "the connection broke off"
    is_late = isinstance(reason, TimeoutError) or not isinstance(reason, OSError)
    return "it did not end in time" if is_late else "the system tells no reason"
