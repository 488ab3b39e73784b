"""The daemon's answer about a grant that it has made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from mayfly.cli import daemon_calls
from mayfly.shared.grant import is_id


class Granted(NamedTuple):
    """A grant. What its delivery does not have is None; `credentials` has values by the names of variables.

    `narrowing` is what it may do in the daemon's words, "" for all that its profile may.
    `outlives_seconds` is for how long credentials that AWS has issued may work after the end.
    """

    id: str
    label: str
    profile: str
    narrowing: str
    delivery: str
    ends_at: datetime
    outlives_seconds: int
    token: str | None
    token_path: str | None
    socket: str | None
    config_file: str | None
    credentials_file: str | None
    credentials: dict[str, str] | None
    warnings: tuple[str, ...]


def granted(body: bytes) -> Granted:
    """The grant in the daemon's answer; raises Stop if there is none."""
    tree = daemon_calls.tree(body)
    with daemon_calls.understood():
        return Granted(
            id=checked_id(tree["id"]),
            label=str(tree["label"]),
            profile=str(tree["profile"]),
            narrowing=_text(tree, "narrowing") or "",
            delivery=str(tree["as"]),
            ends_at=instant(tree["ends_at"]),
            outlives_seconds=int(tree["outlives_seconds"]),
            token=_text(tree, "token"),
            token_path=_text(tree, "token_path"),
            socket=_text(tree, "socket"),
            config_file=_text(tree, "config_file"),
            credentials_file=_text(tree, "credentials_file"),
            credentials=_credentials(tree.get("credentials")),
            warnings=tuple(map(str, tree.get("warnings") or ())),
        )


def checked_id(value: object) -> str:
    """An ID, which goes into the paths of requests; raises ValueError for anything else."""
    if not is_id(value):
        raise ValueError("is no id")
    return str(value)


def instant(text: str) -> datetime:
    """The instant in a daemon's answer."""
    # `shared.credentials.parse_instant` is stricter, and takes longer to import than all else here.
    return datetime.fromisoformat(text).astimezone(UTC)


def _text(tree: dict[str, Any], key: str) -> str | None:
    value = tree.get(key)
    return None if value is None else str(value)


def _credentials(tree: dict[str, Any] | None) -> dict[str, str] | None:
    """The form of `credential_process`, as variables."""
    if tree is None:
        return None
    return {
        "AWS_ACCESS_KEY_ID": str(tree["AccessKeyId"]),
        "AWS_SECRET_ACCESS_KEY": str(tree["SecretAccessKey"]),
        "AWS_SESSION_TOKEN": str(tree["SessionToken"]),
        "AWS_CREDENTIAL_EXPIRATION": str(tree["Expiration"]),
    }
