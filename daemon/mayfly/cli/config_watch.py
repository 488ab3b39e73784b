"""Notices that a config, the way to it, or the tokens have changed, for a daemon that waits until they are mended."""

from __future__ import annotations

import os
import stat

from collections.abc import Callable, Iterable
from pathlib import Path

from mayfly.shared import paths, tokens, trust
from mayfly.shared.errors import ConfigInvalid


def config_changes(given: str | None) -> Callable[[], bool]:
    """A function that returns True once the config, or a folder or link on the way to it, is another than now."""
    return _changes(paths.config_places(given))


def token_changes() -> Callable[[], bool]:
    """A function that returns True once a token, its folder, or the way to it is another than now."""
    try:
        folder = paths.runtime_dir() / "tokens"
    except ConfigInvalid:
        return _changes([])
    return _changes([folder, *(folder / profile for profile in tokens.made_before())])


def _changes(ends: Iterable[Path]) -> Callable[[], bool]:
    """The ways are walked only once, because the daemon looks fifty times a second. A link that changes is noticed."""
    absolute = [end.absolute() for end in ends]
    ways = sorted({at for end in absolute for at, _ in trust.way_to(end)})

    def look() -> list[object]:
        return [*map(_place, ways), *map(_contents, absolute)]

    before = look()
    return lambda: look() != before


def _place(path: str) -> object:
    """Facts that chmod, chown and a replacement change. No times: others make files in the folders above."""
    try:
        facts = os.lstat(path)
    except OSError as reason:
        return reason.errno
    return facts.st_dev, facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid


def _contents(path: Path) -> object:
    """Facts of the file that `path` leads to, and whether it can be read: a mode or an ACL may forbid that."""
    try:
        facts = path.stat()
    except OSError as reason:
        return reason.errno
    times = () if stat.S_ISDIR(facts.st_mode) else (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return facts.st_ino, facts.st_mode, facts.st_uid, times, os.access(path, os.R_OK)
