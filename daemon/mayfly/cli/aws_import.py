"""From the profiles of `~/.aws` to Mayfly's config. Pure: texts in, texts out.

Law: of a permanent key nothing is taken but that it is there.
"""

from __future__ import annotations

import configparser
import json
import re

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from mayfly.cli import aws_file


Settings = Mapping[str, str]
Profiles = Mapping[str, Settings]

# What 1Password's own AWS shell plugin calls the fields of such an item.
FIELDS = {
    "access_key_id": "access key id",
    "secret_access_key": "secret access key",
    "otp": "one-time password",
    "mfa_id": "mfa serial",
}

LEAST_SECONDS = 900
CHAINED_MAX_SECONDS = 3600

# Ways to credentials that are not Mayfly's, by a setting that tells them.
_OTHERS = {
    "sso_session": "SSO (IAM Identity Center)",
    "sso_start_url": "SSO (IAM Identity Center)",
    "login_session": "aws login",
    "credential_process": "credential_process",
    "web_identity_token_file": "a web identity",
    "credential_source": "credential_source",
    "aws_session_token": "temporary keys",
}


class Unreadable(ValueError):
    """Not the kind of file that `~/.aws` has."""


class Keys(NamedTuple):
    """A profile with permanent keys. `of` is what AWS's files call it."""

    of: str
    mfa_serial: str | None
    region: str | None


class Role(NamedTuple):
    """A profile with a role, whose `values` are those of the config's keys."""

    source: str
    values: dict[str, str | int]


class Plan(NamedTuple):
    """What can be taken over, by Mayfly's names; and `notes`: what cannot, and what became other."""

    keys: dict[str, Keys]
    roles: dict[str, Role]
    notes: list[str]


def profiles_in(config: str, credentials: str) -> dict[str, dict[str, str]]:
    """Every profile's settings, those of the credentials file first; without Mayfly's own. Raises Unreadable."""
    ours = aws_file.written(config).profiles
    found: dict[str, dict[str, str]] = {}
    for text, is_config in ((config, True), (credentials, False)):
        for head, settings in _parsed(text).items():
            name = aws_file.profile_of(head)
            is_profile = not is_config or head == "default" or name != head
            if is_profile and not (is_config and name in ours):
                found.setdefault(name, {}).update({key: value for key, value in settings.items() if value})
    return found


def _parsed(text: str) -> dict[str, dict[str, str]]:
    # As botocore reads them, but that a doubled section or key is no error.
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as reason:
        # The reason quotes the line, which might hold a key.
        line = getattr(reason, "lineno", None) or next((number for number, _ in getattr(reason, "errors", ())), None)
        raise Unreadable(f"line {line} cannot be read" if line else "cannot be read") from None
    return {head: {key: value.strip() for key, value in parser.items(head)} for head in parser.sections()}


def plan(profiles: Profiles) -> Plan:
    """What becomes of each profile."""
    reasons = {name: reason for name in profiles if (reason := _reason_against(profiles, name))}
    names = _names(name for name in profiles if name not in reasons)
    notes = [f"left out {name}: {reason}" for name, reason in reasons.items()]
    notes += [f"{name} is called {given} here" for name, given in names.items() if name != given]
    drawn = Plan({}, {}, notes)
    for name, given in names.items():
        if _is_role(profiles[name]):
            _add_role(drawn, profiles, name, names)
        else:
            drawn.keys[given] = _keys(profiles, name)
    return drawn


def _is_role(settings: Settings) -> bool:
    return "role_arn" in settings


def _has_keys(settings: Settings) -> bool:
    return "aws_access_key_id" in settings and "aws_session_token" not in settings


def _reason_against(profiles: Profiles, name: str) -> str | None:
    """Why a profile cannot be taken over, or what it stands on cannot."""
    seen: list[str] = []
    while name not in seen:
        seen.append(name)
        if name not in profiles:
            return f"there is no profile {name}, its source"
        settings = profiles[name]
        source = settings.get("source_profile")
        if not _is_role(settings) or not source or (source == name and _has_keys(settings)):
            return _why_not(settings, name if len(seen) > 1 else "")
        name = source
    return f"its sources lead back to {name}"


