"""The token check: a table of the tokens in force, and the profile that each opens.

The daemon keeps only a token's SHA-256, so a look-up takes the same time for every token that a client sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import NamedTuple


class Grant(NamedTuple):
    """The right to fetch `profile` until `expires_at` (None: without end)."""

    profile: str
    expires_at: datetime | None = None


_NOTHING = Grant("")


class Grants:
    """All grants in force, by the digest of their token. The daemon is the only writer."""

    def __init__(self) -> None:
        self._rows: dict[bytes, Grant] = {}

    def replace(self, digests: Mapping[str, bytes]) -> None:
        """Make the grants without end exactly these (the SHA-256 of a token, by profile)."""
        self._rows = {found: Grant(profile) for profile, found in digests.items()}

    def opens(self, token: str, profile: str, now: datetime) -> bool:
        """True if `token` opens `profile` at `now`. Takes equally long for every token of the same length."""
        # A dict compares digests until they differ, which tells nothing about the token: SHA-256 leaves no trace of it.
        found = self._rows.get(digest(token), _NOTHING)
        is_profile = compare_digest(digest(found.profile), digest(profile))
        return is_profile and found is not _NOTHING and _is_in_force(found, now)

    def still_opens(self, token_digest: bytes, profile: str, now: datetime) -> bool:
        """`opens` for the digest of a token that has opened `profile` before, so a difference in time tells nothing."""
        found = self._rows.get(token_digest, _NOTHING)
        return found is not _NOTHING and found.profile == profile and _is_in_force(found, now)


def _is_in_force(grant: Grant, now: datetime) -> bool:
    return grant.expires_at is None or now < grant.expires_at


def digest(token: str) -> bytes:
    """The SHA-256 of a token as it was sent, even if its bytes are no text."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
