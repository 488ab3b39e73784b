"""The config as values, with the names that the file uses."""

from __future__ import annotations

import hashlib
import json

from functools import cached_property
from itertools import pairwise

import attrs

from mayfly.config.assume_role import (
    ExternalId,
    Policy,
    PolicyArn,
    RoleSessionName,
    SourceIdentity,
    TagKey,
    TagValue,
)
from mayfly.config.kinds import Text
from mayfly.config.values import (
    AccountId,
    Address,
    AgentsMode,
    EndpointUrl,
    FilePath,
    LimitSeconds,
    MfaDevice,
    MfaMode,
    OnLock,
    OtpReference,
    ProfileName,
    Reference,
    RefreshMode,
    Region,
    RoleArn,
    RoleSeconds,
    SessionSeconds,
    Switch,
    WaitSeconds,
)
from mayfly.config.way import USUAL_TIMEOUT_SECONDS, PlainWay, references_of


@attrs.frozen(kw_only=True)
class OnePassword:
    """One way to 1Password: the desktop app, a service account, or a Connect server."""

    op: FilePath | None = None
    account: Text | None = None
    timeout_seconds: LimitSeconds = LimitSeconds(USUAL_TIMEOUT_SECONDS)
    token_file: FilePath | None = None
    token_command: tuple[Text, ...] | None = None
    connect_host: EndpointUrl | None = None
    connect_token_file: FilePath | None = None

    @property
    def mode(self) -> str:
        """`desktop`, `service` or `connect`."""
        return self.plain().mode

    @property
    def asks_human(self) -> bool:
        """True if a use may raise a prompt that a person must answer."""
        return self.plain().asks_human

    def plain(self) -> PlainWay:
        """The same way, without attrs."""
        return PlainWay(*(getattr(self, name) for name in PlainWay._fields))

    def identity(self) -> OnePassword:
        """This way without `op` and its time limit, which do not change whose items are read."""
        return attrs.evolve(self, op=None, timeout_seconds=LimitSeconds(USUAL_TIMEOUT_SECONDS))


# `op` is started from a PlainWay, before the whole config is checked, or from the checked config.
Way = OnePassword | PlainWay


@attrs.frozen(kw_only=True)
class _Common:
    name: Text | None = None
    region: Region | None = None
    sts_region: tuple[Region, ...] | None = None
    sts_endpoint_url: EndpointUrl | None = None
    account_id: AccountId | None = None
    refresh: RefreshMode | None = None
    on_lock: OnLock = OnLock("keep")
    top_up: Switch = Switch(False)
    agents: AgentsMode = AgentsMode("same")


@attrs.frozen(kw_only=True)
class KeyProfile(_Common):
    """A profile with a long-term access key in 1Password: its session comes from GetSessionToken.

    Codes come from `otp` or from `otp_command`, and then `mfa_id` is there. With none of the three there is no MFA.
    """

    access_key_id: Reference
    secret_access_key: Reference
    otp: OtpReference | None = None
    otp_command: tuple[Text, ...] | None = None
    otp_unattended: Switch = Switch(False)
    mfa_id: MfaDevice | None = None
    onepassword: Text | None = None
    duration_seconds: SessionSeconds = SessionSeconds(28_800)

    def references(self) -> tuple[str, ...]:
        """The references that `op` resolves, the code last, because it ages."""
        return references_of(self.access_key_id, self.secret_access_key, self.mfa_id, self.otp)

    @property
    def code_source(self) -> str | None:
        """The source of its codes as the config names it; profiles with one source share codes. None without MFA."""
        return self.otp or self.mfa_id

    @property
    def command_asks_human(self) -> bool:
        """True if `otp_command` may need a person: a touch, or a code that is typed."""
        return self.otp_command is not None and not self.otp_unattended


@attrs.frozen(kw_only=True)
class RoleProfile(_Common):
    """A role on top of another profile: its session comes from AssumeRole.

    With `mfa = "each"` it is assumed with the long-term access key below it and a code of its own, else from a session.
    """

    source_profile: ProfileName
    role_arn: RoleArn
    mfa: MfaMode | None = None
    duration_seconds: RoleSeconds = RoleSeconds(3600)
    role_session_name: RoleSessionName | None = None
    external_id: ExternalId | None = None
    policy: Policy | None = None
    policy_arns: tuple[PolicyArn, ...] = ()
    source_identity: SourceIdentity | None = None
    tags: dict[TagKey, TagValue] = attrs.field(factory=dict)
    transitive_tag_keys: tuple[TagKey, ...] = ()


