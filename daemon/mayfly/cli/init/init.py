"""`mayfly init`: finds out most of the config, asks for the rest, writes it, and goes on to the first login.

Every answer can be an option. `--yes` answers the questions about the config, and no other.
"""

from __future__ import annotations

import argparse
import os
import sys

from pathlib import Path
from shlex import quote
from typing import NamedTuple

from mayfly.cli import config_file, speech
from mayfly.cli.aws_config import reading, regions
from mayfly.cli.aws_config.plan import Plan
from mayfly.cli.config_file import shown
from mayfly.cli.init import codes, draft, further, next_steps, picks, profiles, serial, ways
from mayfly.cli.init.asking import OnePasswordCli
from mayfly.cli.init.draft import Draft, Keys
from mayfly.cli.init.items import Overview
from mayfly.cli.init.next_steps import Written
from mayfly.cli.init.picks import Picked, Picker
from mayfly.cli.init.profiles import Named
from mayfly.cli.init.serial import Signer
from mayfly.cli.init.talk import Talk
from mayfly.config.load import load
from mayfly.config.model import Config, OnePassword
from mayfly.shared.text import printable


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    picks.arguments(parser)
    codes.arguments(parser)
    profiles.arguments(parser)
    ways.arguments(parser)
    serial.arguments(parser)
    parser.add_argument("--yes", action="store_true", help="ask nothing about the config: take options and defaults")
    parser.add_argument("--force", action="store_true", help="replace the profile if the config has it already")
    next_steps.arguments(parser)


def run(given: argparse.Namespace) -> int:
    """Ask, write, and take the next steps."""
    talk = Talk(asks=not given.yes and sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty())
    if not (given.yes or talk.asks):
        raise speech.Stop(
            speech.WRONG_USAGE, "init asks questions, and this is no terminal: give the answers as options, with --yes"
        )
    try:
        return _run(given, talk)
    except KeyboardInterrupt:
        # The prompt of the shell begins a line of its own.
        print(file=sys.stderr)
        raise


def _run(given: argparse.Namespace, talk: Talk) -> int:
    for part in (picks, codes, profiles, serial):
        part.check(given)
    path = config_file.place(given.config)
    if path.suffix == ".json":
        return _with_json(path, given, talk)
    config_file.check_place(path)
    config, old = config_file.current(path)
    if config and config.profiles:
        speech.say(f"{shown(path)} has {', '.join(config.profiles)} already")
    plan = profiles.plan_of_aws(given.profile)
    new, named, way, listed = _found(given, talk, config, plan)
    if _is_written(new, config, old, path, given, talk):
        reading.hint_at_keys_left(plan._replace(keys={named.name: named.keys} if named.keys else {}))
    code = next_steps.take(given, talk, Written(new.name, way, was_in_aws=named.keys is not None))
    further.hint(listed, config_file.current(path)[0], given.config)
    return code


class Findings(NamedTuple):
    """The draft of the config, its name and roles, the way to 1Password, and the list of items if it was read."""

    draft: Draft
    named: Named
    way: OnePassword
    listed: list[Overview]


def _found(given: argparse.Namespace, talk: Talk, config: Config | None, plan: Plan) -> Findings:
    """What the options, 1Password, `~/.aws`, AWS and the person say, in this order."""
    way = ways.named_in(ways.choose(given, talk, os.environ, config), config)
    op = OnePasswordCli(way.onepassword, talk)
    picker = Picker(op, talk, given)
    key, secret = picker.keys()
    title, taken = key.item.overview.title, config.profiles if config else ()
    same = draft.same_keys(config, key.reference)
    if config and same and not any((given.profile, given.mfa_id, given.region, given.force, *codes.sources(given))):
        named = profiles.choose(given, talk, plan, title, taken, same)
        return Findings(Draft(same, None, named.roles), named, config.onepassword_of(same), picker.listed)
    code = codes.find(given, picker, key.item)
    named = profiles.choose(given, talk, plan, title, taken, given.profile or same)
    region = profiles.region_of(given, talk, named.keys)
    device = None
    if not given.no_mfa:
        signer = Signer(key, secret, region or regions.DEFAULT)
        known = (named.keys.mfa_serial if named.keys else None) or ""
        items = [one.item for one in (key, code) if isinstance(one, Picked)]
        device = serial.find(given, picker, op, talk, signer, items, known)
    new = Draft(named.name, Keys(way, key, secret, code, device, region), named.roles)
    return Findings(new, named, way.onepassword, picker.listed)


def _is_written(
    new: Draft, config: Config | None, old: str | None, path: Path, given: argparse.Namespace, talk: Talk
) -> bool:
    """Write what the config lacks; False if it lacks nothing. Raises Stop or ConfigInvalid if nothing is written."""
    if new.keys and draft.is_there(config, new.name, new.keys):
        new = new._replace(keys=None)
    replaced = new.name if new.keys and config and new.name in config.profiles else None
    if replaced and not given.force:
        hints = ("to replace it, and keep a backup: --force", "to add another: --profile OTHER")
        raise speech.Stop(speech.FAILED, f"{shown(path)} has a profile {replaced}, which stays as it is", hints=hints)
    new = draft.without_refused_roles(new, config, old, replaced)
    tables = draft.tables(new, config)
    if not tables:
        speech.say(f"{shown(path)} has the profile {new.name} with these keys already: nothing is to be written")
        return False
    text = draft.whole(tables, old, replaced)
    if talk.asks:
        print("\n" + "\n".join(map(printable, "\n".join(tables).split("\n"))), file=sys.stderr)
        if not talk.confirms(f"write this to {shown(path)}?"):
            raise speech.Stop(speech.FAILED, "nothing was written")
    if replaced and old is not None:
        speech.say(f"the config as it was before: {shown(config_file.keep(path, old))}")
    config_file.put(path, text, before=old)
    speech.say(f"wrote {shown(path)}: {', '.join((*((new.name,) if new.keys else ()), *new.roles))}")
    return True


def _with_json(path: Path, given: argparse.Namespace, talk: Talk) -> int:
    """A config.json works as it is. Nothing is added to it, and no config.toml is written that would hide it."""
    if not path.exists():
        raise speech.Stop(speech.WRONG_USAGE, f"{shown(path)}: init writes TOML: name a file that ends with .toml")
    config = load(path)
    names = ", ".join(config.profiles)
    if any((given.item, given.profile, given.mfa_id, given.field, *codes.sources(given))):
        away = f"mv {quote(str(path))} {quote(f'{path}.old')}"
        raise speech.Stop(
            speech.FAILED,
            f"{shown(path)} is the config, with {names}: init writes config.toml, which would be read instead",
            hints=(
                f"{names} works as it is: mayfly init, without options for items, goes on to the first login",
                f"or begin anew, with {names} by init too: {away}",
            ),
        )
    speech.say(f"{shown(path)} works as it is, with {names}: nothing is to be written")
    first = next(name for name in config.profiles if config.base_of(name) == name)
    return next_steps.take(given, talk, Written(first, config.onepassword_of(first), has_asked=False))
