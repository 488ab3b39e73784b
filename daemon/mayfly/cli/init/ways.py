"""Which way to 1Password: the app with one of its accounts, a service account, or a Connect server.

`op` follows variables of a shell that the daemon does not: each has a key of the config in its place.
"""

from __future__ import annotations

import argparse
import re

from collections.abc import Mapping
from itertools import chain, count
from typing import NamedTuple

import attrs

from mayfly.cli import speech
from mayfly.cli.init.asking import OnePasswordCli
from mayfly.cli.init.items import Account
from mayfly.cli.init.talk import Talk
from mayfly.config import values
from mayfly.config.kinds import Text, text
from mayfly.config.model import Config, OnePassword


TOKEN = "OP_SERVICE_ACCOUNT_TOKEN"  # noqa: S105 - the name of a variable
# Prints the variable of its own environment: the token is in no file and in no argument.
BY_VARIABLE = (Text("printenv"), Text(TOKEN))


class Way(NamedTuple):
    """A way to 1Password, and words about it for people. `name`: its table in [onepasswords], "" for [onepassword]."""

    onepassword: OnePassword
    about: str = ""
    name: str = ""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that choose the way."""
    parser.add_argument("--account", metavar="A", help="the 1Password account, as for 'op --account'")
    parser.add_argument("--token-file", metavar="FILE", help="a file (mode 0600) with a service account's token")
    parser.add_argument(
        "--connect-token-file", metavar="FILE", help="the same for the Connect server at $OP_CONNECT_HOST"
    )


def choose(given: argparse.Namespace, talk: Talk, environ: Mapping[str, str], config: Config | None) -> Way:
    """The way that the options, the environment or the person choose; raises Stop or a MayflyError."""
    if given.connect_token_file or (_has_connect(environ) and not given.account):
        return _connect(given, talk, environ)
    if given.token_file or (environ.get(TOKEN) and not given.account):
        return _service(given, talk)
    usual = config.onepassword if config else OnePassword()
    if not given.account and usual.mode != "desktop":
        return Way(usual)
    has_usual = config is not None and bool(config.profiles)
    return _desktop(given.account, talk, environ, usual, has_usual=has_usual)


def is_by_variable(way: OnePassword) -> bool:
    """True if the token is in the environment of the daemon, where a service does not have it."""
    return way.token_command == BY_VARIABLE


def named_in(way: Way, config: Config | None) -> Way:
    """The way with the name of its table; one that the config has already keeps it, a second one gets a new one."""
    if config is None or (not config.profiles and config.onepassword == OnePassword()):
        return way
    tables = {"": config.onepassword, **config.onepasswords}
    for name, table in tables.items():
        if table.identity() == way.onepassword.identity():
            return way._replace(name=name)
    address = re.search(r" at (?:https?://)?([A-Za-z0-9-]+)", way.about)
    base = address[1] if address and way.onepassword.mode == "desktop" else way.onepassword.mode
    names = chain([base], (f"{base}-{number}" for number in count(2)))
    return way._replace(name=next(name for name in names if name not in tables))


def _has_connect(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("OP_CONNECT_HOST") and environ.get("OP_CONNECT_TOKEN"))


def _connect(given: argparse.Namespace, talk: Talk, environ: Mapping[str, str]) -> Way:
    host = environ.get("OP_CONNECT_HOST")
    if not host:
        raise speech.Stop(speech.WRONG_USAGE, "--connect-token-file: OP_CONNECT_HOST must name the server")
    speech.say("OP_CONNECT_HOST is set: connect_host and connect_token_file in the config take its place")
    path = given.connect_token_file or talk.ask(
        "file (mode 0600) with the access token of the Connect server", None, "--connect-token-file FILE", _path_problem
    )
    try:
        way = OnePassword(connect_host=values.endpoint_url(host), connect_token_file=values.file_path(path))
    except ValueError as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"OP_CONNECT_HOST or --connect-token-file: {reason}") from None
    return Way(way, f"the Connect server at {host}")


def _service(given: argparse.Namespace, talk: Talk) -> Way:
    path = given.token_file
    if not path:
        speech.say(f"{TOKEN} is set: token_file or token_command in the config takes its place")
        path = talk.ask(
            "file (mode 0600) with the token, or - for the variable, which a service does not have",
            "-",
            "--token-file FILE",
            lambda answer: None if answer == "-" else _path_problem(answer),
        )
    if path == "-":
        if given.install:
            raise speech.Stop(
                speech.WRONG_USAGE,
                f"--install: a service does not have {TOKEN}",
                hints=("put the token into a file with mode 0600, and name it: --token-file FILE",),
            )
        return Way(OnePassword(token_command=BY_VARIABLE), f"a service account, by {TOKEN} of the daemon's environment")
    try:
        return Way(OnePassword(token_file=values.file_path(path)), "a service account")
    except ValueError as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"--token-file {reason}") from None


def _path_problem(answer: str) -> str | None:
    try:
        values.file_path(answer)
    except ValueError as reason:
        return f"the path {reason}"
    return None


def _desktop(wanted: str | None, talk: Talk, environ: Mapping[str, str], usual: OnePassword, *, has_usual: bool) -> Way:
    """The app, with one of its accounts. Profiles that are there without an account (`has_usual`) have the only one."""
    accounts = OnePasswordCli(attrs.evolve(usual, account=None), talk).accounts()
    if wanted is None:
        wanted = usual.account or environ.get("OP_ACCOUNT")
        if environ.get("OP_ACCOUNT") and not usual.account:
            speech.say("OP_ACCOUNT is set: account in the config takes its place")
    named = [account for account in accounts if account.is_called(wanted or "")]
    if wanted and len(named) != 1:
        return Way(attrs.evolve(usual, account=_known(wanted, accounts, named)))
    account = named[0] if named else _only(accounts, talk)
    if account is None or (has_usual and not wanted and len(accounts) == 1):
        return Way(usual)
    # An account that the config names already keeps its name there.
    name = usual.account if usual.account and account.is_called(usual.account) else account.name
    return Way(attrs.evolve(usual, account=Text(name)), account.shown)


def _known(wanted: str, accounts: list[Account], named: list[Account]) -> Text:
    """`wanted`, if `op` may know it; raises Stop for a name that is no account's, or that of several accounts."""
    if accounts:
        why = "fits several accounts" if named else "is no account that op knows"
        known = (f"--account {account.name}   # {account.shown}" for account in named or accounts)
        raise speech.Stop(speech.WRONG_USAGE, f"account {wanted} {why}", hints=tuple(known))
    try:
        return text(wanted)
    except ValueError as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"--account {reason}") from None


def _only(accounts: list[Account], talk: Talk) -> Account | None:
    """The one account, or the one that the person chooses; None where `op` tells none."""
    if len(accounts) < 2:
        return accounts[0] if accounts else None
    if not talk.asks:
        known = tuple(f"--account {account.name}   # {account.shown}" for account in accounts)
        raise speech.Stop(
            speech.WRONG_USAGE, "op knows several 1Password accounts: say which by --account", hints=known
        )
    return talk.choose("1Password accounts:", accounts, lambda account: account.shown)
