"""Checks that span several values.

They run on the sound part of a file, in which a bad value is None, so that one bad value hides no other problem. The
bad value's own problem has been told.
"""

from __future__ import annotations

import sys

from collections.abc import Collection, Iterator
from typing import Any

from mayfly.config.assume_role import MAX_TAGS
from mayfly.config.kinds import is_role
from mayfly.config.model import Config, KeyProfile, Profile, RoleProfile
from mayfly.config.narrowing import foreign_policy
from mayfly.shared.grant import MAX_POLICY_ARNS
from mayfly.shared.partitions import partition_of


Keys = tuple[str | int, ...]
Problem = tuple[Keys, str]
Table = dict[str, Any]

# To AWS a role that is assumed from a session, with or without MFA, is chained: it ends after an hour (IAM user guide).
CHAINED_MAX_SECONDS = 3600
# The highest maximum that a role can have (STS API reference).
ROLE_MAX_SECONDS = 43_200

CODE_SOURCES = ("otp", "otp_command")

# Those of today. AWS adds new ones, so another name is only warned about.
PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f")


def problems(tree: Table) -> Iterator[Problem]:
    """Every problem of this file: its keys, and the rest of the sentence."""
    if tree.get("profiles", {}) == {}:
        yield ("profiles",), "is missing or empty: mayfly needs at least one profile"
    profiles = tree.get("profiles") or {}
    yield from _twins(("profiles",), profiles, "token files could not be told apart")
    yield from _ways(tree)
    for name, profile in profiles.items():
        if profile is not None and is_role(profile):
            yield from _role_profile(profiles, name)
        elif profile is not None:
            yield from _key_profile(tree, name)


def nearest(given: str, known: Collection[str]) -> str:
    """The known name that was probably meant, or all of them."""
    import difflib

    near = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"


def _twins(keys: Keys, names: Collection[str], why: str) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            yield (*keys, name), f"differs from {other} by case only: {why}"


def _ways(tree: Table) -> Iterator[Problem]:
    yield from _way(("onepassword",), tree.get("onepassword") or {})
    for name, way in (tree.get("onepasswords") or {}).items():
        yield from _way(("onepasswords", name), way or {})


def _way(keys: Keys, way: Table) -> Iterator[Problem]:
    if ("connect_host" in way) != ("connect_token_file" in way):
        yield keys, "needs both connect_host and connect_token_file"
    if way.get("token_command") == []:
        yield (*keys, "token_command"), "is empty: the program comes first, then its arguments"
    chosen = [name for name in ("token_file", "token_command", "connect_host") if name in way]
    if len(chosen) > 1:
        yield keys, f"has {' and '.join(chosen)}: choose one"
    if chosen and "account" in way:
        yield (*keys, "account"), f"cannot be combined with {chosen[0]}: op would ask the desktop app"


def _key_profile(tree: Table, name: str) -> Iterator[Problem]:
    profile = tree["profiles"][name]
    way, ways = profile.get("onepassword"), tree.get("onepasswords", {})
    if way is not None and ways is not None and way not in ways:
        yield ("profiles", name, "onepassword"), f"names no table in [onepasswords]: {nearest(way, ways)}"
    yield from _codes(("profiles", name), profile)
    yield from _read_only_agents(name, profile, "GetSessionToken takes no session policy: give the agent a role")
    yield from _account(name, profile, "mfa_id")


def _codes(keys: Keys, profile: Table) -> Iterator[Problem]:
    """A profile has one source of codes and the device that they are of, or no MFA at all."""
    sources = [key for key in CODE_SOURCES if key in profile]
    if len(sources) > 1:
        yield keys, f"has {' and '.join(sources)}: choose one"
    if profile.get("otp_command") == []:
        yield (*keys, "otp_command"), "is empty: the program comes first, then its arguments"
    if sources and "mfa_id" not in profile:
        yield (*keys, "mfa_id"), f"is missing: {sources[0]} gives its codes. Without MFA leave out both"
    if "mfa_id" in profile and not sources:
        yield (*keys, "otp"), "is missing: mfa_id says whose codes they are. Without MFA leave out both"
    if "otp_unattended" in profile and "otp_command" not in profile:
        yield (*keys, "otp_unattended"), "belongs to otp_command, and there is none"


