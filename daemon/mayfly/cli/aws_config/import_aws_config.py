"""`mayfly import-aws-config`: makes a config from the profiles in `~/.aws`. It never prints or stores a key."""

from __future__ import annotations

import argparse
import os
import re
import sys

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from mayfly.cli import config_file, speech
from mayfly.cli.aws_config import aws_paths, reading
from mayfly.cli.aws_config.plan import FIELDS, Plan, to_toml


# The characters that `op` takes in a name; other names need the ID.
_ITEM = re.compile(r"op://[A-Za-z0-9_. -]+/[A-Za-z0-9_. -]+")

Items = dict[str, str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--item",
        metavar="[PROFILE=]op://VAULT/ITEM",
        action="append",
        default=[],
        help="the item with the keys of PROFILE, or of all profiles; asked for if left out",
    )
    parser.add_argument("--write", action="store_true", help="write it as the config, if there is none yet")


def run(given: argparse.Namespace) -> int:
    """Print or write the config, and tell the next steps."""
    path = _new_config(given.config) if given.write else None
    items = _parsed(given.item)
    plan = _plan(items)
    text = to_toml(plan, _items(plan, items))
    for note in plan.notes:
        speech.say(note)
    for name, keys in plan.unused.items():
        kept_in = aws_paths.config_file(os.environ)
        speech.say(f"{name}: left out {', '.join(keys)}: not in mayfly's config, and still in {kept_in}")
    problems = config_file.problems(text)
    if path:
        _create(path, text, problems)
        speech.say(f"wrote {path}")
    else:
        speech.print_file(text)
    for problem in problems:
        speech.warning(f"mend this: {problem}")
    _say_what_is_left(plan, text)
    return speech.FAILED if problems else speech.DONE


def _new_config(given: str | None) -> Path:
    """The path for the config; raises Stop if there is a config already."""
    path = config_file.place(given)
    if path.exists():
        raise speech.Stop(
            speech.FAILED,
            f"{path} is there already, and stays as it is",
            hints=("print the new config, and copy the parts that you want: mayfly import-aws-config",),
        )
    return path


def _plan(items: Items) -> Plan:
    plan = reading.plan_of(items.keys())
    if not plan.keys:
        for note in plan.notes:
            speech.say(note)
        raise speech.Stop(
            speech.FAILED,
            f"{aws_paths.config_file(os.environ)}: has no profile with permanent keys, and no role on such a profile",
            hints=(
                "if the keys are in 1Password alone, choose the item there: mayfly init",
                "if 1Password has the keys of a profile here: mayfly import-aws-config --item PROFILE=op://VAULT/ITEM",
            ),
        )
    return plan


def _parsed(given: list[str]) -> Items:
    """The item by the profile that was named; by "" the item of all other profiles."""
    items: Items = {}
    for word in given:
        name, item = ("", word) if word.startswith("op://") else word.partition("=")[::2]
        items[name] = _checked(item)
    return items


def _checked(item: str) -> str:
    if not _ITEM.fullmatch(item.rstrip("/")):
        raise speech.Stop(
            speech.WRONG_USAGE,
            "an item is op://VAULT/ITEM, by names or IDs; in names only letters, digits, blanks, '-', '_' and '.' work",
            hints=("op item list --categories 'API Credential'   # shows names and IDs",),
        )
    return item.rstrip("/")


def _items(plan: Plan, given: Mapping[str, str]) -> Items:
    """An item for each profile with keys: given, or asked for."""
    known = {*plan.keys, *(keys.of for keys in plan.keys.values())}
    unknown = [name for name in given if name and name not in known]
    if unknown:
        raise speech.Stop(
            speech.WRONG_USAGE,
            *(f"--item {name}=…: there is no profile {name} with keys" for name in unknown),
            hints=(f"profiles with keys: {', '.join(plan.keys)}",),
        )
    items = {
        name: given.get(name) or given.get(keys.of) or given.get("") or _asked_for(name)
        for name, keys in plan.keys.items()
    }
    for name, item in items.items():
        first = next(other for other, same in items.items() if same == item)
        if first != name:
            speech.warning(f"{first} and {name} have the same item, and so the same keys: --item {name}=op://…")
    return items


def _asked_for(name: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise speech.Stop(
            speech.WRONG_USAGE,
            f"which 1Password item has the keys of {name}?",
            hints=(f"mayfly import-aws-config --item {name}=op://VAULT/ITEM",),
        )
    print(f"1Password item with the keys of {name} (op://VAULT/ITEM): ", end="", file=sys.stderr, flush=True)
    return _checked(sys.stdin.buffer.readline().decode(errors="replace").strip())


def _create(path: Path, text: str, problems: list[str]) -> None:
    """Write a config that can be served; raises Stop for any other."""
    if problems:
        raise speech.Stop(
            speech.FAILED,
            *problems,
            hints=(
                f"nothing was written: mend it in ~/.aws, or here: mayfly import-aws-config … > {quote(str(path))}",
            ),
        )
    config_file.put(path, text, before=None)


def _say_what_is_left(plan: Plan, text: str) -> None:
    speech.hint("when the daemon runs, let programs find it by these profiles: mayfly aws-config --write --replace")
    fields = ", ".join(f"'{field}'" for field in FIELDS.values() if f'/{field}"' in text)
    speech.say(f"fields of the items: {fields}: if yours have other names, change them there or here")
    reading.hint_at_keys_left(plan)