Profile = KeyProfile | RoleProfile


# Fields of a profile that do not change what its session is made from.
_NOT_IN_ORIGIN = dict.fromkeys(("name", "refresh", "region", "sts_region", "onepassword", "source_profile"))
# Left out whole, and where they are not set: so the origins of earlier versions stay as they were.
_NEWER_FIELDS = ("on_lock", "top_up", "agents")
_LEFT_OUT_UNSET = ("otp_command", "otp_unattended")


@attrs.frozen(kw_only=True)
class Config:
    """Everything that is configured.

    `source` is the file's path, `digest` its SHA-256; `warnings` are lines on what is allowed, and will surprise.
    """

    source: str = ""
    digest: str = ""
    warnings: tuple[str, ...] = ()
    profiles: dict[str, Profile] = attrs.field(factory=dict)
    onepassword: OnePassword = attrs.field(factory=OnePassword)
    onepasswords: dict[str, OnePassword] = attrs.field(factory=dict)
    listen: Address | None = None
    cold_wait_seconds: WaitSeconds = WaitSeconds(65)
    allow_root: Switch = Switch(False)
    notify: Switch = Switch(True)

    def base_of(self, profile: str) -> str:
        """The name of the profile that must be logged in to for `profile`: the first of its chain."""
        return self.chain(profile)[0]

    def chain(self, profile: str) -> tuple[str, ...]:
        """The profiles from the one that needs a code up to `profile`; each session comes from the one before.

        The chain begins at the profile with keys, or at the nearest role with a code of its own.
        """
        line = self.ancestry(profile)
        return line[max(place for place, link in enumerate(line) if _needs_code(self.profiles[link])) :]

    def ancestry(self, profile: str) -> tuple[str, ...]:
        """All profiles from the one with keys up to `profile`."""
        line = [profile]
        while isinstance(found := self.profiles[line[-1]], RoleProfile):
            line.append(found.source_profile)
        return tuple(reversed(line))

    def session_of(self, profile: str) -> str:
        """The profile whose session serves `profile`: the first of those with the same keys, account and duration.

        Their regions may differ: a session is valid in every region of its partition.
        """
        return self._sessions[profile]

    @cached_property
    def _sessions(self) -> dict[str, str]:
        first: dict[object, str] = {}
        return {name: first.setdefault(self._session_key(name), name) for name in self.profiles}

    def _session_key(self, name: str) -> object:
        """A value that is equal for all profiles that share one session. A role shares its session with no other."""
        return self.origins[name] if isinstance(self.profiles[name], KeyProfile) else name

    @cached_property
    def origins(self) -> dict[str, str]:
        """By profile, the SHA-256 of everything that its session is made from.

        A stored session is found again by it, under any name. It covers the way to 1Password, but no names, regions or
        refresh modes.
        """
        found = {"": ""}
        for profile in self.profiles:
            for below, link in pairwise(("", *self.ancestry(profile))):
                if link not in found:
                    found[link] = self._origin(link, found[below])
        return found

    def _origin(self, name: str, below: str) -> str:
        fields = attrs.asdict(self.profiles[name], filter=_is_in_origin)
        made_of = fields | _NOT_IN_ORIGIN | {"below": below or attrs.asdict(self.onepassword_of(name).identity())}
        return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()

    def keys_of(self, profile: str) -> KeyProfile:
        """The profile with keys below `profile`."""
        base = self.profiles[self.ancestry(profile)[0]]
        assert isinstance(base, KeyProfile)  # noqa: S101 - load() has refused every other chain
        return base

    def onepassword_of(self, profile: str) -> OnePassword:
        """The way to 1Password for `profile`."""
        name = self.keys_of(profile).onepassword
        return self.onepasswords[name] if name else self.onepassword

    def asks_human(self, profile: str) -> bool:
        """True if a login for `profile` may need a person: at 1Password's prompt, or for `otp_command`."""
        return self.onepassword_of(profile).asks_human or self.keys_of(profile).command_asks_human


def _is_in_origin(field: attrs.Attribute[object], value: object) -> bool:
    return field.name not in _NEWER_FIELDS and bool(value or field.name not in _LEFT_OUT_UNSET)


def _needs_code(profile: Profile) -> bool:
    return isinstance(profile, KeyProfile) or profile.mfa is not None
