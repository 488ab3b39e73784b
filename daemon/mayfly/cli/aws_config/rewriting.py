"""Writes a file in `~/.aws` anew, with a backup; never one that is another user's, or that its owner made read-only."""

from __future__ import annotations

import os

from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import NoReturn

from mayfly.cli import speech
from mayfly.shared.files import write_whole_file
from mayfly.shared.users import user_name


def rewrite(path: Path, old: str, new: str, *, again: str) -> Path | None:
    """Write `new` to `path`, whole or not at all, with the file's mode (0600 if new); the backup of `old`, if any.

    `again` is the command for the user to run again. Raises Stop or OSError, and then leaves all as it was.
    """
    _check(path, again)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    backup = path.with_name(f"{path.name}.mayfly-backup-{stamp}") if path.exists() else None
    if backup:
        _write(backup, old, mode)
    try:
        _write(path, new, mode)
    except OSError:
        if backup:
            backup.unlink()
        raise
    return backup


def _write(path: Path, text: str, mode: int) -> None:
    write_whole_file(path, text.encode(errors="surrogateescape"), mode=mode, outlasts_crash=True)


def _check(path: Path, again: str) -> None:
    """Raise Stop for another user's file, a read-only one and, as root, a new one in another user's folder."""
    if path.exists():
        if path.stat().st_uid != os.geteuid():
            _refuse_owner(path, again)
        if not os.access(path, os.W_OK):
            raise speech.Stop(
                speech.FAILED,
                f"{path}: is read-only",
                hints=(f"nothing was written: chmod u+w {quote(str(path))} && {again}",),
            )
    folder = next(place for place in path.parents if place.exists())
    # Root writes everywhere, as in a user's home under sudo. Anybody else is stopped by the system.
    if os.geteuid() == 0 != folder.stat().st_uid:
        _refuse_owner(folder, again)


def _refuse_owner(place: Path, again: str) -> NoReturn:
    """A file that is written anew belongs to its writer: with root's the owner could read it no more."""
    uid = place.stat().st_uid
    name = user_name(uid)
    if os.geteuid() == 0:
        sudo_name = f"'#{uid}'" if name.startswith("uid ") else quote(name)
        hint = f"nothing was written: run it as that user: sudo -H -u {sudo_name} {again}"
    else:
        hint = f"nothing was written: make it yours: sudo chown {os.geteuid()} {quote(str(place))} && {again}"
    raise speech.Stop(speech.FAILED, f"{place}: belongs to {name}", hints=(hint,))
