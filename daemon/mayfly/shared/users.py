"""User ids: names for people, private groups, and what a user namespace does to both."""

from __future__ import annotations

import os

from functools import cache


TYPE_CHECKING = False  # typing costs every `aws` command some ms through credential-process
if TYPE_CHECKING:
    from mayfly.shared.pathnames import AnyPath


OUTSIDE = "this is a user namespace (Flatpak, bubblewrap, an FHS shell): run mayfly outside"

_UID_MAP = "/proc/self/uid_map"
_OVERFLOW_UID = "/proc/sys/kernel/overflowuid"
# The host's map: all uids but 2**32 - 1, which means "no user" (user_namespaces(7)).
_IDENTITY = (0, 0, 2**32 - 1)


def user_name(uid: int) -> str:
    """The user's name, or the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def is_private_group(gid: int) -> bool:
    """True if `gid` is the group of this user alone: the primary one, of the user's name, with no other member.

    Debian and Fedora make such groups, and set umask 002 with them; never for root (pam_umask(8), `usergroups`).
    """
    import grp
    import pwd

    uid = os.getuid()
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    if uid == 0 or user.pw_gid != gid or group.gr_name != user.pw_name or set(group.gr_mem) - {user.pw_name}:
        return False
    # /etc/group does not list the users who have a group as their primary one.
    return all(other.pw_uid == uid for other in pwd.getpwall() if other.pw_gid == gid)


# A process keeps its user namespace, so its files are read once. Both may be missing (macOS, ProcSubset=pid).


@cache
def overflow_uid(path: AnyPath = _OVERFLOW_UID) -> int:
    """The uid under which a user namespace shows every user that it does not map (user_namespaces(7))."""
    try:
        return int(_content(path))
    except (OSError, ValueError):
        return 65534


@cache
def _ranges(uid_map: AnyPath = _UID_MAP) -> tuple[tuple[int, int, int], ...]:
    """The rows of this user namespace's map: first uid inside, first uid outside, count. It may have none."""
    try:
        rows = [line.split() for line in _content(uid_map).splitlines()]
    except OSError:
        return (_IDENTITY,)
    return tuple((int(inside), int(outside), int(count)) for inside, outside, count in rows)


def _content(path: AnyPath) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def could_be_anyone(uid: int) -> bool:
    """True if `uid` stands for all the users that this user namespace does not map."""
    return uid == overflow_uid() and _ranges() != (_IDENTITY,)


def has_root() -> bool:
    """True if root has a uid here: on the host, and in a namespace that maps one (Podman, toolbox, WSL 2, Crostini)."""
    return any(inside == 0 for inside, _, _ in _ranges())


_roots: list[int] = [0]


def trust_unmapped_root() -> None:
    """From now on take files of unmapped users for root's, if root is one of them.

    Only for `serve --sealed`: systemd makes its namespace (PrivateUsers=), which maps this user alone. The exchange
    runs outside, and judges the same files again before it uses them.
    """
    if not has_root():
        _roots.append(overflow_uid())


_daemons: list[int] = []


def work_with_daemon_of(uid: int) -> None:
    """From now on take the daemon of the user `uid`, and their files, for this user's. Only for root under sudo."""
    _daemons.append(uid)


def daemon_uid() -> int:
    """The user of the daemon that this process works with: this user, or under sudo the one who called it."""
    return _daemons[-1] if _daemons else os.getuid()


def trusted_owners() -> set[int]:
    """The uids whose files nobody else can change: this user's and root's."""
    return {os.getuid(), daemon_uid(), *_roots}


def namespace_problem() -> str | None:
    """The reason if users cannot be told apart in this user namespace; None if they can."""
    is_unknown = could_be_anyone(os.getuid()) or not (has_root() or overflow_uid() in _roots)
    return OUTSIDE if is_unknown else None
