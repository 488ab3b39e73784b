"""Who may fetch what: grants, and the files that hold their tokens.

A token opens one profile. The daemon keeps only its SHA-256, so that looking one up takes the same time whatever was
sent.
A profile's file is made by whoever needs it first, and survives the daemon.
"""

from __future__ import annotations

import os
import stat

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid


if TYPE_CHECKING:
    from datetime import datetime


TOKEN_BYTES = 32
MAX_BYTES = 4096


class Grant(NamedTuple):
    """The right to fetch `profile`, until `expires_at` (None: without end)."""

    profile: str
    expires_at: datetime | None = None
    label: str = "token file"


_NOTHING = Grant("")


class Grants:
    """All grants in force, by the digest of their token. The one writer is the daemon."""

    def __init__(self) -> None:
        # Bound here: every shell's start-up imports this file and needs neither, and every request needs both.
        from hashlib import sha256
        from hmac import compare_digest

        self._sha256 = sha256
        self._is_same = compare_digest
        self._rows: dict[bytes, Grant] = {}

    def replace(self, tokens: Mapping[str, str]) -> None:
        """Make the grants without end exactly those of `tokens`: token by profile."""
        self._rows = {digest(token): Grant(profile) for profile, token in tokens.items()}

    def opens(self, token: str, profile: str, now: datetime) -> bool:
        """Whether `token` opens `profile` at `now`; equally slow for every token of whatever length."""
        # Python's dict compares digests early-out; that tells nothing of the token, of which SHA-256 leaves no trace.
        found = self._rows.get(self._digest(token), _NOTHING)
        is_profile = self._is_same(self._digest(found.profile), self._digest(profile))
        return is_profile and found is not _NOTHING and (found.expires_at is None or now < found.expires_at)

    def _digest(self, token: str) -> bytes:
        return self._sha256(token.encode("utf-8", "surrogatepass")).digest()


def digest(token: str) -> bytes:
    """The SHA-256 of a token as it was sent, whatever bytes those were."""
    from hashlib import sha256

    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def token_path(profile: str) -> Path:
    """Where a profile's token is."""
    return paths.runtime_dir() / "tokens" / profile


def ensure_token(profile: str) -> str:
    """The profile's token, made if it is missing; raises ConfigInvalid where others can read it, or it is none."""
    path = paths.make_runtime_dir() / "tokens" / profile
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        paths.check_private(path.parent, 0o700)
        with suppress(FileExistsError):
            if not path.exists():
                _write(path, new_token(), replace=False)
        return _read(path)
    except OSError as reason:
        raise ConfigInvalid(f"{path}: cannot be made or read: {reason.strerror}") from None


def rotate_token(profile: str) -> str:
    """A new token for `profile`; whoever has the old one is locked out as soon as the daemon has read it.

    What stands in the token's place is replaced, whatever it is. Raises ConfigInvalid where that cannot be.
    """
    path = paths.make_runtime_dir() / "tokens" / profile
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        paths.check_private(path.parent, 0o700)
        _write(path, new_token(), replace=True)
        return _read(path)
    except OSError as reason:
        raise ConfigInvalid(f"{path}: cannot be made or read: {reason.strerror}") from None


def ensure_tokens(profiles: Iterable[str]) -> dict[str, str]:
    """Token by profile, each made if it is missing."""
    return {profile: ensure_token(profile) for profile in profiles}


def readable_tokens(profiles: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The same, as far as they are to be had; and why not, by profile."""
    found, problems = {}, {}
    for profile in profiles:
        try:
            found[profile] = ensure_token(profile)
        except ConfigInvalid as reason:
            problems[profile] = reason.message
    return found, problems


def made_before() -> list[str]:
    """The profiles that have a token already."""
    folder = paths.runtime_dir() / "tokens"
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def renewed_at_ns() -> int:
    """When a token was made or replaced last, by the clock of the file system; 0 where there are none."""
    try:
        return (paths.runtime_dir() / "tokens").stat().st_mtime_ns
    except OSError:
        return 0


def new_token() -> str:
    """256 random bits in base64url, without padding."""
    import secrets

    return secrets.token_urlsafe(TOKEN_BYTES)


def _write(path: Path, token: str, *, replace: bool) -> None:
    """Whole or not at all; with `replace` off, the first of two writers wins and the other gets FileExistsError."""
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
    paths.check_private(path, 0o600)
    # A FIFO would keep every shell waiting.
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:  # noqa: PTH123 - the flags
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ConfigInvalid(f"{path} is no file: remove it")
        token = file.read(MAX_BYTES).decode("latin-1").strip()
    if len(token) < 32 or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigInvalid(f"{path} holds no token: remove it, and run 'mayfly reload'")
    return token
