"""Makes a config from the profiles of `~/.aws`, for `init` and `import-aws-config`. Pure: texts in, texts out.

Law: of a permanent key only its presence is noted, never its value.
"""

from __future__ import annotations

import configparser
import re

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, count
from typing import NamedTuple

from mayfly.cli.aws_config import ini, role_values, sections, vaults
from mayfly.cli.aws_config.vaults import Profiles, Settings
from mayfly.cli.config_text import Value, table


# The fields of an item, by the names that 1Password's AWS shell plugin gives them.
FIELDS = {
    "access_key_id": "access key id",
    "secret_access_key": "secret access key",
    "otp": "one-time password",
    "mfa_id": "mfa serial",
}

_COMMENT = re.compile(r"(^|\s+)[#;].*", re.DOTALL)
_TAKEN_OVER = (
    "role_arn",
    "source_profile",
    "mfa_serial",
    "duration_seconds",
    "external_id",
    "role_session_name",
    "region",
    "source_identity",
    "session_tags",
    "transitive_session_tags",
)
# The settings that a profile with keys takes over. The settings of its role are for roles only.
_OF_KEYS = ("region", "mfa_serial")
_KEYS = ("aws_access_key_id", "aws_secret_access_key")


# Other sources of credentials, by the setting that shows them.
_OTHER_SOURCES = {
    "sso_session": "SSO (IAM Identity Center)",
    "sso_start_url": "SSO (IAM Identity Center)",
    "granted_sso_start_url": "SSO (IAM Identity Center)",
    "login_session": "aws login",
    "credential_process": "credential_process",
    "web_identity_token_file": "a web identity",
    "credential_source": "credential_source",
    "aws_session_token": "temporary keys",
}


class Unreadable(ValueError):
    """A file in `~/.aws` is not an INI file."""


class Keys(NamedTuple):
    """A profile with permanent keys. `of` is its name in AWS's files; `is_elsewhere`: its keys are in no file."""

    of: str
    mfa_serial: str | None
    region: str | None
    is_elsewhere: bool = False


class Role(NamedTuple):
    """A profile with a role; `values` by the config's keys."""

    source: str
    values: dict[str, Value]


class Plan(NamedTuple):
    """The profiles for the config by their names there; `notes` say what is left out, and what has changed.

    `unused`: the settings of these profiles that the config has no place for, by the profile's name in AWS's files.
    """

    keys: dict[str, Keys]
    roles: dict[str, Role]
    notes: list[str]
    unused: dict[str, list[str]]


def profiles_in(config: str, credentials: str) -> dict[str, dict[str, str]]:
    """The settings of each profile; the credentials file wins, and our own sections are left out. Raises Unreadable."""
    ours = sections.written(config).profiles
    found: dict[str, dict[str, str]] = {}
    for text, is_config in ((config, True), (credentials, False)):
        for head, settings in _parsed(text).items():
            name = ini.profile_of(head)
            is_profile = not is_config or ini.config_profile(head)
            if is_profile and not (is_config and name in ours):
                found.setdefault(name, {}).update({key: value for key, value in settings.items() if value})
    return found


def _parsed(text: str) -> dict[str, dict[str, str]]:
    # As botocore reads them, but a doubled section or key is no error here.
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as reason:
        # The reason quotes the line, which may hold a key.
        line = getattr(reason, "lineno", None) or next((number for number, _ in getattr(reason, "errors", ())), None)
        raise Unreadable(f"line {line} cannot be read" if line else "cannot be read") from None
    return {head: {key: value.strip() for key, value in parser.items(head)} for head in parser.sections()}


def make_plan(profiles: Profiles, named: Collection[str] = ()) -> Plan:
    """The plan for these profiles; those in `named` have keys, although no file has them."""
    written = profiles
    followed: list[str] = []
    profiles = vaults.with_keys_elsewhere(vaults.included(_uncommented(profiles), followed), profiles, named)
    reasons = {name: reason for name in profiles if (reason := _reason_against(profiles, name))}
    names = _names(name for name in profiles if name not in reasons)
    notes = [f"left out {name}: {reason}" for name, reason in reasons.items()]
    notes += [f"{name} is called {given} here" for name, given in names.items() if name != given]
    notes += [note for name in names for note in _comments(name, written.get(name, {}))]
    plan = Plan({}, {}, notes + followed, {})
    for name, given in names.items():
        if _is_role(profiles[name]):
            _add_role(plan, profiles, name, names)
        else:
            plan.keys[given] = _keys(profiles, name)
        _note_unused(plan, name, written.get(name, {}))
    return plan


def _note_unused(plan: Plan, name: str, settings: Settings) -> None:
    """Note the settings of a profile that the config has no place for."""
    taken = {*(_TAKEN_OVER if "role_arn" in settings else _OF_KEYS), *_KEYS, *vaults.INCLUDES}
    unused = [key for key in settings if key not in taken]
    if unused:
        plan.unused[name] = unused


def _uncommented(profiles: Profiles) -> Profiles:
    """The values as most SDKs read them: after white space, # and ; begin a comment.

    botocore takes the comment for a part of the value, so such a profile does not work there.
    """
    bare = {name: {key: _COMMENT.sub("", value) for key, value in found.items()} for name, found in profiles.items()}
    return {name: {key: value for key, value in settings.items() if value} for name, settings in bare.items()}


