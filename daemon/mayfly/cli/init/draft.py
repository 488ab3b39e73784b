"""The new tables of the config, and the text that they make of the one that is there."""

from __future__ import annotations

import re
import tomllib

from collections.abc import Mapping
from typing import Any, NamedTuple

import attrs

from mayfly.cli import config_file, config_text, speech
from mayfly.cli.aws_config.plan import Role, role_table
from mayfly.cli.config_text import Value
from mayfly.cli.init.codes import Elsewhere
from mayfly.cli.init.items import Overview
from mayfly.cli.init.picks import Picked
from mayfly.cli.init.serial import Serial
from mayfly.cli.init.ways import Way
from mayfly.config.model import Config, KeyProfile, OnePassword


class Keys(NamedTuple):
    """A new profile with keys: the way to 1Password, the fields, the source of codes, the MFA device, the region."""

    way: Way
    key: Picked
    secret: Picked
    code: Picked | Elsewhere
    serial: Serial | None
    region: str | None

    @property
    def values(self) -> dict[str, Value]:
        """The secret references, the command and the serial, by the config's keys; without those that it lacks."""
        found: dict[str, Value] = {"access_key_id": self.key.reference, "secret_access_key": self.secret.reference}
        if isinstance(self.code, Picked):
            found["otp"] = self.code.reference
        elif self.code.command:
            found["otp_command"] = list(self.code.command)
        if self.serial:
            found["mfa_id"] = self.serial.value
        return found

    @property
    def items(self) -> list[Overview]:
        """The items that these are in."""
        picked = [self.key, *([self.code] if isinstance(self.code, Picked) else [])]
        return list(dict.fromkeys(one.item.overview for one in picked))


class Draft(NamedTuple):
    """A profile to be written, unless the config has it (`keys` None), and roles on it."""

    name: str
    keys: Keys | None
    roles: Mapping[str, Role]


def same_keys(config: Config | None, access_key_id: str) -> str | None:
    """The profile of the config that has this very access key, or None."""
    profiles = config.profiles.items() if config else ()
    found = (
        name for name, profile in profiles if isinstance(profile, KeyProfile) and profile.access_key_id == access_key_id
    )
    return next(found, None)


def is_there(config: Config | None, name: str, keys: Keys) -> bool:
    """True if the config has this profile already, as it would be written."""
    profile = config.profiles.get(name) if config else None
    if not isinstance(profile, KeyProfile):
        return False
    there = {key: _plain(value) for key in _KEYS if (value := getattr(profile, key)) is not None}
    return there == keys.values and keys.region in {None, profile.region}


_KEYS = ("access_key_id", "secret_access_key", "otp", "otp_command", "mfa_id")


def _plain(value: str | tuple[str, ...]) -> Value:
    """A value of the config as `Keys.values` has it."""
    return value.partition("?")[0] if isinstance(value, str) else list(value)


def tables(draft: Draft, config: Config | None) -> list[str]:
    """The tables that the config lacks: of the way to 1Password, of the profile, of its roles."""
    new = [*_way_table(draft.keys.way, config), _profile_table(draft.name, draft.keys)] if draft.keys else []
    return [*new, *(role_table(name, role) for name, role in draft.roles.items())]


def whole(new: list[str], old: str | None, replaced: str | None) -> str:
    """The text of the config with the new tables, and without the profile `replaced`.

    Raises Stop if tables cannot be added to the former text, because of the way it is written.
    """
    if old is None:
        return config_text.added(config_text.HEAD, new)
    kept = config_text.without(old, replaced) if replaced else old
    text = config_text.added(kept, new)
    if _rest(text, new, None) != _rest(old, [], replaced):
        if replaced:
            raise speech.Stop(
                speech.FAILED,
                f"the config is written in a way that {replaced} cannot be taken out of: nothing was written",
                hints=(f"take the profile {replaced} out of it yourself, then: mayfly init",),
            )
        raise speech.Stop(
            speech.FAILED,
            "the config is written in a way that nothing can be added to: nothing was written",
            hints=("add this yourself:", *"\n".join(new).splitlines()),
        )
    return text


def without_refused_roles(draft: Draft, config: Config | None, old: str | None, replaced: str | None) -> Draft:
    """The draft without roles that the daemon's loader refuses, each with a line that says why."""
    while draft.roles:
        problems = config_file.problems(whole(tables(draft, config), old, replaced))
        refused = {name: problem for problem in problems if (name := _role_in(problem, draft.roles))}
        if not refused:
            break
        for name, problem in refused.items():
            speech.say(f"left out the role {name}: {problem}")
        draft = draft._replace(roles=_without(draft.roles, refused))
    return draft


def _without(roles: Mapping[str, Role], refused: Mapping[str, str]) -> dict[str, Role]:
    """The roles without those that are refused, and without those on top of them."""
    gone = set(refused)
    while more := {name for name, role in roles.items() if role.source in gone} - gone:
        gone |= more
    return {name: role for name, role in roles.items() if name not in gone}


def _role_in(problem: str, roles: Mapping[str, Role]) -> str | None:
    """The role that a problem of the loader is about: `profiles.NAME.key: …`."""
    found = re.match(r'profiles\.(?:"([^"]+)"|([A-Za-z0-9_-]+))', problem)
    name = found and (found[1] or found[2])
    return name if name in roles else None


def _way_table(way: Way, config: Config | None) -> list[str]:
    """The table of the way to 1Password, if the config lacks it and it is not the usual one."""
    tables = {"": config.onepassword, **config.onepasswords} if config else {"": OnePassword()}
    values = _values(way.onepassword)
    if not values or (way.name in tables and tables[way.name].identity() == way.onepassword.identity()):
        return []
    keys = ("onepasswords", way.name) if way.name else ("onepassword",)
    return [config_text.table(keys, values, {"account": way.about})]


def _values(onepassword: OnePassword) -> dict[str, Value]:
    """The keys whose values differ from the defaults."""
    usual = attrs.asdict(OnePassword())
    values = {key: value for key, value in attrs.asdict(onepassword).items() if value != usual[key]}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}


def _profile_table(name: str, keys: Keys) -> str:
    values = dict(keys.values)
    if keys.region:
        values["region"] = keys.region
    if keys.way.name:
        values["onepassword"] = keys.way.name
    comments = {
        "access_key_id": keys.key.field.shown,
        "secret_access_key": keys.secret.field.shown,
        "otp": keys.code.field.shown if isinstance(keys.code, Picked) else "",
        "mfa_id": keys.serial.source if keys.serial else "",
    }
    above = (f"{overview.title}, in the vault {overview.vault}" for overview in keys.items)
    return config_text.table(("profiles", name), values, comments, *above)


def _rest(text: str, new: list[str], without: str | None) -> Any:
    """The parsed text but for the new tables, and the profile `without`; None if it cannot be parsed."""
    try:
        tree = tomllib.loads(text)
        added = tomllib.loads("\n".join(new))
    except tomllib.TOMLDecodeError:
        return None
    names = [*added.get("profiles", {}), *([without] if without else [])]
    for table, keys in (("profiles", names), ("onepasswords", list(added.get("onepasswords", {})))):
        for key in keys:
            tree.get(table, {}).pop(key, None)
        if not tree.get(table):
            tree.pop(table, None)
    if "onepassword" in added:
        tree.pop("onepassword", None)
    return tree
