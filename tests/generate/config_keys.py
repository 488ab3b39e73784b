"""Every key of the config: its meaning is written here; its kind, range and default come from the config's types."""

from __future__ import annotations

import inspect

from typing import Any

import attrs

from mayfly.config import values
from mayfly.config.model import Config, KeyProfile, OnePassword, RoleProfile


@attrs.frozen
class Key:
    """A key: what it means, what it takes, and what is taken if it is left out (in words)."""

    name: str
    meaning: str
    takes: str
    default: str

    def facts(self) -> str:
        """What it takes and its default, in one line."""
        return f"{self.takes}; {self.default}"


@attrs.frozen
class Table:
    """A table of the config: its head as a person writes it, what it is for, and its keys."""

    head: str
    what: str
    keys: tuple[Key, ...]


# What a value of each type is, in words; `low` and `high` stand for a range.
_KINDS = {
    "Text": "a line of text",
    "ProfileName": "a profile's name",
    "Reference": "a secret reference, op://VAULT/ITEM/FIELD",
    "OtpReference": "a secret reference, op://VAULT/ITEM/FIELD",
    "MfaDevice": "a secret reference, or an ARN like arn:aws:iam::123456789012:mfa/NAME",
    "RoleArn": "an ARN like arn:aws:iam::123456789012:role/NAME",
    "AccountId": "twelve digits, in quotes",
    "Region": "a region like eu-central-1",
    "EndpointUrl": "an https URL (http on loopback only)",
    "Address": "127.0.0.1:PORT",
    "FilePath": "an absolute path; ~ is your home",
    "Switch": "true or false",
    "RoleSessionName": "2 to 64 letters, digits and _ + = , . @ -",
    "ExternalId": "2 to 1224 letters, digits and _ + = , . @ : / -",
    "SourceIdentity": "2 to 64 letters, digits and _ + = , . @ -",
    "Policy": "a policy in JSON, 2,048 characters at most",
    "PolicyArn": "an ARN like arn:aws:iam::aws:policy/NAME",
    "TagKey": "the key of a tag",
    "RefreshMode": " | ".join(values.REFRESH_MODES),
    "MfaMode": " | ".join(values.MFA_MODES),
    "OnLock": " | ".join(values.ON_LOCK),
    "AgentsMode": " | ".join(values.AGENTS_MODES),
}

_MEANINGS = {
    "listen": "The address of the endpoint",
    "cold_wait_seconds": "How long a client's first request may wait for a human",
    "allow_root": "Root's processes may ask, too; under sudo also mayfly's commands, with your runtime folder",
    "notify": "Desktop notifications: who asks, which client was refused, what could not be renewed",
    "op": "1Password's command line program",
    "account": "The 1Password account, as for op --account",
    "timeout_seconds": "How long op may take, the human included",
    "token_file": "A file with a service account's token, mode 0600",
    "token_command": "A program that prints a service account's token, and its arguments",
    "connect_host": "The URL of a Connect server",
    "connect_token_file": "A file with the Connect server's token, mode 0600",
    "name": "The profile's name for people",
    "region": "The region for clients, and for STS",
    "sts_region": "The region of STS if it differs; of a list, the next is called only if none before can be reached",
    "sts_endpoint_url": "The URL of STS if it is none of AWS's regional ones",
    "account_id": "Credentials of any other account are refused",
    "refresh": "When the credentials are renewed",
    "on_lock": "What the lock of the screen does to the credentials: nothing, clients get none, or they are dropped",
    "top_up": "Renew at the first unlock of a day what would end in the course of it",
    "agents": "What a coding agent gets by the profile's own token (Linux): a guard rail, and no wall",
    "access_key_id": "Where the access key id is in 1Password",
    "secret_access_key": "Where the secret access key is in 1Password",
    "otp": "Where the one-time password is in 1Password; ?attribute=otp is added: the code is read, never its seed",
    "otp_command": "A program that prints the one-time password, in place of otp, and its arguments",
    "otp_unattended": "otp_command needs neither a touch nor anybody who types, so it may run at any time",
    "mfa_id": "The MFA device, or where its ARN is in 1Password",
    "onepassword": "The way to 1Password, if it is not the one of [onepassword]: the NAME of [onepasswords.NAME]",
    "duration_seconds": "How long the credentials last",
    "source_profile": "The profile whose session assumes the role: one with keys, or another role",
    "role_arn": "The role",
    "mfa": "each: the role is assumed with the access key and a code of its own, and may last 12 hours",
    "role_session_name": "The session's name in CloudTrail",
    "external_id": "As in AssumeRole",
    "policy": "A session policy: the session may do what both the role and the policy allow",
    "policy_arns": "Managed policies as session policies",
    "source_identity": "As in AssumeRole",
    "tags": "Session tags",
    "transitive_tag_keys": "The tags that go on to the next role of a chain",
}

# Defaults that are no constant.
_DEFAULTS = {
    "listen": "9170 + (your uid mod 1000)",
    "op": "found on PATH, in folders that only you or root can write",
    "account": "op's own choice",
    "onepassword": "[onepassword]",
    "otp": "otp_command, or no MFA",
    "otp_command": "otp, or no MFA",
    "mfa_id": "no MFA",
    "region": "the source's, else the first of the partition, us-east-1",
    "sts_region": "region",
    "sts_endpoint_url": "AWS's, in the region",
    "account_id": "any account",
    "refresh": "always where nobody is asked, else while-used",
    "role_session_name": "your user's and host's name",
    "mfa": "by the source's session, which AWS ends after an hour",
}


def _table(head: str, what: str, kind: Any, *, without: tuple[str, ...] = ()) -> Table:
    fields = [field for field in attrs.fields(kind) if field.name not in without]
    # `field.type` is another once a config has been loaded in this process.
    types = {name: text for each in reversed(kind.__mro__) for name, text in inspect.get_annotations(each).items()}
    return Table(head, what, tuple(_key(field, types[field.name]) for field in fields))


def _key(field: Any, kind: str) -> Key:
    return Key(field.name, _MEANINGS[field.name], _takes(kind), _default(field))


def _takes(kind: str) -> str:
    base = kind.removesuffix(" | None")
    if base.startswith("tuple["):
        inner = _takes(base.removeprefix("tuple[").removesuffix(", ...]"))
        return f"a list, each: {inner}"
    if base.startswith("dict["):
        return "a table of names and values"
    if base in values.SECONDS:
        low, high = values.SECONDS[base]
        return f"{low} to {high:,} seconds" if high else f"{low} seconds or more"
    return _KINDS[base]


def _default(field: Any) -> str:
    if field.default is attrs.NOTHING:
        return "needed"
    if field.name in _DEFAULTS:
        return f"default: {_DEFAULTS[field.name]}"
    if isinstance(field.default, bool):
        return f"default: {str(field.default).lower()}"
    if isinstance(field.default, str | int):
        return f"default: {field.default}"
    return "may be left out"


TABLES = (
    _table(
        "the top",
        "Keys that stand before all tables.",
        Config,
        without=("source", "digest", "warnings", "profiles", "onepassword", "onepasswords"),
    ),
    _table(
        "[onepassword], [onepasswords.NAME]", "A way to 1Password. Without a token it is the desktop app.", OnePassword
    ),
    _table("[profiles.NAME] with keys", "A profile with an access key in 1Password: GetSessionToken.", KeyProfile),
    _table("[profiles.NAME] of a role", "A role on top of another profile: AssumeRole.", RoleProfile),
)
