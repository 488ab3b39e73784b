"""The values that `mayfly status` shows: plain data without a secret, made by the keeper."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import attrs

from mayfly.daemon.next_step import next_step
from mayfly.session import Session
from mayfly.session.forecast import renewal_at
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.credentials import instant_text
from mayfly.shared.errors import MayflyError


@attrs.frozen
class StageStatus:
    """What is waited for: a name of `shared.stages`, since when, and how long still, if that is known."""

    name: str
    since_seconds: int
    left_seconds: int | None


class Renewal(NamedTuple):
    """The next renewal by the clock: its time, if that is known, and whether it may raise a prompt."""

    at: datetime | None
    asks_human: bool


@attrs.frozen(kw_only=True)
class ProfileStatus:
    """One profile: the phase of its session, the next step, the last error, and what is waited for.

    `source` is the profile whose session this one comes from. `renewal_at` is the time of the clock's next attempt,
    None if it makes none, or waits for somebody only. `renewal_takes` is what the next attempt, the clock's or a
    client's, takes of the user: `touch` or `nothing`.
    """

    profile: str
    source: str | None = None
    phase: str
    access_key_id: str | None
    issued_at: datetime | None
    expiration: datetime | None
    expires_in_seconds: int
    refresh: str
    due_at: datetime | None
    renewal_at: datetime | None
    renewal_takes: str
    in_flight: bool
    in_use: bool
    retry_not_before_at: datetime | None
    last_error: dict[str, str] | None
    next_step: str
    skew_seconds: int
    last_fetched_at: datetime | None
    stage: StageStatus | None = None

    @classmethod
    def of(
        cls,
        profile: str,
        session: Session,
        policy: RefreshPolicy,
        *,
        in_flight: bool,
        now: datetime,
        ground: Session | None = None,
        stage: StageStatus | None = None,
        renewal: Renewal | None = None,
    ) -> ProfileStatus:
        """The status of a session at `now`; `ground` is the source session if the profile waits for that one.

        `renewal` is the next one, by default as `policy` has it at `now`.
        """
        credentials, error = session.credentials, session.last_error
        left = session.left_seconds(now)
        due_in = timedelta(seconds=left - session.window_seconds(policy))
        renewal = renewal or Renewal(renewal_at(session, policy, now), policy.asks_human)
        return cls(
            profile=profile,
            phase=session.phase(policy, now).value,
            access_key_id=f"…{credentials.access_key_id[-4:]}" if credentials else None,
            issued_at=session.issued_at if credentials else None,
            expiration=credentials.expiration if credentials else None,
            expires_in_seconds=max(0, round(left)),
            refresh=policy.mode,
            due_at=now + due_in if credentials else None,
            renewal_at=renewal.at,
            renewal_takes="touch" if renewal.asks_human else "nothing",
            in_flight=in_flight,
            in_use=session.is_in_use(),
            retry_not_before_at=session.retry_not_before_at(),
            last_error=_error_row(profile, error) if error else None,
            next_step=next_step(profile, _blocking(session, ground), policy, in_flight=in_flight, now=now),
            skew_seconds=round(session.skew_seconds),
            last_fetched_at=session.last_fetched_at,
            stage=stage,
        )


@attrs.frozen(kw_only=True)
class Status:
    """The daemon as a whole.

    `notes` are for a person to act on; `detours` are settings that change the way to AWS, such as proxies.
    """

    version: str
    pid: int
    address: str
    config: str
    started_at: datetime
    observed_at: datetime
    service: str
    notes: list[str]
    detours: list[str]
    refusals: dict[str, int]
    last_fetches: list[dict[str, Any]]
    profiles: list[ProfileStatus]
    grants: int = 0


def as_json(status: Status) -> dict[str, Any]:
    """A status as JSON has it: instants become texts."""
    return attrs.asdict(status, value_serializer=_json_value)


def _json_value(_owner: Any, _field: Any, value: Any) -> Any:
    return instant_text(value) if isinstance(value, datetime) else value


def _blocking(session: Session, ground: Session | None) -> Session:
    """The session whose error explains why the profile has no credentials."""
    return ground if ground and ground.last_error else session


def _error_row(profile: str, error: MayflyError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint_for(profile)}