def has_mfa(profile: Table) -> bool:
    """True for the table of a profile with keys that has any part of an MFA device."""
    return not profile.keys().isdisjoint(("mfa_id", *CODE_SOURCES))


def _role_profile(profiles: Table, name: str) -> Iterator[Problem]:
    yield from _source(profiles, name)
    yield from _partition(profiles, name)
    yield from _account(name, profiles[name], "role_arn")
    yield from _duration(name, profiles[name])
    yield from _policies_and_tags(name, profiles[name])
    yield from _read_only_agents(name, profiles[name], _why_not_narrowed(profiles[name]))


def _source(profiles: Table, name: str) -> Iterator[Problem]:
    source, keys = _source_of(profiles[name]), ("profiles", name, "source_profile")
    if source is None:
        return
    if source not in profiles:
        yield keys, f"names no profile: {nearest(source, profiles)}"
    elif _is_in_cycle(profiles, name):
        yield keys, f"leads back to {name}: a chain must end at a profile with keys"
    elif profiles[name].get("mfa") == "each" and is_role(profiles[source] or {}):
        yield keys, f'is {source}, a role: mfa = "each" signs with permanent keys, so it must be a profile with keys'
    elif profiles[name].get("mfa") == "each" and profiles[source] and not has_mfa(profiles[source]):
        keys = ("profiles", name, "mfa")
        yield keys, f'is "each", and {source} has no MFA: leave mfa out, or give {source} its device'


def _partition(profiles: Table, name: str) -> Iterator[Problem]:
    """A session is valid in its own partition alone. An ARN in a 1Password item is not known here."""
    source = _source_of(profiles[name])
    below = profiles.get(source or "") or {}
    mine, theirs = (partition_of(arn or "") for arn in (profiles[name].get("role_arn"), _arn_of(below)))
    if mine and theirs and mine != theirs:
        yield (
            ("profiles", name, "role_arn"),
            f"is in {mine}, and {source} is in {theirs}: no session goes from one partition to another",
        )


def _arn_of(profile: Table) -> str | None:
    return profile.get("role_arn" if is_role(profile) else "mfa_id")


def _source_of(profile: Table | None) -> str | None:
    return (profile or {}).get("source_profile")


def _is_in_cycle(profiles: Table, name: str) -> bool:
    seen: set[str] = set()
    source = _source_of(profiles[name])
    while source in profiles and source not in seen:
        if source == name:
            return True
        seen.add(source)
        source = _source_of(profiles[source])
    return False


def _read_only_agents(name: str, profile: Table, why_not: str) -> Iterator[Problem]:
    if profile.get("agents") == "read-only" and why_not:
        yield ("profiles", name, "agents"), f'is "read-only", and {why_not}'


def _why_not_narrowed(role: Table) -> str:
    """Why a session of the role cannot be narrowed; "" if it can."""
    if role.get("mfa") == "each":
        return 'mfa = "each" would ask for a code for the agent\'s own session'
    key = next((key for key in ("policy", "policy_arns") if role.get(key)), "")
    # IAM user guide, session policies: what one of them allows is allowed.
    return key and f"the role has {key}: AWS allows what any session policy allows, so one more would widen it"


def _account(name: str, profile: Table, key: str) -> Iterator[Problem]:
    """An account_id that differs from the profile's own ARN would refuse every session."""
    stated, arn = profile.get("account_id"), profile.get(key) or ""
    if stated and arn.startswith("arn:") and arn.split(":")[4] != stated:
        yield ("profiles", name, "account_id"), f"is another account than that of {key}"


