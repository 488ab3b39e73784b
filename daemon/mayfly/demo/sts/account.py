"""An AWS account as STS knows it: who exists, who speaks, and with which keys.

Values only. Secrets have no repr. A root user is a `User` whose `user_id` is the account's id,
as GetCallerIdentity shows it.
"""

import base64
import hashlib
import json
import secrets

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An IAM user with one access key and at most one TOTP device (`totp_seed` is base32)."""

    name: str
    user_id: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    mfa_serial: str | None = None
    totp_seed: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A role of the account that its users and roles may assume; `name` may hold a path."""

    name: str
    max_session_seconds: int = 3600
    requires_mfa: bool = False
    external_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account: its id (12 digits), its users and its roles."""

    account_id: str
    users: tuple[User, ...]
    roles: tuple[Role, ...] = ()

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`: what the first MFA device's ARN says, else `aws`."""
        arns = (user.mfa_serial for user in self.users if user.mfa_serial)
        return next((arn.split(":")[1] for arn in arns if arn.startswith("arn:")), "aws")

    def role_arn(self, role: Role) -> str:
        """The ARN by which `role` is assumed."""
        return f"arn:{self.partition}:iam::{self.account_id}:role/{role.name}"

    def role_at(self, arn: str) -> Role | None:
        """The role with this ARN, or None."""
        return next((role for role in self.roles if self.role_arn(role) == arn), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who speaks: GetCallerIdentity's fields, and what decides over MFA and chaining.

    `user` is the one whose MFA device can vouch (None behind a role); `temporary` means that the
    credentials came from STS.
    """

    partition: str
    account_id: str
    user_id: str
    path: str
    user: User | None = None
    temporary: bool = False
    mfa_authenticated: bool = False

    @property
    def is_root(self) -> bool:
        """Whether this is the account's root user, with or without a session."""
        return self.path == "root"

    @property
    def arn(self) -> str:
        """The caller's ARN: `iam` for users and root, `sts` for assumed roles."""
        service = "sts" if self.path.startswith("assumed-role/") else "iam"
        return f"arn:{self.partition}:{service}::{self.account_id}:{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An access key, permanent (no token, no expiration) or temporary, and whose it is."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expiration: datetime | None = None
    principal: Principal


def permanent_key(account: Account, user: User) -> Key:
    """The key with which `user` speaks."""
    is_root = user.user_id == account.account_id
    principal = Principal(
        partition=account.partition,
        account_id=account.account_id,
        user_id=user.user_id,
        path="root" if is_root else f"user/{user.name}",
        user=user,
    )
    return Key(
        access_key_id=user.access_key_id,
        secret_access_key=user.secret_access_key,
        principal=principal,
    )


def temporary_key(principal: Principal, expiration: datetime) -> Key:
    """Fresh temporary credentials, in AWS's lengths: `ASIA` and 16, 40, some hundred."""
    return Key(
        access_key_id="ASIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
        secret_access_key=base64.b64encode(secrets.token_bytes(30)).decode(),
        session_token=base64.b64encode(secrets.token_bytes(420)).decode(),
        expiration=expiration,
        principal=principal,
    )


def role_principal(account: Account, role: Role, session_name: str) -> Principal:
    """Who speaks after AssumeRole: no user, and so no MFA, stands behind it."""
    digest = hashlib.sha256(account.role_arn(role).encode()).digest()
    role_id = "AROA" + base64.b32encode(digest).decode()[:17]
    return Principal(
        partition=account.partition,
        account_id=account.account_id,
        user_id=f"{role_id}:{session_name}",
        # The path of a role is not part of its sessions' ARNs (IAM User Guide, "IAM identifiers").
        path=f"assumed-role/{role.name.rpartition('/')[2]}/{session_name}",
        temporary=True,
    )


def account_from(document: Mapping[str, Any]) -> Account:
    """Build an account from `{"account_id", "users": [{…}], "roles": [{…}]}`, fields as above."""
    return Account(
        account_id=document["account_id"],
        users=tuple(User(**user) for user in document["users"]),
        roles=tuple(Role(**role) for role in document.get("roles", ())),
    )


def read_document(path: Path) -> dict[str, Any]:
    """The JSON object in the file at `path`."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document
