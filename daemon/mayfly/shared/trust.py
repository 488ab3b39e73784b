"""Whether another user could change or read what is at a path. One rule for config, tokens, folders and programs."""

from __future__ import annotations

import os
import stat
import sys

from collections.abc import Iterator
from pathlib import Path

from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.users import roots_other_uids, user_name


MACOS_ADMIN_GID = 80


def check_private(path: Path, mode: int) -> Path:
    """`path`, if it is a real file or folder of ours that nobody else may enter; else ConfigInvalid."""
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        raise ConfigInvalid(f"{path} is a symbolic link: remove it")
    if facts.st_uid != os.getuid():
        raise ConfigInvalid(f"{path} belongs to {user_name(facts.st_uid)}: remove it")
    if facts.st_mode & 0o077:
        raise ConfigInvalid(f"{path} is open to others: chmod {mode:o} {_quoted(path)}")
    return path


def trust_problems(path: Path) -> list[str]:
    """Why another user could change what stands at `path`; empty if none can.

    The file, what it links to, and every folder and link on the way must belong to this user or root and be writable by
    nobody else; a sticky folder (/tmp) is fine, because there only the owner of an entry can replace it. So is what
    macOS's administrators may write, as Homebrew's folders: they may do anything as root.
    """
    problems = []
    owners = {0, os.getuid(), *roots_other_uids()}
    for place, facts in _way_to(path.absolute()):
        if facts.st_uid not in owners:
            problems.append(f"{place} belongs to {user_name(facts.st_uid)}: chown it, or move the file")
        sticky = stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX
        loose = 0o002 if sys.platform == "darwin" and facts.st_gid == MACOS_ADMIN_GID else 0o022
        # A link's own mode says nothing.
        if facts.st_mode & loose and not sticky and not stat.S_ISLNK(facts.st_mode):
            problems.append(f"{place} is writable by others: chmod go-w {_quoted(place)}")
    return list(dict.fromkeys(problems))


# As many as Linux follows (path_resolution(7)).
LINKS_MAX = 40


def _way_to(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Whatever decides where `path` leads, from the root on, as far as it can be seen."""
    at, ahead, links = Path(path.anchor), list(reversed(path.parts)), 0
    while ahead and links <= LINKS_MAX:
        name = ahead.pop()
        at = at.parent if name == ".." else at / name
        try:
            facts = at.lstat()
        except OSError:
            return
        yield at, facts
        if stat.S_ISLNK(facts.st_mode):
            links += 1
            ahead += reversed(at.readlink().parts)
            at = at.parent


def _quoted(path: Path) -> str:
    """A path that can be pasted."""
    from shlex import quote

    return quote(str(path))
