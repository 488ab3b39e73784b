"""The profile's name and region, and the roles of `~/.aws` that stand on its keys."""

from __future__ import annotations

import argparse
import os
import re

from collections.abc import Collection
from itertools import chain, count
from typing import NamedTuple

from mayfly.cli import speech
from mayfly.cli.aws_config import reading, regions, shadows
from mayfly.cli.aws_config.plan import Keys, Plan, Role
from mayfly.cli.init.talk import Talk
from mayfly.config.profile_name import is_profile_name
from mayfly.config.region import is_region


NAMES_SHOWN = 5

_NONE = Plan({}, {}, [], {})
_NEW = "another one, which is not in ~/.aws"


class Named(NamedTuple):
    """The profile's name, its settings in `~/.aws`, and the roles there that stand on it."""

    name: str
    keys: Keys | None
    roles: dict[str, Role]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that answer for the person."""
    parser.add_argument("--profile", metavar="P", help="the profile's name in the config")
    parser.add_argument("--region", metavar="R", help="the AWS region of its clients")
    parser.add_argument("--no-roles", action="store_true", help="take no roles along from ~/.aws/config")


def plan_of_aws(profile: str | None) -> Plan:
    """The plan for the profiles of `~/.aws`; an empty one, with a warning, if its files cannot be read."""
    try:
        return reading.plan_of((profile,) if profile else ())
    except speech.Stop as reason:
        for text in reason.errors:
            speech.warning(f"{text}: nothing is taken along from there")
        return _NONE


def check(given: argparse.Namespace) -> None:
    """Raise Stop for a name or region that cannot be, before anybody is asked."""
    for reason in (
        f"--profile {problem}" if given.profile and (problem := name_problem(given.profile)) else None,
        f"--region {problem}" if given.region and (problem := region_problem(given.region)) else None,
    ):
        if reason:
            raise speech.Stop(speech.WRONG_USAGE, reason)


def choose(
    given: argparse.Namespace, talk: Talk, plan: Plan, title: str, taken: Collection[str], name: str | None
) -> Named:
    """The profile for the keys of the item called `title`; `taken` are names that the config has already.

    `name`: if it is known.
    """
    name = name or _chosen_name(talk, plan, title, () if given.force else taken)
    keys = plan.keys.get(name)
    roles = {} if keys is None or given.no_roles else roles_on(plan, name)
    left = [role for role in roles if role in taken]
    if left:
        speech.say(f"already in the config, and kept as they are: {', '.join(left)}")
    roles = {role: found for role, found in roles.items() if role not in left}
    _say_notes(plan, roles)
    if roles and not talk.confirms(f"take along {_counted(roles)} from ~/.aws/config: {', '.join(roles)}?"):
        roles = {}
    return Named(name, keys, roles)


def _say_notes(plan: Plan, roles: Collection[str]) -> None:
    """The changes in these roles, and the names of profiles with other sources, if there are any."""
    for note in plan.notes:
        if note.partition(": ")[0] in roles:
            speech.say(note)
    others = (note.removeprefix("left out ").partition(": ") for note in plan.notes if note.startswith("left out "))
    left = [f"{name} ({reason})" for name, _, reason in others if "neither keys nor a role" not in reason]
    if roles and left:
        more = f" and {len(left) - NAMES_SHOWN} more" if len(left) > NAMES_SHOWN else ""
        speech.say(f"not taken along: {', '.join(left[:NAMES_SHOWN])}{more}")


def roles_on(plan: Plan, base: str) -> dict[str, Role]:
    """The roles whose sources lead to the profile `base`, each after its source."""
    found: dict[str, Role] = {}
    while new := {
        name: role for name, role in plan.roles.items() if name not in found and role.source in {base, *found}
    }:
        found |= new
    return found


def region_of(given: argparse.Namespace, talk: Talk, keys: Keys | None) -> str | None:
    """The region: of the option, of `~/.aws`, of the environment, or the person's; None where nobody says one."""
    environ = os.environ
    known = (
        given.region,
        keys.region if keys else None,
        environ.get("AWS_REGION"),
        environ.get("AWS_DEFAULT_REGION"),
        shadows.default_region(environ),
    )
    region = next((one for one in known if is_region(one)), None)
    if region:
        return region
    if not talk.asks:
        speech.say(
            "no AWS region is named, so your programs get the partition's first (us-east-1): --region R names another"
        )
        return None
    return talk.ask("AWS region for your programs", regions.DEFAULT, "--region R", region_problem)


def name_problem(name: str) -> str | None:
    """Why no profile can be called so, or None."""
    if is_profile_name(name):
        return None
    return "is no profile name: letters, digits, '.', '_' and '-', at most 64, the first a letter or digit"


def region_problem(region: str) -> str | None:
    """Why there can be no such region, or None."""
    return None if is_region(region) else "is no region: expected a name like eu-central-1"


def _chosen_name(talk: Talk, plan: Plan, title: str, taken: Collection[str]) -> str:
    """The name in `~/.aws` that the keys belong to, or a new one."""
    known = [name for name in plan.keys if name not in taken]
    if len(known) > 1 and talk.asks:
        chosen = talk.choose("profiles of ~/.aws whose keys may be in this item:", [*known, _NEW], str)
        if chosen != _NEW:
            return chosen
        known = []
    if len(known) > 1:
        hints = tuple(f"--profile {name}" for name in known)
        raise speech.Stop(speech.WRONG_USAGE, "whose keys of ~/.aws are in the item? say it by --profile", hints=hints)
    default = known[0] if known else _free(_fitting(title), taken)
    about = f" ({_counted(roles)} of ~/.aws on it)" if known and (roles := roles_on(plan, default)) else ""
    return talk.ask(f"name of the profile{about}", default, "--profile P", lambda name: _problem(name, taken))


def _problem(name: str, taken: Collection[str]) -> str | None:
    if problem := name_problem(name):
        return problem
    others = {other.lower(): other for other in taken}
    same = others.get(name.lower())
    return f"the config has a profile {same}: mayfly init --force replaces it" if same else None


def _counted(roles: Collection[str]) -> str:
    return f"{len(roles)} role{'' if len(roles) == 1 else 's'}"


def _fitting(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower())[:40].strip("-") or "aws"


def _free(base: str, taken: Collection[str]) -> str:
    lower = {name.lower() for name in taken}
    return next(one for one in chain([base], (f"{base}-{number}" for number in count(2))) if one.lower() not in lower)
