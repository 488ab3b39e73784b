"""Values that the tests of the core and the engine share: instants, credentials, sessions, policies and configs.

Noon is when every test's time begins; `support.stage` has the loop whose time only the test moves.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from mayfly.config.model import Config, KeyProfile, OnePassword, RoleProfile
from mayfly.session import Session
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.session.trigger import Trigger
from mayfly.shared.credentials import Credentials
from mayfly.shared.desk import Presence, Scene
from mayfly.shared.errors import ApprovalDismissed, MayflyError, SessionEnded


NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ACCOUNT = "058264411872"
HOUR = 3600.0
EIGHT_HOURS = 8 * HOUR
# When a session of eight hours that asks a human is due.
DUE = EIGHT_HOURS - 1200
NO = ApprovalDismissed("somebody said no")
OVER = SessionEnded("AWS says it is over")

CLOCK, CLIENT, PERSON = Trigger.CLOCK, Trigger.CLIENT, Trigger.PERSON

HUMAN = RefreshPolicy(mode="while-used", asks_human=True)
MACHINE = RefreshPolicy(mode="always", asks_human=False)

HERE = Scene(presence=Presence.PRESENT)
AWAY = Scene(presence=Presence.AWAY)
LOCKED = Scene(presence=Presence.LOCKED)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def credentials(expires_at: datetime, key: str = "0001", account_id: str | None = ACCOUNT) -> Credentials:
    return Credentials(
        access_key_id=f"ASIAEXAMPLE{key:>05}",
        secret_access_key="made-up-secret",
        session_token="made-up-token",
        expiration=expires_at,
        account_id=account_id,
    )


def issued(life_seconds: float = EIGHT_HOURS, *, used: bool = True, jitter_seconds: float = 0) -> Session:
    """A session that began at noon."""
    session = Session().issued(credentials(at(life_seconds)), skew_seconds=0, jitter_seconds=jitter_seconds, now=NOON)
    return session.fetched(NOON) if used else session


def failing(session: Session, error: MayflyError, times: int = 1, *, after: float, jitter: float = 0) -> Session:
    """The session after so many failures in a row, all `after` seconds after noon."""
    for _ in range(times):
        session = session.failed(error, HUMAN, jitter=jitter, now=at(after))
    return session


# Configs


def key(item: str = "key", **others: Any) -> KeyProfile:
    """A profile whose keys are in `item`."""
    base = f"op://Vault/{item}"
    parts: dict[str, Any] = {
        "access_key_id": f"{base}/id",
        "secret_access_key": f"{base}/secret",
        "otp": f"{base}/otp?attribute=otp",
        "mfa_id": f"arn:aws:iam::{ACCOUNT}:mfa/{item}",
    }
    return KeyProfile(**parts | others)


# A profile without MFA.
NO_MFA: dict[str, Any] = {"otp": None, "otp_command": None, "mfa_id": None}


def role(source: str, called: str = "role", **others: Any) -> RoleProfile:
    """A role above the profile `source`."""
    parts: dict[str, Any] = {"source_profile": source, "role_arn": f"arn:aws:iam::{ACCOUNT}:role/{called}"}
    return RoleProfile(**parts | others)


def config(digest: str = "d1", **profiles: KeyProfile | RoleProfile) -> Config:
    """A config whose [onepasswords] are `work` (a desktop app) and `robot` (a service account)."""
    ways = {"work": OnePassword(account="work"), "robot": OnePassword(token_file="/run/token")}
    return Config(source="/etc/mayfly.toml", digest=digest, profiles=profiles, onepasswords=ways)


# One profile with keys; a role above it; a role above that.
ONE = config(nsrc=key())
WITH_ROLE = config(nsrc=key(), admin=role("nsrc"))
CHAIN = config(nsrc=key(), admin=role("nsrc"), deep=role("admin", "deep"))
# The same with another profile, whose session is another one too.
WITH_TWIN = config("d2", twin=key(name="T"), nsrc=key(), admin=role("nsrc"))
