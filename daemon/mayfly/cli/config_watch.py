"""Notices that a config, the way to it, or the tokens have changed, for a daemon that waits until they are mended."""

from __future__ import annotations

import os
import stat

from collections.abc import Callable, Iterator
from pathlib import Path

from mayfly.shared import paths, tokens, trust
from mayfly.shared.errors import ConfigInvalid


def config_changes(given: str | None) -> Callable[[], bool]:
    """A function that returns True once the config, or a folder or link on the way to it, is another than now."""
    return _changes(lambda: list(_facts(paths.config_places(given))))


def token_changes() -> Callable[[], bool]:
    """A function that returns True once a token, its folder, or the way to it is another than now."""
    return _changes(lambda: list(_facts(_token_places())))


def _changes(look: Callable[[], list[object]]) -> Callable[[], bool]:
    before = look()
    return lambda: look() != before


def _token_places() -> list[Path]:
    try:
        folder = paths.runtime_dir() / "tokens"
    except ConfigInvalid:
        return []
    return [folder, *(folder / profile for profile in tokens.made_before())]


def _facts(places: list[Path]) -> Iterator[object]:
    """Facts that the advice of a refusal changes (chmod, chown, another file), as far as they can be seen.

    A folder's times are left out: other programs make files in the folders above.
    """
    for place in places:
        for at, facts in trust.way_to(place.absolute()):
            yield str(at), facts.st_dev, facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid
        yield _contents(place)


def _contents(place: Path) -> object:
    """Facts of the file that `place` leads to, and whether it can be read: a mode or an ACL may forbid that."""
    try:
        facts = place.stat()
    except OSError as reason:
        return reason.errno
    times = () if stat.S_ISDIR(facts.st_mode) else (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return *times, facts.st_mode, facts.st_uid, os.access(place, os.R_OK)
