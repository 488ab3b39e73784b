"""The files that hold the profiles' tokens.

A token opens one profile. Its file is created by the first process that needs it, and survives the daemon.
"""

from __future__ import annotations

import os

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import NotPlain, TooLarge, read_plain_file
from mayfly.shared.trust import check_private
from mayfly.shared.users import daemon_uid, user_name


TOKEN_BYTES = 32
MAX_BYTES = 4096


def token_path(profile: str) -> Path:
    """Where a profile's token is."""
    return paths.runtime_dir() / "tokens" / profile


def ensure_token(profile: str) -> str:
    """The profile's token, made if it is missing; raises ConfigInvalid if others can read it, or it is not a token."""
    return _token(profile, renew=False)


def rotate_token(profile: str) -> str:
    """A new token for `profile`. The old one opens nothing as soon as the daemon has read the new one.

    Replaces anything at the token's path. Raises ConfigInvalid if that is impossible.
    """
    return _token(profile, renew=True)


def _token(profile: str, *, renew: bool) -> str:
    path = paths.make_runtime_dir() / "tokens" / profile
    if daemon_uid() != os.getuid():
        return _of_another_user(path, renew=renew)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        check_private(path.parent, 0o700)
        # Another process may create the first token at the same time: then its token counts.
        with suppress(FileExistsError):
            if renew or not path.exists():
                _write(path, new_token(), replace=renew)
        return _read(path)
    except OSError as reason:
        raise ConfigInvalid(f"{path}: cannot be made or read: {reason.strerror}") from None


def _of_another_user(path: Path, *, renew: bool) -> str:
    """The token of the user who called sudo, in whose folder root creates and changes nothing."""
    owner = user_name(daemon_uid())
    if renew:
        raise ConfigInvalid(f"{path} belongs to {owner}: run 'mayfly rotate' as {owner}, without sudo")
    try:
        check_private(path.parent, 0o700)
        return _read(path)
    except OSError as reason:
        raise ConfigInvalid(f"{path}: {reason.strerror}: run 'mayfly env' as {owner} first, without sudo") from None


def ensure_tokens(profiles: Iterable[str]) -> dict[str, str]:
    """Token by profile, each made if it is missing."""
    return {profile: ensure_token(profile) for profile in profiles}


def readable_tokens(profiles: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The tokens that can be read or made, and for each other profile the reason."""
    found, problems = {}, {}
    for profile in profiles:
        try:
            found[profile] = ensure_token(profile)
        except ConfigInvalid as reason:
            problems[profile] = reason.message
    return found, problems


def made_before() -> list[str]:
    """The profiles that have a token file."""
    folder = paths.runtime_dir() / "tokens"
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def renewed_at_ns() -> int:
    """When a token was last made or replaced, by the file system's clock; 0 where there are none."""
    try:
        return (paths.runtime_dir() / "tokens").stat().st_mtime_ns
    except OSError:
        return 0


def new_token() -> str:
    """256 random bits in base64url, without padding."""
    import secrets

    return secrets.token_urlsafe(TOKEN_BYTES)


def _write(path: Path, token: str, *, replace: bool) -> None:
    """Write the file whole or not at all. Without `replace` the second of two writers gets FileExistsError."""
    import secrets

    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        # No trailing newline: botocore, Go and others refuse one, JS v2 crashes on it.
        with open(descriptor, "w") as file:  # noqa: PTH123 - the mode
            file.write(token)
        if replace:
            draft.rename(path)
        else:
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def _read(path: Path) -> str:
    check_private(path, 0o600)
    try:
        token = read_plain_file(path, MAX_BYTES, follow_link=False).decode("latin-1").strip()
    except NotPlain:
        raise ConfigInvalid(f"{path} is no file: remove it") from None
    except TooLarge:
        token = ""
    if len(token) < 32 or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigInvalid(f"{path} holds no token: remove it, and run 'mayfly reload'")
    return token
