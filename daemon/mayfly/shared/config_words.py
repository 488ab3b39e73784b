"""Paths in a `credential_process`, written so that every SDK reads the same."""

from __future__ import annotations

import re


# Characters that mean the same between single quotes, also inside double quotes, to shlex (botocore), to sh (Go, JS,
# Java, Rust) and to readers of INI files, some of which take " #" and " ;" for a comment.
PLAIN_PATH = re.compile(r"[^\x00-\x1f\x7f'\"`$\\!;#]+")


class Unquotable(ValueError):
    """A path or name has a character that some SDK would misread."""


def quoted(path: str) -> str:
    """`path` between single quotes; raises Unquotable."""
    return f"'{plain(path, PLAIN_PATH)}'"


def plain(text: str, allowed: re.Pattern[str]) -> str:
    """`text`, if all of it is `allowed` and printable; raises Unquotable."""
    if not (allowed.fullmatch(text) and text.isprintable()):
        raise Unquotable(f"{text!r} has characters that cannot stand in ~/.aws/config")
    return text
