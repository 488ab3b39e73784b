"""The values of a role in AWS's files, by the names in Mayfly's config. Pure.

Sources: the AWS CLI's configuration reference; aws-vault's USAGE.md for source_identity and the session's tags.
"""

from __future__ import annotations

import re

from mayfly.cli.aws_config.vaults import Settings
from mayfly.cli.config_text import Value


_SAME_NAMES = ("role_arn", "region", "external_id", "role_session_name", "source_identity")

LEAST_SECONDS = 900
CHAINED_MAX_SECONDS = 3600


def of(settings: Settings, *, is_on_keys: bool) -> tuple[dict[str, Value], list[str]]:
    """The role's values, and notes on what is left out or changed; `is_on_keys`: its source has permanent keys."""
    notes: list[str] = []
    values: dict[str, Value] = {key: settings[key] for key in _SAME_NAMES if key in settings}
    values |= _tags(settings, notes)
    values |= _duration(settings.get("duration_seconds"), notes, is_on_keys=is_on_keys)
    return values, notes


def _tags(settings: Settings, notes: list[str]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    if text := settings.get("session_tags"):
        pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
        if all(key.strip() and equals for key, equals, _ in pairs):
            values["tags"] = {key.strip(): value.strip() for key, _, value in pairs}
        else:
            notes.append("left out session_tags, which are not written as KEY=VALUE,KEY=VALUE")
    if text := settings.get("transitive_session_tags"):
        values["transitive_tag_keys"] = [key.strip() for key in text.split(",") if key.strip()]
    return values


def _duration(text: str | None, notes: list[str], *, is_on_keys: bool) -> dict[str, Value]:
    if text is None:
        return {}
    seconds = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0
    if seconds < LEAST_SECONDS:
        notes.append("left out duration_seconds, which is less than AWS takes, or no number")
        return {}
    if seconds <= CHAINED_MAX_SECONDS:
        return {"duration_seconds": seconds}
    if is_on_keys:
        notes.append('lives over an hour, so it has mfa = "each": a prompt and a code for each session')
        return {"duration_seconds": seconds, "mfa": "each"}
    notes.append("left out duration_seconds: a role assumed by a role lives an hour at most in AWS")
    return {}
