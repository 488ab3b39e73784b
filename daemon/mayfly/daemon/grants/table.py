"""The token check: a table of the tokens in force, and what each opens.

The daemon keeps only a token's SHA-256, so a look-up takes the same time for every token that a client sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from hashlib import sha256
from hmac import compare_digest

import attrs

from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import GrantEnded
from mayfly.shared.grant import Narrowing


# How many ended grants are remembered, only to tell their clients why they have ended.
ENDED_REMEMBERED = 4096
# How a grant is given.
ENDPOINT, SOCKET, FILE, ENV = "endpoint", "socket", "file", "env"
DELIVERED = (SOCKET, FILE)
# What a profile's `agents` leaves to a coding agent with the profile's own token: nobody orders it.
AGENT = "agent"
# Why a grant has ended, and how its clients are told.
REVOKED = "revoked"
EXPIRED = "expired"
COMMAND_ENDED = "command ended"
RELOAD = "reload"
UNDELIVERED = "undelivered"
UNUSED = "unused"
ENDINGS = {
    REVOKED: "it was revoked",
    EXPIRED: "its time is over",
    COMMAND_ENDED: "its command has ended",
    RELOAD: "its profile was changed in the config, or taken out",
    UNUSED: "it was not used for long",
    UNDELIVERED: "what it needs on the disk could not be made again",
}


class Ask(Enum):
    """What a person has said to a grant that asks first. ASKING: nothing yet."""

    NONE = "none"
    ASKING = "asking"
    ALLOWED = "allowed"
    DENIED = "denied"


_WIDE = Narrowing()
_OPEN = (Ask.NONE, Ask.ALLOWED)


@attrs.define(kw_only=True, eq=False)
class Grant:
    """The right to fetch `profile` until `ends_at` (None: without end), and how it has been used.

    A profile's own token is a grant without an id. `session` is the name of the session that it hands out: the
    profile's, or one of its own. `origin` is what the profile's session was made from. `digest` is the token's, None
    where there is no token. `words` say what it is narrowed to, "" if it is not.
    """

    profile: str
    session: str
    id: str = ""
    label: str = ""
    digest: bytes | None = None
    narrowing: Narrowing = _WIDE
    words: str = ""
    delivery: str = ENDPOINT
    origin: str = ""
    seconds: int = 0
    ends_at: datetime | None = None
    ask: Ask = Ask.NONE
    is_held: bool = False
    has_token_file: bool = False
    allows_disk: bool = False
    uses: int = 0
    last_used_by: str | None = None
    last_used_at: datetime | None = None
    # When the last of the credentials that it has handed out expire.
    handed_out_until: datetime | None = None

    @classmethod
    def of_profile(cls, profile: str, token_digest: bytes) -> Grant:
        """What the token in a profile's file opens."""
        return cls(profile=profile, session=profile, digest=token_digest)

    @property
    def has_own_session(self) -> bool:
        """True if its session is no profile's."""
        return self.session != self.profile

    @property
    def is_allowed(self) -> bool:
        """False while a person must be asked, and after a no."""
        return self.ask in _OPEN

    def is_in_force(self, now: datetime) -> bool:
        """True until its end; at that very instant it is over."""
        return self.ends_at is None or now < self.ends_at

    def note_use(self, now: datetime) -> None:
        """Its credentials are handed out once more."""
        self.uses += 1
        self.last_used_at = now

    def note_handed_out(self, credentials: Credentials) -> None:
        """Its clients have these credentials now, and AWS takes none back."""
        if self.handed_out_until is None or self.handed_out_until < credentials.expiration:
            self.handed_out_until = credentials.expiration


_NOTHING = Grant(profile="", session="")


class Table:
    """All tokens in force, by their digest. The daemon is the only writer."""

    def __init__(self) -> None:
        self._rows: dict[bytes, Grant] = {}
        # The profile of each, and why it has ended.
        self._ended: dict[bytes, tuple[str, str]] = {}

    def replace(self, digests: Mapping[str, bytes]) -> None:
        """Make the profiles' own tokens exactly these (the SHA-256 of a token, by profile). Grants stay."""
        own = {found: Grant.of_profile(profile, found) for profile, found in digests.items()}
        self._rows = own | {found: row for found, row in self._rows.items() if row.id}

    def add(self, grant: Grant) -> None:
        """Put the token of a grant in force, if it has one."""
        if grant.digest is not None:
            self._rows[grant.digest] = grant

    def remove(self, grant: Grant, cause: str) -> None:
        """The token of a grant opens nothing any more; its clients are told the `cause`, one of ENDINGS."""
        if grant.digest is None or self._rows.pop(grant.digest, None) is None:
            return
        if len(self._ended) >= ENDED_REMEMBERED:
            del self._ended[next(iter(self._ended))]
        self._ended[grant.digest] = (grant.profile, cause)

    def find(self, token: str, profile: str, now: datetime) -> Grant | None:
        """What `token` opens of `profile` at `now`. Takes equally long for every token of the same length."""
        # A dict compares digests until they differ, which tells nothing about the token: SHA-256 leaves no trace of it.
        found = self._rows.get(digest(token), _NOTHING)
        is_profile = compare_digest(digest(found.profile), digest(profile))
        return found if is_profile and found is not _NOTHING and found.is_in_force(now) else None

    def find_again(self, token_digest: bytes, profile: str, now: datetime) -> Grant | None:
        """`find` for the digest of a token that has opened `profile` before, so a difference in time tells nothing."""
        found = self._rows.get(token_digest, _NOTHING)
        return found if found is not _NOTHING and found.profile == profile and found.is_in_force(now) else None

    def ended(self, token: str, profile: str, now: datetime) -> str | None:
        """The cause (of ENDINGS) for which the grant of this token has ended, if it was one of `profile`."""
        token_digest = digest(token)
        row = self._rows.get(token_digest, _NOTHING)
        if row.id and row.profile == profile and not row.is_in_force(now):
            return EXPIRED
        of, cause = self._ended.get(token_digest, ("", ""))
        return cause if of == profile else None


def ended_error(profile: str, cause: str) -> GrantEnded:
    """The error for a client of a grant that has ended for `cause`, one of ENDINGS."""
    return GrantEnded(f"this grant has ended: {ENDINGS[cause]}", hint=f"'mayfly grant {profile}' makes a new one")


def digest(token: str) -> bytes:
    """The SHA-256 of a token as it was sent, even if its bytes are no text."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