def _comments(name: str, settings: Settings) -> Iterator[str]:
    """A line for each value that is taken over without its comment."""
    for key in _TAKEN_OVER:
        if _COMMENT.search(settings.get(key, "")):
            yield f"{name}: left out the comment after {key}, which the AWS CLI takes for a part of it"


def _is_role(settings: Settings) -> bool:
    return "role_arn" in settings


def _has_keys(settings: Settings) -> bool:
    return "aws_access_key_id" in settings and "aws_session_token" not in settings


def _means_keys(settings: Settings) -> bool:
    """True if a source with these settings means its keys: botocore takes them before its role."""
    return not _is_role(settings) or not {"aws_access_key_id", "aws_secret_access_key"}.isdisjoint(settings)


def _reason_against(profiles: Profiles, name: str) -> str | None:
    """Why the profile or one of its sources cannot be taken over; None if all can."""
    if not _is_role(profiles[name]):
        return _why_not(profiles[name], "it")
    seen = [name]
    while source := profiles[name].get("source_profile"):
        if source not in profiles:
            return f"there is no profile {source}, its source"
        if _means_keys(profiles[source]):
            return _why_not(profiles[source], "it" if source in seen else f"its source {source}")
        if source in seen:
            return f"its sources lead back to {source}"
        seen.append(source)
        name = source
    subject = "it" if len(seen) == 1 else f"its source {name}"
    return _why_not(profiles[name], subject) or f"{subject} has a role, and no source_profile"


def _why_not(settings: Settings, subject: str) -> str | None:
    """Why these settings, which are those of `subject`, give no permanent keys."""
    other = next((what for key, what in _OTHER_SOURCES.items() if key in settings), None)
    if other:
        return f"{subject} uses {other}"
    if _is_role(settings) and not _means_keys(settings):
        return None
    return None if _has_keys(settings) else f"{subject} has neither keys nor a role"


def _names(given: Iterable[str]) -> dict[str, str]:
    """A valid name in the config for each of AWS's names; no two differ in case alone."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for name in given:
        names[name] = _free(_fitting(name), taken)
        taken.add(names[name].lower())
    return names


def _fitting(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[:60].lstrip("._-") or "profile"


def _free(base: str, taken: set[str]) -> str:
    """`base`, with a number if it is in `taken`, whose names are in lower case."""
    numbered = (f"{base}-{number}" for number in count(2))
    return next(one for one in chain([base], numbered) if one.lower() not in taken)


def _keys(profiles: Profiles, name: str) -> Keys:
    """The keys of the profile `name`. Often only the roles that have it as their source name its MFA device."""
    mine = profiles[name]
    above = [settings for settings in profiles.values() if settings.get("source_profile") == name]
    # The device of a profile with a role is that of the role's source.
    users = above if _is_role(mine) else [mine, *above]
    serials = [settings["mfa_serial"] for settings in users if "mfa_serial" in settings]
    is_elsewhere = mine.get("aws_access_key_id") == vaults.ELSEWHERE
    return Keys(name, next(iter(serials), None), mine.get("region"), is_elsewhere)


def _add_role(plan: Plan, profiles: Profiles, name: str, names: Mapping[str, str]) -> None:
    settings, given = profiles[name], names[name]
    source = _source(plan, profiles, settings["source_profile"], names)
    signer = _signer(profiles, name)
    device = _keys(profiles, signer).mfa_serial
    if device and settings.get("mfa_serial", device) != device:
        plan.notes.append(f"{given}: left out mfa_serial: {signer} gives the codes of another device")
    is_on_keys = _means_keys(profiles[settings["source_profile"]])
    values, notes = role_values.of(settings, is_on_keys=is_on_keys)
    plan.notes.extend(f"{given}: {note}" for note in notes)
    plan.roles[given] = Role(source, values)


def _signer(profiles: Profiles, name: str) -> str:
    """The profile whose keys sign for the role, at the end of its sources."""
    source = profiles[name]["source_profile"]
    while not _means_keys(profiles[source]):
        source = profiles[source]["source_profile"]
    return source


def _source(plan: Plan, profiles: Profiles, name: str, names: Mapping[str, str]) -> str:
    """The source of a role on `name`. If `name` has keys and a role, its keys become a profile of their own."""
    if not (_is_role(profiles[name]) and _means_keys(profiles[name])):
        return names[name]
    given = next((given for given, keys in plan.keys.items() if keys.of == name), None)
    if given is None:
        given = _free(f"{_fitting(name)[:55]}-keys", {one.lower() for one in (*plan.keys, *names.values())})
        plan.keys[given] = _keys(profiles, name)
    return given


def to_toml(plan: Plan, items: Mapping[str, str]) -> str:
    """The config as TOML; `items` has the 1Password item (`op://vault/item`) of each profile with keys."""
    tables = [table(("profiles", name), _key_values(keys, items[name])) for name, keys in plan.keys.items()]
    tables += [role_table(name, role) for name, role in plan.roles.items()]
    return "\n".join(tables)


def role_table(name: str, role: Role) -> str:
    """The table of a role."""
    return table(("profiles", name), {"source_profile": role.source, **role.values})


def _key_values(keys: Keys, item: str) -> dict[str, Value]:
    values: dict[str, Value] = {key: f"{item}/{field}" for key, field in FIELDS.items()}
    if keys.mfa_serial:
        values["mfa_id"] = keys.mfa_serial
    return values | ({"region": keys.region} if keys.region else {})
