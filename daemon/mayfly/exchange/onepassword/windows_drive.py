"""Windows's drives under WSL: which places are on one, and the one program there that may be run, 1Password's op.exe.

A drive is a file system drvfs, under WSL 2 by the protocol 9p. Owners and modes there are made up: usually everything
is mode 0777. What may be changed, and by whom, Windows decides. So the rule of `trust` says nothing about such a place.

The lines of /proc/mounts are from issues of microsoft/WSL. Options may have blanks in them, unlike proc(5) says. A
share of another machine is no drive, nor is a drive by virtiofs, which names no drvfs.
"""

from __future__ import annotations

import re

from collections.abc import Callable
from functools import partial

from mayfly.shared.pathnames import normal


MOUNTS = "/proc/self/mounts"

_ESCAPE = re.compile(r"\\([0-7]{3})")
_DRIVE = r"[A-Za-z]:"


def exemption(program: str) -> Callable[[str], bool] | None:
    """For an op.exe on a Windows drive: True for each place that is on such a drive. Else None: no place is exempt."""
    if not is_op_exe(program):
        return None
    try:
        with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            is_exempt = partial(is_on_drive, mounts=file.read())
    except OSError:
        return None
    return is_exempt if is_exempt(normal(program)) else None


def is_op_exe(program: str | None) -> bool:
    """True for an absolute path that ends in op.exe; Windows takes no notice of case."""
    return bool(program) and str(program).startswith("/") and str(program).lower().endswith("/op.exe")


def is_on_drive(place: str, mounts: str) -> bool:
    """True if the last of the nearest mounts above `place`, a normal path, is a Windows drive."""
    nearest, is_drive = "", False
    for line in mounts.splitlines():
        # The rest is options and two numbers.
        fields = line.split(" ", 3)
        if len(fields) < 4:
            continue
        source, target, kind, options = (*map(_unescaped, fields[:2]), *fields[2:])
        is_above = place == target or place.startswith(f"{target.rstrip('/')}/")
        if is_above and len(target) >= len(nearest):
            nearest, is_drive = target, _is_drive(source, kind, options)
    return is_drive


def _is_drive(source: str, kind: str, options: str) -> bool:
    if kind == "9p":
        return bool(re.search(rf"(?:^|,)aname=drvfs;path={_DRIVE}", options))
    return kind == "drvfs" and bool(re.match(_DRIVE, source))


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), field)
