"""Finds a program to run: one rule for every program that Mayfly starts, or writes into a line that others run.

A bare name is looked up on PATH. Skipped are relative and empty entries and /proc/self/cwd (the current folder may be
somebody's repository), folders that may not be entered, and folders and programs that another user could change. A
name with a slash must be absolute. What a program starts in its turn (a script's interpreter, its commands) is outside
the rule.
"""

from __future__ import annotations

import os
import stat

from typing import TYPE_CHECKING

from mayfly.shared.pathnames import normal
from mayfly.shared.trust import magic_link, others_can_add, trust_problems


if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path


class NotFound(Exception):
    """No program of this name may be run.

    `distrusted` has a line for each reason against a program that is there, `skipped` a line for each entry of PATH
    that was not searched.
    """

    def __init__(self, message: str, distrusted: Iterable[str] = (), skipped: Iterable[str] = ()) -> None:
        self.distrusted = tuple(dict.fromkeys(distrusted))
        self.skipped = tuple(skipped)
        super().__init__("; ".join(self.distrusted or (message, *(f"skipped: {line}" for line in self.skipped))))


def find(name: str, environ: Mapping[str, str], usual_places: Iterable[str] = ()) -> Path:
    """As `place_of`, as a Path."""
    from pathlib import Path

    return Path(place_of(name, environ, usual_places))


def place_of(
    name: str,
    environ: Mapping[str, str],
    usual_places: Iterable[str] = (),
    *,
    is_exempt: Callable[[str], bool] | None = None,
) -> str:
    """The absolute path of the program `name`, which nobody else can change.

    `usual_places` are paths that are tried after PATH. `is_exempt`, for a name that is a path, is that of
    `trust_problems`. Raises NotFound.
    """
    if "/" in name:
        return _only(name, is_exempt)
    folders, skipped = _folders(environ)
    distrusted: list[str] = []
    for place in (*(os.path.join(folder, name) for folder in folders), *usual_places):
        if not _is_program(place):
            continue
        problems = trust_problems(place)
        if not problems:
            return place
        distrusted += _against(place, problems)
    raise NotFound(f"{name} is not on PATH", distrusted, skipped)


def skipped_folders(environ: Mapping[str, str]) -> list[str]:
    """A line for each entry of PATH in which no program is run, with the reason."""
    folders, skipped = _folders(environ)
    return [*skipped, *(f"{folder} on PATH: {line}" for folder in folders for line in trust_problems(folder))]


def _only(name: str, is_exempt: Callable[[str], bool] | None) -> str:
    place = normal(name)
    if not place.startswith("/"):
        raise NotFound(f"{name}: must be an absolute path, or a name that is looked up on PATH")
    if not _is_program(place):
        raise NotFound(f"{name}: there is no such program")
    if problems := trust_problems(place, is_exempt=is_exempt):
        raise NotFound("", _against(place, problems))
    return place


def _folders(environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The folders on PATH that can be searched, and why the other entries are skipped."""
    folders: list[str] = []
    skipped: list[str] = []
    for entry in dict.fromkeys(environ.get("PATH", os.defpath).split(os.pathsep)):
        if not entry.startswith("/"):
            skipped.append(f"{entry!r} on PATH is not an absolute path")
        elif _may_not_be_entered(entry):
            skipped.append(f"{entry} on PATH may not be entered")
        elif link := magic_link(entry):
            # /proc/self/cwd is the current folder.
            skipped.append(f"{entry} on PATH goes through {link}, which leads elsewhere in another process")
        elif _is_sticky(entry) and others_can_add(entry):
            # A sticky bit (/tmp) protects the entries that are there, and not the names that are missing.
            skipped.append(f"{entry} on PATH is writable by others")
        else:
            folders.append(normal(entry))
    return folders, skipped


def _may_not_be_entered(folder: str) -> bool:
    try:
        os.stat(os.path.join(folder, "."))  # the dot asks for entry
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _is_sticky(folder: str) -> bool:
    try:
        return bool(os.stat(folder).st_mode & stat.S_ISVTX)
    except OSError:
        return False


def _is_program(place: str) -> bool:
    return os.path.isfile(place) and os.access(place, os.X_OK)


def _against(place: str, problems: Iterable[str]) -> list[str]:
    return [f"{place} cannot be trusted: {problem}" for problem in problems]
