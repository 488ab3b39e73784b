"""Profiles of aws-vault, granted and 1Password's shell plugin: their keys are in no file of `~/.aws`. Pure.

Sources: aws-vault's USAGE.md (`include_profile`, `session_tags`, `transitive_session_tags`, `source_identity`).
"""

from __future__ import annotations

import re

from collections.abc import Collection, Iterator, Mapping


Settings = Mapping[str, str]
Profiles = Mapping[str, Settings]

# Stands for the value of a key that is in 1Password, aws-vault's keychain or granted's.
ELSEWHERE = "elsewhere"

_VAULTS = re.compile(
    r"(?:^|[\s/\\'\"(;|&])(?:aws-vault|granted|dgranted|assumego|assume|op)(?:\.exe)?(?=[\s'\"]|$)", re.IGNORECASE
)
_NOT_KEYS = re.compile(
    r"role_arn|credential_source|login_session|(?:granted_)?sso_.*|web_identity_.*|aws_session_token"
)
INCLUDES = ("include_profile", "parent_profile")  # the second is aws-vault's old name of the first


def included(profiles: Profiles, notes: list[str]) -> dict[str, dict[str, str]]:
    """The profiles with the settings that `include_profile` gives them. A name that cannot be followed gets a note."""
    return {name: _own(dict(_inherited(profiles, name, notes)), name) for name in profiles}


def _inherited(profiles: Profiles, name: str, notes: list[str]) -> Iterator[tuple[str, str]]:
    """The settings of the profile and of all that it includes, the farthest first: the nearest counts."""
    line = [name]
    while parent := _included_by(profiles[line[-1]]):
        if parent not in profiles or parent in line:
            why = "it includes itself" if parent in line else "there is no such profile"
            notes.append(f"{name}: left out include_profile {parent}: {why}")
            break
        line.append(parent)
    for one in reversed(line):
        # Permanent keys are a profile's own.
        yield from ((key, value) for key, value in profiles[one].items() if one == name or not key.startswith("aws_"))


def _own(settings: dict[str, str], name: str) -> dict[str, str]:
    """The settings without `include_profile`. Without a role, a profile that names itself as its source has none."""
    is_round = settings.get("source_profile") == name and "role_arn" not in settings
    unused = {*INCLUDES, "source_profile"} if is_round else {*INCLUDES}
    return {key: value for key, value in settings.items() if key not in unused}


def _included_by(settings: Settings) -> str | None:
    return next((settings[key] for key in INCLUDES if key in settings), None)


def with_keys_elsewhere(profiles: Profiles, written: Profiles, named: Collection[str]) -> dict[str, Settings]:
    """The profiles; those that must have keys in a vault have `ELSEWHERE` for keys, and no `credential_process`.

    `profiles` are as `included` returns them, and `written` as they stand in the files. A profile has keys in a vault
    if it is in `named`, has an MFA device, is the source of a role, or if its credential_process is a vault's; none if
    it has a role, SSO, a web identity or temporary keys.
    """
    sources = {settings.get("source_profile") for settings in profiles.values() if "role_arn" in settings}
    parents = {parent for settings in written.values() if (parent := _included_by(settings))}
    # aws-vault needs no section for keys: a source that nobody wrote down is believed if --item names it.
    known: Profiles = {**{name: {} for name in named if name in sources}, **profiles}
    return {
        name: _with_keys(settings)
        if _is_vaulted(settings, is_named=name in named, is_source=name in sources, is_included=name in parents)
        else settings
        for name, settings in known.items()
    }


def _is_vaulted(settings: Settings, *, is_named: bool, is_source: bool, is_included: bool) -> bool:
    if "aws_access_key_id" in settings or any(map(_NOT_KEYS.fullmatch, settings)):
        return False
    process = settings.get("credential_process")
    if is_named or (process and _VAULTS.search(process)):
        return True
    if "source_profile" in settings:
        return False  # aws-vault: a session of the source
    # A profile that others include is a fragment, unless something else shows that it has keys.
    return (is_source and not process) or ("mfa_serial" in settings and not is_included)


def _with_keys(settings: Settings) -> Settings:
    return {key: value for key, value in settings.items() if key != "credential_process"} | {
        "aws_access_key_id": ELSEWHERE
    }
