"""The profiles of `~/.aws` as a plan: the one reader of AWS's files for `init` and `import-aws-config`."""

from __future__ import annotations

import os

from collections.abc import Collection
from pathlib import Path

from mayfly.cli import speech
from mayfly.cli.aws_config import aws_paths, ini
from mayfly.cli.aws_config.aws_paths import config_file, credentials_file
from mayfly.cli.aws_config.plan import Plan, Unreadable, make_plan, profiles_in
from mayfly.shared import files


def plan_of(named: Collection[str] = ()) -> Plan:
    """The plan for the profiles of `~/.aws`; those in `named` have keys. Raises Stop if a file cannot be read."""
    config = Path(aws_paths.to_change(config_file(os.environ)))
    credentials = Path(aws_paths.to_change(credentials_file(os.environ)))
    try:
        return make_plan(profiles_in(_text(config), _text(credentials)), named)
    except Unreadable as reason:
        raise speech.Stop(speech.FAILED, f"{config} or {credentials.name}: {reason}") from None


def hint_at_keys_left(plan: Plan) -> None:
    """Say which keys still lie in plain text in `~/.aws`, and in which file: SDKs take them before Mayfly's."""
    left = {keys.of for keys in plan.keys.values() if not keys.is_elsewhere}
    config, credentials = config_file(os.environ), credentials_file(os.environ)
    places = ((credentials, ini.profile_of), (config, ini.config_profile))
    for place, name_of in places if left else ():
        sections = ini.parse(_text(Path(place))).sections
        there = {name_of(section.head): None for section in sections if section.value("aws_access_key_id")}
        if names := ", ".join(name for name in there if name in left):
            speech.hint(
                f"move the keys of {names} into their items, and delete them in {place}: they work without a code"
            )


def _text(path: Path) -> str:
    try:
        return aws_paths.read(path).decode("utf-8-sig", errors="replace")
    except FileNotFoundError:
        return ""
    except files.Unreadable as reason:
        raise speech.Stop(speech.FAILED, f"{path} {reason}") from None
    except OSError as reason:
        raise speech.Stop(speech.FAILED, f"{path}: {reason.strerror}") from None
