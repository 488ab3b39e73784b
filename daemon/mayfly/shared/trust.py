"""Checks whether another user could change or read a path: one rule for config, tokens, folders and programs.

Few imports, and no pathlib: every command starts here.
"""

from __future__ import annotations

import os
import stat
import sys

from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.pathnames import absolute
from mayfly.shared.users import (
    OUTSIDE,
    could_be_anyone,
    daemon_uid,
    is_private_group,
    namespace_problem,
    trusted_owners,
    user_name,
)


TYPE_CHECKING = False  # typing costs every `aws` command some ms through credential-process
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from mayfly.shared.pathnames import AnyPath

    Place = TypeVar("Place", bound=AnyPath)


MACOS_ADMIN_GID = 80


def check_private(path: Place, mode: int) -> Place:
    """`path`, if it is a real file or folder of this user that nobody else may enter; else ConfigInvalid.

    It judges this one place: `trust_problems` judges the way there.
    """
    facts = os.lstat(path)
    if stat.S_ISLNK(facts.st_mode):
        raise ConfigInvalid(f"{path} is a symbolic link: remove it")
    if facts.st_uid != daemon_uid():
        raise ConfigInvalid(f"{path} belongs to {user_name(facts.st_uid)}: remove it")
    if facts.st_mode & 0o077:
        raise ConfigInvalid(f"{path} is open to others: chmod {mode:o} {_quoted(path)}")
    return path


def trust_problems(
    path: AnyPath, *, missing_counts: bool = True, is_exempt: Callable[[str], bool] | None = None
) -> list[str]:
    """Why another user could change what stands at `path`; empty if no other user can.

    The file, what it links to, and every folder and link on the way must belong to this user or root and be writable by
    nobody else. Exceptions: a sticky folder (/tmp), where only its owner can replace an entry; this user's private
    group; and on macOS the group admin, whose members may become root, and which owns Homebrew's folders.

    A sticky folder does not protect a name that is missing: another user can take it. Without `missing_counts` that is
    no problem; the caller must then check the file again before its use. Places for which `is_exempt` is True
    are not judged: owners and modes say nothing there.
    """
    if problem := namespace_problem():
        return [problem]
    problems: list[str] = []
    for place, facts in way_to(path):
        if facts is None:
            parent = os.path.dirname(place)
            if missing_counts and not problems and others_can_add(parent):
                problems.append(f"{place} is missing, and others could make it: {parent} is writable by others")
            break
        if is_exempt and is_exempt(place):
            continue
        if refusal := _refusal(place, facts):
            return [refusal]
        problems += _problems(place, facts)
    return list(dict.fromkeys(problems))


def _refusal(place: str, facts: os.stat_result) -> str | None:
    """Why nothing behind `place` can be judged, if that is so."""
    if _is_magic_link(place, facts):
        return f"{place} is a link of /proc, which leads elsewhere in another process: name the place itself"
    if facts.st_uid not in trusted_owners() and could_be_anyone(facts.st_uid):
        return f"{place} belongs to a user that has no uid here: {OUTSIDE}"
    return None


def _problems(place: str, facts: os.stat_result) -> Iterator[str]:
    if facts.st_uid not in trusted_owners():
        yield f"{place} belongs to {user_name(facts.st_uid)}: chown it, or move the file"
    if _is_writable_by_others(place, facts):
        yield f"{place} is writable by others: chmod go-w {_quoted(place)}"


def _is_writable_by_others(place: str, facts: os.stat_result) -> bool:
    # A link's own mode means nothing, and a device or a pipe is refused by its kind (files.read_plain_file).
    if not (stat.S_ISREG(facts.st_mode) or stat.S_ISDIR(facts.st_mode)) or not facts.st_mode & 0o022:
        return False
    if stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX:
        return False
    return _lets_others_write(place, facts)


def magic_link(path: AnyPath) -> str | None:
    """The first link on the way to `path` whose target depends on the process that follows it (proc(5)), if any."""
    for place, facts in way_to(path):
        if facts and _is_magic_link(place, facts):
            return place
    return None


def _is_magic_link(place: str, facts: os.stat_result) -> bool:
    """True for links as /proc/PID/cwd and /proc/PID/fd/N of a file.

    The other links of /proc lead to places in it. The target of a pipe's is no path: reading it is refused later.
    """
    if not stat.S_ISLNK(facts.st_mode) or not _is_in_proc(place, facts):
        return False
    try:
        return os.readlink(place).startswith("/")
    except OSError:
        return True


def _is_in_proc(place: str, facts: os.stat_result) -> bool:
    if f"{place}/".startswith("/proc/"):
        return True
    try:
        return facts.st_dev == os.lstat("/proc/self").st_dev
    except OSError:
        return False


def others_can_add(folder: AnyPath) -> bool:
    """True if another user can put a new entry into `folder`, sticky or not. False where there is no such folder."""
    try:
        facts = os.stat(folder)
    except OSError:
        return False
    return bool(facts.st_mode & 0o022) and _lets_others_write(folder, facts)


def _lets_others_write(place: AnyPath, facts: os.stat_result) -> bool:
    return bool(facts.st_mode & 0o002) or not _is_own_group(place, facts.st_gid)


def _is_own_group(place: AnyPath, gid: int) -> bool:
    if sys.platform == "darwin" and gid == MACOS_ADMIN_GID:
        return True
    return is_private_group(gid) and not _has_acl(place)


def _has_acl(place: AnyPath) -> bool:
    """True if other users may have rights of their own: then the group bits are the ACL's mask (acl(5))."""
    if sys.platform != "linux":
        return False
    try:
        return "system.posix_acl_access" in os.listxattr(place, follow_symlinks=False)
    except OSError:
        return False


# As many as Linux follows (path_resolution(7)).
LINKS_MAX = 40


def way_to(path: AnyPath) -> Iterator[tuple[str, os.stat_result | None]]:
    """Every folder and link that decides where `path` leads, from the root on, as far as it can be seen.

    The first part that is missing comes last, without facts.
    """
    text = absolute(path)
    root = "//" if text.startswith("//") else "/"
    at, ahead, links = root, _parts_reversed(text, root), 0
    while ahead and links <= LINKS_MAX:
        name = ahead.pop()
        at = name if name.startswith("/") else os.path.dirname(at) if name == ".." else os.path.join(at, name)
        try:
            facts = os.lstat(at)
        except FileNotFoundError:
            yield at, None
            return
        except OSError:
            return
        yield at, facts
        if stat.S_ISLNK(facts.st_mode):
            links += 1
            try:
                target = os.readlink(at)
            except OSError:
                return
            ahead += _parts_reversed(target, "/")
            at = os.path.dirname(at)


def _parts_reversed(path: str, root: str) -> list[str]:
    """The parts of a path, the last one first; that of a path from the root on has `root` as its first part."""
    parts = [part for part in path.split("/") if part not in {"", "."}]
    return [*reversed(parts), *([root] if path.startswith("/") else [])]


def _quoted(path: AnyPath) -> str:
    """A path that can be pasted."""
    from shlex import quote

    return quote(str(path))
