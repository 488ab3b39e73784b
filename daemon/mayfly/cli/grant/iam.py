"""The IAM policy that ends what AWS has issued for grants: to be attached to their role, or their user."""

from __future__ import annotations

import os

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mayfly.cli import speech
from mayfly.cli.doctor import timing
from mayfly.cli.doctor.facts import gather
from mayfly.cli.doctor.network import PROBE_SECONDS, Probe, ask, sts_of
from mayfly.shared.credentials import instant_text


if TYPE_CHECKING:
    from mayfly.cli.grant.rows import Revoked


# Where AWS does not tell its time. Tokens of the last minute are denied as well.
_UNKNOWN_CLOCK_SECONDS = 60


def policy(ended: Sequence[Revoked]) -> dict[str, Any]:
    """The policy. Its conditions are in statements of their own: within one, AWS would want both to hold."""
    names = [f"*:{gone.session_name}" for gone in ended if gone.session_name]
    others = [gone.row for gone in ended if not gone.session_name]
    statements = []
    if names:
        statements.append(_deny("MayflyGrants", {"StringLike": {"aws:userid": names}}))
    if others:
        profiles = ", ".join(dict.fromkeys(row.profile for row in others))
        speech.warning(f"{profiles}: the grant had no session of its own, so the policy ends everyone's until now")
        before = instant_text(aws_now())
        statements.append(_deny("MayflySessionsUntilNow", {"DateLessThan": {"aws:TokenIssueTime": before}}))
    return {"Version": "2012-10-17", "Statement": statements}


def _deny(sid: str, condition: dict[str, Any]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition}


def aws_now() -> datetime:
    """AWS's time, rounded up; where AWS does not tell it, this machine's and a minute."""
    skew = _probe().skew_seconds
    if skew is None:
        speech.warning("AWS's clock could not be asked: the policy has this machine's time, and a minute more")
    ahead = _UNKNOWN_CLOCK_SECONDS if skew is None else skew + 1
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1 + ahead)


def _probe() -> Probe:
    location = sts_of(gather(None, asks=False))
    return timing.within(PROBE_SECONDS, lambda: ask(location, os.environ)) or Probe(problem="no answer")
