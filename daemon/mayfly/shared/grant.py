"""What a grant is made of: the values and limits that the command, the daemon and the exchange share.

A grant gives one profile's credentials, narrowed perhaps, to a program that acts for a person, until it ends.
"""

from __future__ import annotations

import re

from typing import NamedTuple


MIN_SECONDS = 15 * 60
MAX_SECONDS = 12 * 3600
USUAL_SECONDS = 3600

# The least that AssumeRole takes (its reference), and the most that a grant's session may outlive its grant.
MIN_SESSION_SECONDS = 900
# Credentials that AWS has issued cannot be taken back, so a grant's session is short, and renewed while it is used.
MAX_SESSION_SECONDS = 1800

MAX_POLICY_CHARACTERS = 2048
MAX_POLICY_ARNS = 10

# Not compiled here: each login imports this file before `op` starts.
_LABEL = r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"
_ID = r"[0-9a-f]{8}"
# No profile's name may contain it.
_BETWEEN = "@"


class Narrowing(NamedTuple):
    """Session policies: what a session may do is what both its role and one of these allow. Empty: no narrowing."""

    policy: str | None = None
    policy_arns: tuple[str, ...] = ()


class GrantOrder(NamedTuple):
    """What the daemon may ask of the exchange for a grant's session: less than the role gives, and for less time."""

    label: str
    seconds: int
    narrowing: Narrowing = Narrowing()


def is_label(value: object) -> bool:
    """True for 1 to 32 letters, digits, `.`, `_` and `-`, of which the first is a letter or digit."""
    return isinstance(value, str) and re.fullmatch(_LABEL, value) is not None


def label_from(name: str, otherwise: str) -> str:
    """A label made of a program's name: what a label cannot have becomes a dash; `otherwise` where nothing is left."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:32] or otherwise


def is_id(value: object) -> bool:
    """True for 8 hexadecimal digits in lower case."""
    return isinstance(value, str) and re.fullmatch(_ID, value) is not None


def session_name(label: str, grant_id: str) -> str:
    """The RoleSessionName of a grant's session, 64 characters at most; CloudTrail shows it."""
    return f"mayfly-{label}-{grant_id}"


def subject(profile: str, grant_id: str) -> str:
    """The name of a grant's own session, in the daemon and on the wire; no profile can have it."""
    return f"{profile}{_BETWEEN}{grant_id}"


def profile_of(name: str) -> str:
    """The profile of a grant's session; a profile's own name is returned as it is."""
    return name.partition(_BETWEEN)[0]


def in_words(name: str) -> str:
    """The name of a session for people: `admin`, or `admin (grant 1a2b3c4d)`."""
    grant_id = grant_id_of(name)
    return f"{profile_of(name)} (grant {grant_id})" if grant_id else name


def grant_id_of(name: str) -> str | None:
    """The ID in the name of a grant's session; None for a profile's name."""
    return name.partition(_BETWEEN)[2] or None
