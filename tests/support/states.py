"""A daemon's status with a profile in each state that a person may see, made by the daemon's own code."""

from __future__ import annotations

from typing import Any

import attrs

from mayfly.daemon.audit import Fetch
from mayfly.daemon.status import ProfileStatus, Renewal, StageStatus, Status, as_json
from mayfly.session import Session
from mayfly.session.forecast import renewal_at
from mayfly.session.refresh_policy import RefreshPolicy
from mayfly.shared.errors import ApprovalDismissed, AwsThrottled, AwsUnreachable, ItemNotFound, OnePasswordLocked
from support.engine import HOUR, HUMAN, MACHINE, at, issued


ON_DEMAND = attrs.evolve(HUMAN, mode="on-demand")
# The page is as of three hours after noon, in UTC.
SEEN = 3 * HOUR


def row(
    profile: str,
    session: Session,
    policy: RefreshPolicy = HUMAN,
    *,
    in_flight: bool = False,
    source: str | None = None,
    ground: Session | None = None,
    second: float = SEEN,
) -> ProfileStatus:
    now = at(second)
    renewal = Renewal(renewal_at(session, policy, now), policy.asks_human)
    stage = StageStatus("approve" if policy.asks_human else "aws", 3, None) if in_flight else None
    found = ProfileStatus.of(
        profile, session, policy, in_flight=in_flight, now=now, stage=stage, renewal=renewal, ground=ground
    )
    return attrs.evolve(found, source=source)


def failed(session: Session, error: Any, policy: RefreshPolicy = HUMAN, *, ago: float = 10) -> Session:
    return session.failed(error, policy, jitter=0, now=at(SEEN - ago))


LOCKED = OnePasswordLocked("1Password is locked")
DISMISSED = ApprovalDismissed("the prompt was dismissed")
MISSING = ItemNotFound("op://Work/AWS: there is no such item", hint="check the item in the config")
UNREACHABLE = AwsUnreachable("sts.eu-central-1.amazonaws.com: no connection: the name could not be resolved")
THROTTLED = AwsThrottled("AWS STS throttles requests")
SHORT = issued(3 * HOUR + 600)

STATES = {
    "fresh": row("work", issued().fetched(at(SEEN - 120))),
    "role of a source": row("work-admin", issued(4 * HOUR).fetched(at(SEEN - 5)), MACHINE, source="work"),
    "unused": row("spare", issued(used=False)),
    "on-demand": row("audit", issued(6 * HOUR), ON_DEMAND),
    "due": row("night", SHORT.fetched(at(SEEN - 2 * HOUR))),
    "renewing": row("robot", SHORT, MACHINE, in_flight=True),
    "refused in time": row("legal", failed(SHORT, DISMISSED, ago=60)),
    "waiting for a touch": row("billing", Session(), in_flight=True),
    "cooling off": row("sales", failed(Session(), LOCKED)),
    "failed": row("ci", failed(Session(), MISSING, ago=3 * HOUR)),
    "failed for now": row("nightly", failed(Session(), UNREACHABLE, MACHINE, ago=2), MACHINE),
    "tried again later": row("data", failed(issued(2 * HOUR), THROTTLED, MACHINE, ago=2), MACHINE),
    "expired": row("old", issued(2 * HOUR)),
    "never asked": row("new", Session()),
    "role of a source that failed": row("sales-admin", Session(), source="sales", ground=failed(Session(), LOCKED)),
}

FETCHES = [
    Fetch("work", 4711, "terraform", "aws-sdk-go-v2", at(SEEN - 4000)),
    Fetch("work", 4820, "python3", "Boto3", at(SEEN - 130)),
    Fetch("work-admin", None, None, "aws-cli", at(SEEN - 50)),
    Fetch("work-admin", 4990, "terraform", "aws-sdk-go-v2", at(SEEN - 5)),
]


def status(*names: str, **others: Any) -> dict[str, Any]:
    """The status of a daemon with these states, by default all, as its control socket tells it."""
    facts = {
        "version": "0.2.0",
        "pid": 4242,
        "address": "127.0.0.1:9170",
        "config": "/home/carmas/.config/mayfly/config.toml",
        "started_at": at(-50 * HOUR),
        "observed_at": at(SEEN),
        "service": "systemd",
        "notes": ["mayfly 0.3.0 is installed, and 0.2.0 still runs: it starts anew as soon as nothing is under way"],
        "detours": ["AWS is reached through the proxy proxy.example.com:3128 (HTTPS_PROXY)"],
        "refusals": {"token": 3, "host": 1},
        "last_fetches": [fetch._asdict() for fetch in FETCHES],
        "profiles": [STATES[name] for name in names or STATES],
    }
    return as_json(Status(**facts | others))
