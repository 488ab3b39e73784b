"""Which 1Password account `op` uses with the desktop app, by op's own config.

`op` takes --account, else the account of the last sign-in (1Password's documentation). Its config is JSON with
`accounts` (those that were added by hand), `latest_signin` and `system_auth_latest_signin` (with the app), as found in
public repositories; 1Password does not document it. It also holds secret keys: only names and addresses are taken.
"""

from __future__ import annotations

import json

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from mayfly.cli.doctor.check import Check, failure, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.config.model import OnePassword
from mayfly.shared import pathnames
from mayfly.shared.files import Unreadable, read_plain_file


MAX_BYTES = 1024 * 1024
LETTERS = 64


def check(facts: Facts, table: str, way: OnePassword) -> Check:
    """The account in force, unless op's folder or an old sign-in stands in the way."""
    path = next((place for place in _places(facts) if place.is_file()), None)
    if path and path.parent.stat().st_mode & 0o077:
        # op's words: "its permissions are too broad. Change its permissions to 700".
        place = path.parent
        return failure(
            "op.account", f"{place} is open to others, and op refuses to work", f"chmod 700 {quote(str(place))}"
        )
    tree = _tree(path) if path else {}
    if by_hand := list(_by_hand(tree)):
        names = ", ".join(shown for _, shown in by_hand)
        hint = f"op account forget {quote(by_hand[0][0])}" if by_hand[0][0] else ""
        return warning("op.account", f"op was signed in by hand to {names}, which may win over the app's account", hint)
    if way.account:
        return ok("op.account", f"{way.account}, by account in [{table}]")
    last = _text(tree, "system_auth_latest_signin")
    if last:
        return ok("op.account", f"the last one that op has used with the app (user ID {last})")
    return not_known("op.account", "op has not been used yet, or the app chooses")


def _places(facts: Facts) -> Iterator[Path]:
    """Where op's config can be, the first that exists counts."""
    home = Path(pathnames.home())
    if named := facts.environ.get("OP_CONFIG_DIR"):
        yield Path(named) / "config"
    if base := facts.environ.get("XDG_CONFIG_HOME"):
        yield Path(base) / "op/config"
    yield home / ".config/op/config"
    yield home / ".op/config"


def _tree(path: Path) -> dict[str, Any]:
    try:
        tree = json.loads(read_plain_file(path, MAX_BYTES))
    except (OSError, Unreadable, ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _by_hand(tree: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The shorthand, and the name for people, of each account that was added by hand."""
    accounts = tree.get("accounts")
    for account in accounts if isinstance(accounts, list) else ():
        if isinstance(account, dict):
            shorthand = _text(account, "shorthand")
            yield shorthand, _text(account, "url").removeprefix("https://") or shorthand or "an account without a name"


def _text(tree: dict[str, Any], key: str) -> str:
    found = tree.get(key)
    return found[:LETTERS] if isinstance(found, str) else ""
