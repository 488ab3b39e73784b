"""Writes the config: a draft, judged by the loader of the daemon, then put in place; whole or not at all."""

from __future__ import annotations

import errno
import os

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import attrs

from mayfly.cli import speech
from mayfly.config import document
from mayfly.config.document import Document
from mayfly.config.load import load, load_document
from mayfly.config.model import Config
from mayfly.shared import pathnames, paths, trust
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import write_whole_file


def place(given: str | None) -> Path:
    """The config in force, or where a new one belongs. Raises ConfigInvalid if that cannot be seen."""
    try:
        return paths.config_file(given)
    except ConfigInvalid:
        there = next((at for at in paths.config_places() if os.path.lexists(at)), None)
        if given or os.environ.get("MAYFLY_CONFIG") or (there and not _leads_nowhere(there)):
            raise
        return there or paths.config_dir() / paths.CONFIG_NAMES[0]


def option(given: str | None) -> list[str]:
    """`--config` with the whole path, for commands that may be pasted in another folder; nothing without the option."""
    return ["--config", str(place(given).absolute())] if given else []


def _leads_nowhere(path: Path) -> bool:
    """True for a link to a file that does not exist yet; raises ConfigInvalid for one that leads back to itself."""
    try:
        path.stat()
    except OSError as reason:
        if reason.errno == errno.ELOOP:
            raise ConfigInvalid(f"{path}: is a circle of links") from None
        return isinstance(reason, FileNotFoundError) and path.is_symlink()
    return False


def _real(path: Path) -> Path:
    """The path without links. Unlike pathlib's `resolve`, no error for a link to itself."""
    return Path(os.path.realpath(path))


def check_place(path: Path) -> None:
    """Raise ConfigInvalid or Stop if no config could be written there, before anybody is asked."""
    if problems := trust.trust_problems(path):
        raise ConfigInvalid(*problems)
    folder = next(at for at in _real(path).parents if os.path.lexists(at))
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        why = "you may not write there" if folder.is_dir() else "is no folder"
        raise speech.Stop(
            speech.FAILED,
            f"{folder}: {why}, and {shown(path)} belongs below it",
            hints=("choose another place: export MAYFLY_CONFIG=/a/folder/config.toml, also where the daemon starts",),
        )


def current(path: Path) -> tuple[Config | None, str | None]:
    """The config at `path` and its text; None where there is none. Raises ConfigInvalid for one that is not valid."""
    if not os.path.lexists(path) or _leads_nowhere(path):
        return None, None
    found = document.read(path)
    text = found.raw.decode("utf-8-sig")
    if found.tree.get("profiles", {}) != {} or path.suffix == ".json":
        return load(path), text
    # Settings without a profile: they are judged with one, because a config needs one.
    if problems := trust.trust_problems(path):
        raise ConfigInvalid(*problems)
    return attrs.evolve(load_document(Document(path, f"{text}\n{_SOME_PROFILE}".encode())), profiles={}), text


_SOME_PROFILE = """
[profiles.some]
access_key_id = "op://v/i/f"
secret_access_key = "op://v/i/f"
otp = "op://v/i/f"
mfa_id = "op://v/i/f"
"""


def problems(text: str) -> list[str]:
    """The problems for which Mayfly would refuse a config of this text; none of them names a file."""
    try:
        load_document(Document(Path("config.toml"), text.encode()))
    except ConfigInvalid as refusal:
        return [problem.removeprefix("config.toml: ") for problem in refusal.problems]
    return []


def shown(path: Path) -> str:
    """The path for a person: with ~ for the home."""
    try:
        return f"~/{path.relative_to(pathnames.home())}"
    except (ValueError, ConfigInvalid):
        return str(path)


def keep(path: Path, text: str) -> Path:
    """Write a backup of the config beside it."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    backup = _real(path).with_name(f"{path.name}.mayfly-backup-{stamp}")
    write_whole_file(backup, text.encode(), replaces=False)
    return backup


def put(path: Path, text: str, *, before: str | None) -> None:
    """Write the config with mode 0600, in a folder with mode 0700 if it has to be made.

    `before` is the former text, None for a new file. A file that has changed meanwhile is not replaced. Raises
    ConfigInvalid for a config that the daemon would refuse, and Stop.
    """
    # A link, as to a folder of dotfiles, stays one.
    path = _real(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        _make_folder(path.parent)
        with suppress(FileNotFoundError):
            draft.unlink()
        write_whole_file(draft, text.encode(), replaces=False)
        _judge(draft, path)
        if before is None:
            path.hardlink_to(draft)
        else:
            _check_unchanged(path, before)
            draft.rename(path)
    except FileExistsError:
        raise _changed(path) from None
    except OSError as reason:
        raise speech.Stop(speech.FAILED, f"{path}: {reason.strerror}") from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _judge(draft: Path, path: Path) -> None:
    try:
        load(draft)
    except ConfigInvalid as refusal:
        raise ConfigInvalid(*(line.replace(str(draft), str(path)) for line in refusal.problems)) from None


def _check_unchanged(path: Path, before: str) -> None:
    if document.read(path).raw.decode("utf-8-sig", errors="replace") != before:
        raise _changed(path)


def _changed(path: Path) -> speech.Stop:
    return speech.Stop(speech.FAILED, f"{path} has changed meanwhile, and stays as it is", hints=("run it again",))


def _make_folder(folder: Path) -> None:
    """Make the folder, under any umask. The one that is Mayfly's own is closed to others."""
    missing = [at for at in (folder, *folder.parents) if not at.exists()]
    for at in reversed(missing):
        at.mkdir(exist_ok=True)
        at.chmod(0o700)
    is_own = folder == _real(paths.config_dir()) and folder.stat().st_uid == os.getuid()
    if is_own and folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
