"""The age of the long-term access keys, from IAM: by a child, with a session that the daemon has, and never a new one.

IAM's ListAccessKeys tells the keys of the user whose session signs the call, if the session may ask.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from mayfly.cli.doctor import children
from mayfly.cli.doctor.check import Check, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.cli.doctor.references import key_profiles
from mayfly.config.model import Config
from mayfly.config.sts_endpoint import followed_endpoint
from mayfly.config.values import is_loopback_url
from mayfly.exchange.sts.location import sts_location
from mayfly.shared.partitions import partition_with, partitions


CHILD = "mayfly.cli.doctor.key_age_child"
CHILD_SECONDS = 20
# AWS's own advice, and the first step of most policies (CIS AWS Foundations Benchmark, 1.14).
OLD_DAYS = 90
IAM_VARIABLE = "AWS_ENDPOINT_URL_IAM"


def checks(facts: Facts) -> Iterator[Check]:
    """A check for each profile with keys."""
    if facts.config is None:
        return
    config, asked = facts.config, []
    for name in [name for name in key_profiles(config) if config.session_of(name) == name]:
        reason = _no_mfa(config, name) or _no_session(facts, name) or _no_endpoint(facts, config, name)
        if reason:
            yield not_known(f"key-age.{name}", reason)
        else:
            asked.append(name)
    if asked:
        yield from _asked(facts, config, asked)


def _no_mfa(config: Config, name: str) -> str:
    """Why IAM would refuse: a session of GetSessionToken may call it only with MFA (STS API reference)."""
    return "" if config.keys_of(name).mfa_id else "its sessions have no MFA, and IAM answers only those that have"


def _no_session(facts: Facts, name: str) -> str:
    if facts.status is None:
        return "the daemon does not run, and only a session of it may ask"
    row = next((row for row in facts.profiles if row["profile"] == name), {})
    has_session = row.get("phase") in {"fresh", "due"}
    return "" if has_session else f"there is no session; after 'mayfly login {name}' there is one"


def _no_endpoint(facts: Facts, config: Config, name: str) -> str:
    """Why IAM is not asked. A session from a stand-in for STS is worth nothing at AWS, and is not sent there."""
    if facts.environ.get(IAM_VARIABLE):
        return "" if _iam_endpoint(facts) else f"{IAM_VARIABLE} is not followed: it names neither this machine nor AWS"
    sts = followed_endpoint(facts.environ.get("AWS_ENDPOINT_URL_STS"))
    url = sts_location(config, name, {"AWS_ENDPOINT_URL_STS": sts} if sts else {}).endpoint_url
    is_elsewhere = bool(url) and (is_loopback_url(url or "") or followed_endpoint(url) is None)
    is_told = any("STS is asked at" in line for line in facts.lines("detours"))
    return f"STS is not AWS's own, and {IAM_VARIABLE} is not set" if is_elsewhere or is_told else ""


def _iam_endpoint(facts: Facts) -> str:
    """The endpoint that the environment names, if it is on this machine or AWS's own; else ""."""
    url = facts.environ.get(IAM_VARIABLE, "")
    domains = "|".join(re.escape(domain) for partition in partitions() for domain in partition.domains)
    try:
        parts = urlsplit(url)
        is_aws = parts.scheme == "https" and re.fullmatch(
            rf"iam(-fips)?(\.[a-z0-9-]+)?\.({domains})(:443)?", parts.netloc
        )
        return url if is_aws or is_loopback_url(url) else ""
    except ValueError:
        return ""


def _asked(facts: Facts, config: Config, names: list[str]) -> Iterator[Check]:
    regions = {name: partition_with(sts_location(config, name, {}).region).first_region for name in names}
    words = (_iam_endpoint(facts), *(f"{name}={region}" for name, region in regions.items()))
    try:
        found = {
            answer.get("profile"): answer
            for answer in children.answers(CHILD, words, facts.environ, seconds=CHILD_SECONDS)
        }
    except children.Silent as reason:
        for name in names:
            yield not_known(f"key-age.{name}", str(reason))
        return
    now = datetime.now(UTC)
    for name in names:
        answer = found.get(name, {})
        made = [datetime.fromisoformat(str(at)) for at in answer.get("made_at") or ()]
        yield (
            judged(name, made, now) if made else not_known(f"key-age.{name}", str(answer.get("reason") or "no answer"))
        )


def judged(name: str, made: list[datetime], now: datetime) -> Check:
    """The check for a user whose active keys were made at these times; which of several is in use is not known."""
    days = max((now - at).days for at in made)
    if days < 0:
        return not_known(f"key-age.{name}", "the access key is newer than this machine's clock")
    which = "the access key" if len(made) == 1 else f"the oldest of {len(made)} active access keys"
    if days < OLD_DAYS:
        return ok(f"key-age.{name}", f"{which} is {days} days old")
    advice = "make a new one in IAM, put it into the 1Password item, then delete the old one"
    return warning(f"key-age.{name}", f"{which} is {days} days old: {advice}")