def _duration(name: str, profile: Table) -> Iterator[Problem]:
    seconds = profile.get("duration_seconds") or 0
    if seconds > CHAINED_MAX_SECONDS and "mfa" not in profile:
        yield (
            ("profiles", name, "duration_seconds"),
            f"is {seconds} seconds: a role assumed from a session lives an hour at most in AWS (role chaining): "
            f"use {CHAINED_MAX_SECONDS} or less, it is renewed without a prompt; "
            'or mfa = "each", with a code and a prompt for each session'
            + (f" of {ROLE_MAX_SECONDS} at most" if seconds > ROLE_MAX_SECONDS else ""),
        )
    elif seconds > ROLE_MAX_SECONDS:
        yield (
            ("profiles", name, "duration_seconds"),
            f"is {seconds} seconds: AWS gives a role {ROLE_MAX_SECONDS} at most",
        )


def _policies_and_tags(name: str, profile: Table) -> Iterator[Problem]:
    arns = profile.get("policy_arns") or []
    yield from _policy_arns(name, profile.get("role_arn") or "", arns)
    if len(arns) > MAX_POLICY_ARNS:
        yield ("profiles", name, "policy_arns"), f"has {len(arns)}: AWS takes {MAX_POLICY_ARNS} at most"
    tags = profile.get("tags", {})
    if tags is None:
        return
    if len(tags) > MAX_TAGS:
        yield ("profiles", name, "tags"), f"has {len(tags)}: AWS takes {MAX_TAGS} at most"
    yield from _twins(("profiles", name, "tags"), tags, "to AWS they are one")
    known = {key.lower() for key in tags}
    for position, key in enumerate(profile.get("transitive_tag_keys") or []):
        if key is not None and key.lower() not in known:
            yield ("profiles", name, "transitive_tag_keys", position), f"is no key of tags: {nearest(key, tags)}"


def _policy_arns(name: str, role_arn: str, arns: list[str | None]) -> Iterator[Problem]:
    for position, arn in enumerate(arns):
        problem = foreign_policy(role_arn, arn) if role_arn and arn is not None else None
        if problem:
            yield ("profiles", name, "policy_arns", position), problem


# botocore asks again on every call inside the last 15 minutes: more than a third of a shorter life.
SHORT_SECONDS = 2700


def warnings(config: Config) -> Iterator[Problem]:
    """Settings that are allowed and will surprise."""
    for name, profile in config.profiles.items():
        seconds = profile.duration_seconds
        if seconds < SHORT_SECONDS:
            yield (
                ("profiles", name, "duration_seconds"),
                f"{seconds} seconds are short: SDKs ask again 15 minutes before the end; {SHORT_SECONDS} or more is "
                "better",
            )
        yield from _idle_top_up(name, profile)
        if profile.agents != "same" and sys.platform != "linux":
            yield ("profiles", name, "agents"), "changes nothing here: agents are recognised on Linux only"
        yield from _weaker(name, profile)
        key = "role_arn" if isinstance(profile, RoleProfile) else "mfa_id"
        partition = partition_of(getattr(profile, key) or "")
        if partition and partition not in PARTITIONS:
            yield ("profiles", name, key), f"{partition} is no partition known here: {nearest(partition, PARTITIONS)}"


def _idle_top_up(name: str, profile: Profile) -> Iterator[Problem]:
    if profile.top_up and isinstance(profile, RoleProfile) and not profile.mfa:
        where = ("profiles", name, "top_up")
        yield where, f"changes nothing: the role is renewed without a prompt. Set it for {profile.source_profile}"
    elif profile.top_up and profile.on_lock == "forget":
        yield ("profiles", name, "top_up"), 'has nothing to renew at the unlock, because on_lock is "forget"'


def _weaker(name: str, profile: Profile) -> Iterator[Problem]:
    if isinstance(profile, KeyProfile) and profile.mfa_id is None:
        yield (
            ("profiles", name),
            "has no MFA (neither otp nor mfa_id): that is weaker, and its sessions may neither call IAM nor assume a "
            "role that requires MFA",
        )
