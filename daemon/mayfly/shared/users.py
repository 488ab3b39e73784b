"""User ids and what they mean here: names for people, and whom files belong to in a user namespace."""

from __future__ import annotations

from pathlib import Path


def user_name(uid: int) -> str:
    """The user's name, or the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


# user_namespaces(7): whoever has no number of his own inside shows as this one.
OVERFLOW_UID = 65534


def roots_other_uids(uid_map: Path = Path("/proc/self/uid_map")) -> set[int]:
    """What root's files seem to belong to in a user namespace without a root, as that of the sealed daemon.

    There others' files look the same; so the exchange, which is outside, looks again before it does anything.
    """
    try:
        ranges = [[int(word) for word in line.split()] for line in uid_map.read_text().splitlines()]
    except OSError:
        return set()
    return set() if any(inside == 0 for inside, _, _ in ranges) else {OVERFLOW_UID}
