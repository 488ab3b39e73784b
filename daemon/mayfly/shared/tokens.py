"""The files that hold the profiles' tokens.

A token opens one profile. Its file is created by the first process that needs it, and survives the daemon. The daemon
knows a token by its SHA-256 only. Python cannot erase a `str`, so tokens are made and read in bytearrays, which are
overwritten after use; only the commands that hand a token out make a `str` of it.
"""

from __future__ import annotations

import os

from contextlib import suppress
from io import FileIO

from mayfly.shared import runtime_folder
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import NotPlain, open_plain_file, write_whole_file
from mayfly.shared.trust import check_private
from mayfly.shared.users import daemon_uid, user_name


TYPE_CHECKING = False  # pathlib costs each shell start-up 5 ms through `env`
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

RANDOM_BYTES = 32
MIN_LETTERS = 32
MAX_BYTES = 4096
_BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_WHITE_SPACE = b" \t\r\n\v\f"


def token_path(profile: str) -> Path:
    """Where a profile's token is."""
    from pathlib import Path

    return Path(_folder(), profile)


def _folder() -> str:
    return f"{runtime_folder.runtime_dir()}/tokens"


def ensure_token(profile: str) -> str:
    """The profile's token, made if it is missing; raises ConfigInvalid if others can read it, or it is not a token."""
    return _as_text(_token(profile, renew=False))


def rotate_token(profile: str) -> str:
    """A new token for `profile`. The old one opens nothing as soon as the daemon has read the new one.

    Replaces anything at the token's path. Raises ConfigInvalid if that is impossible.
    """
    return _as_text(_token(profile, renew=True))


def ensure_digest(profile: str) -> bytes:
    """The SHA-256 of the profile's token. Makes the token if it is missing; raises as `ensure_token` does."""
    token = _token(profile, renew=False)
    try:
        # OpenSSL takes 3 ms to load, which `env` does not need in each shell start-up.
        from hashlib import sha256

        return sha256(token).digest()
    finally:
        _erase(token)


def _token(profile: str, *, renew: bool) -> bytearray:
    folder = f"{runtime_folder.make_runtime_dir()}/tokens"
    path = f"{folder}/{profile}"
    if daemon_uid() != os.getuid():
        return _of_another_user(path, renew=renew)
    try:
        runtime_folder.make_dir(folder)
        check_private(folder, 0o700)
        # Another process may create the first token at the same time: then its token counts.
        with suppress(FileExistsError):
            if renew or not os.path.exists(path):
                _write(path, replace=renew)
        return _read(path)
    except OSError as reason:
        raise ConfigInvalid(f"{path}: cannot be made or read: {reason.strerror}") from None


def _of_another_user(path: str, *, renew: bool) -> bytearray:
    """The token of the user who called sudo, in whose folder root creates and changes nothing."""
    owner = user_name(daemon_uid())
    if renew:
        raise ConfigInvalid(f"{path} belongs to {owner}: run 'mayfly rotate' as {owner}, without sudo")
    try:
        check_private(os.path.dirname(path), 0o700)
        return _read(path)
    except OSError as reason:
        raise ConfigInvalid(f"{path}: {reason.strerror}: run 'mayfly env' as {owner} first, without sudo") from None


def ensure_digests(profiles: Iterable[str]) -> dict[str, bytes]:
    """The SHA-256 of each token by profile; raises ConfigInvalid for the first that cannot be made or read."""
    return {profile: ensure_digest(profile) for profile in profiles}


def readable_digests(profiles: Iterable[str]) -> tuple[dict[str, bytes], dict[str, str]]:
    """The SHA-256 of each token that can be made or read, and the problem of each other one, by profile."""
    found, problems = {}, {}
    for profile in profiles:
        try:
            found[profile] = ensure_digest(profile)
        except ConfigInvalid as reason:
            problems[profile] = reason.message
    return found, problems


def made_before() -> list[str]:
    """The profiles that have a token file."""
    try:
        return sorted(name for name in os.listdir(_folder()) if not name.startswith("."))
    except OSError:
        return []


def renewed_at_ns() -> int:
    """The time when a token was last made or replaced, by the file system's clock; 0 if there are none."""
    try:
        return os.stat(_folder()).st_mtime_ns
    except OSError:
        return 0


def _new_token() -> bytearray:
    """256 random bits in base64url, without padding."""
    bits = bytearray(RANDOM_BYTES)
    with FileIO("/dev/urandom") as source:
        source.readinto(bits)
    bits.append(0)
    token = bytearray(-(-RANDOM_BYTES * 8 // 6))
    for index in range(len(token)):
        # Six bits, which are within two bytes.
        at, shift = divmod(index * 6, 8)
        token[index] = _BASE64URL[(bits[at] << 8 | bits[at + 1]) >> (10 - shift) & 63]
    _erase(bits)
    return token


def _write(path: str, *, replace: bool) -> None:
    """Write a new token. Without `replace` the second of two writers gets FileExistsError."""
    token = _new_token()
    try:
        # No trailing newline: botocore, Go and others refuse one, JS v2 crashes on it.
        write_whole_file(path, token, replaces=replace)
    finally:
        _erase(token)


def _read(path: str) -> bytearray:
    check_private(path, 0o600)
    content = bytearray(MAX_BYTES + 1)
    try:
        with open_plain_file(path, follow_link=False) as file:
            length = file.readinto(content)
    except NotPlain:
        raise ConfigInvalid(f"{path} is no file: remove it") from None
    token = _stripped(content, length)
    if length > MAX_BYTES or len(token) < MIN_LETTERS or not all(0x21 <= letter <= 0x7E for letter in token):
        _erase(token)
        raise ConfigInvalid(f"{path} holds no token: remove it, and run 'mayfly reload'")
    return token


def _stripped(content: bytearray, length: int) -> bytearray:
    """The first `length` bytes without the white space at both ends; `content` is erased."""
    start, end = 0, length
    while start < end and content[start] in _WHITE_SPACE:
        start += 1
    while end > start and content[end - 1] in _WHITE_SPACE:
        end -= 1
    with memoryview(content) as view:
        token = bytearray(view[start:end])
    _erase(content)
    return token


def _as_text(token: bytearray) -> str:
    try:
        return token.decode()
    finally:
        _erase(token)


def _erase(secret: bytearray) -> None:
    """Overwrite the bytes where they are."""
    secret[:] = bytes(len(secret))
