"""The status of a profile, and what is waited for on its behalf: told by the exchange, or known from the queue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import attrs

from mayfly.daemon.keeper.code_queue import next_code_seconds
from mayfly.daemon.keeper.ledger import Ledger
from mayfly.daemon.keeper.wanted import Kind, Progress, State, WantedSessions
from mayfly.daemon.status import ProfileStatus, Renewal, StageStatus
from mayfly.session.forecast import renewal_at
from mayfly.shared import stages
from mayfly.shared.stages import Stage


def progress_of(stage: Stage, now: datetime) -> Progress:
    """The progress of the sessions that a stage is about, from `now` on."""
    until = None if stage.left_seconds is None else now + timedelta(seconds=stage.left_seconds)
    return Progress(stage=stage.name, since_at=now, until_at=until)


def status_of(ledger: Ledger, wanted: WantedSessions, profile: str, now: datetime) -> ProfileStatus:
    """The status of a profile at `now`."""
    name = ledger.name_of(profile)
    found = ProfileStatus.of(
        profile,
        ledger[name],
        ledger.policy(name, now),
        ground=None if ledger.has_source(name, now) else ledger[ledger.base(name)],
        in_flight=name in wanted,
        stage=stage_of(ledger, wanted, name, now),
        now=now,
        renewal=_renewal_of(ledger, name, now),
    )
    return attrs.evolve(found, source=ledger.source(profile))


def _renewal_of(ledger: Ledger, name: str, now: datetime) -> Renewal:
    """The next renewal. It asks nobody if the session's source still lives at that time."""
    policy, needed_until = ledger.policy(name, now), ledger.needed_until(name, now)
    at = renewal_at(ledger[name], policy, now, needed_until=needed_until)
    return Renewal(at, ledger.policy(name, at or now).asks_human)


def stage_of(ledger: Ledger, wanted: WantedSessions, name: str, now: datetime) -> StageStatus | None:
    """What is waited for on behalf of the session `name`; None if it is not wanted."""
    if name not in wanted:
        return None
    progress, base = wanted.progress_of(name), ledger.base(name)
    if progress:
        left = None if progress.until_at is None else max(0, round((progress.until_at - now).total_seconds()))
        return StageStatus(progress.stage, round((now - progress.since_at).total_seconds()), left)
    if name in wanted.code_users():
        return StageStatus(stages.CODE, 0, round(next_code_seconds(now)))
    if wanted.is_in_exchange(name):
        return StageStatus(stages.START, 0, None)
    if name != base and base in wanted:
        return stage_of(ledger, wanted, base, now)
    return StageStatus(stages.TURN if _is_login_running(wanted) else stages.START, 0, None)


def profiles_that_wait(ledger: Ledger, wanted: WantedSessions, names: Iterable[str]) -> list[str]:
    """The profiles that wait for one of these sessions: theirs, or the one below theirs. Grants by their subjects."""
    sessions = set(names)
    waiting = []
    for profile in (*ledger.config.profiles, *filter(ledger.links.grant, wanted.names)):
        name = ledger.name_of(profile)
        is_below = name in wanted and wanted.progress_of(name) is None and ledger.base(name) in sessions
        if name in sessions or is_below:
            waiting.append(profile)
    return waiting


def _is_login_running(wanted: WantedSessions) -> bool:
    return bool(wanted.names_in(State.IN_EXCHANGE, Kind.LOGIN))