def _why_not(settings: Settings, source: str) -> str | None:
    """Why these settings do not end in permanent keys; `source` is whose they are, if they are a source's."""
    other = next((what for key, what in _OTHERS.items() if key in settings), None)
    subject = f"its source {source}" if source else "it"
    if other:
        return f"{subject} uses {other}"
    if _is_role(settings) and "source_profile" not in settings:
        return f"{subject} has a role, and no source_profile"
    return None if _has_keys(settings) else f"{subject} has neither keys nor a role"


def _names(given: Iterable[str]) -> dict[str, str]:
    """A name that Mayfly takes for each of AWS's, different in more than case."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in given:
        base = re.sub(r"[^A-Za-z0-9._-]", "-", name)[:60].lstrip("._-") or "profile"
        free = next(one for one in _numbered(base) if one.lower() not in taken)
        taken.add(free.lower())
        names[name] = free
    return names


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1


def _keys(profiles: Profiles, name: str) -> Keys:
    """The profile with keys called `name`; its MFA device is often named only by the roles above it."""
    mine = profiles[name]
    above = [settings for settings in profiles.values() if settings.get("source_profile") == name]
    serials = [settings["mfa_serial"] for settings in (mine, *above) if "mfa_serial" in settings]
    return Keys(name, next(iter(serials), None), mine.get("region"))


def _add_role(drawn: Plan, profiles: Profiles, name: str, names: Mapping[str, str]) -> None:
    settings, given = profiles[name], names[name]
    source = names[settings["source_profile"]]
    if settings["source_profile"] == name:
        source = next(one for one in _numbered(f"{given}-keys") if one not in {*drawn.keys, *names.values()})
        drawn.keys[source] = _keys(profiles, name)
    values: dict[str, str | int] = {"role_arn": settings["role_arn"]}
    values |= {key: settings[key] for key in ("region", "external_id", "role_session_name") if key in settings}
    is_on_keys = settings["source_profile"] == name or not _is_role(profiles[settings["source_profile"]])
    values |= _duration(drawn, given, settings.get("duration_seconds"), is_on_keys=is_on_keys)
    drawn.roles[given] = Role(source, values)


def _duration(drawn: Plan, given: str, text: str | None, *, is_on_keys: bool) -> dict[str, str | int]:
    if text is None:
        return {}
    seconds = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0
    if seconds < LEAST_SECONDS:
        drawn.notes.append(f"{given}: left out duration_seconds, which is less than AWS takes, or no number")
        return {}
    if seconds <= CHAINED_MAX_SECONDS:
        return {"duration_seconds": seconds}
    if is_on_keys:
        drawn.notes.append(
            f'{given}: is longer than an hour, and so mfa = "each": a prompt and a code for each session'
        )
        return {"duration_seconds": seconds, "mfa": "each"}
    drawn.notes.append(f"{given}: left out duration_seconds: a role on a role lives an hour at most in AWS")
    return {}


def rendered(drawn: Plan, items: Mapping[str, str]) -> str:
    """The config as TOML; `items` has the 1Password item (`op://vault/item`) of every profile with keys."""
    tables = [_table(name, _key_values(keys, items[name])) for name, keys in drawn.keys.items()]
    tables += [_table(name, {"source_profile": role.source, **role.values}) for name, role in drawn.roles.items()]
    return "\n".join(tables)


def _key_values(keys: Keys, item: str) -> dict[str, str | int]:
    values: dict[str, str | int] = {key: f"{item}/{field}" for key, field in FIELDS.items()}
    if keys.mfa_serial:
        values["mfa_id"] = keys.mfa_serial
    return values | ({"region": keys.region} if keys.region else {})


def _table(name: str, values: Mapping[str, str | int]) -> str:
    shown = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
    width = max(map(len, values))
    lines = [f"{key:<{width}} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join([f"[profiles.{shown}]", *lines, ""])
