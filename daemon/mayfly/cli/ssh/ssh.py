"""`mayfly ssh`: a shell on another host, with a profile's credentials while it is open.

A port on that host's 127.0.0.1 leads to the grant's socket here. So all that is there is a token: it opens this grant
and nothing else, and nothing at all once the connection is closed.
"""

from __future__ import annotations

import argparse
import os
import signal

from typing import NoReturn

from mayfly.cli import environment, speech, target
from mayfly.cli.grant import grant, order, variables
from mayfly.cli.grant.child import Child, Ended
from mayfly.cli.grant.granted import Granted
from mayfly.cli.grant.hold import Hold
from mayfly.cli.grant.options import add_terms
from mayfly.cli.parser import RawFormatter
from mayfly.cli.ssh import options, remote
from mayfly.cli.ssh.connection import LOST, Connection, environment_of_shell, refuse_missing
from mayfly.cli.target import Target


# The words after `--` are not parsed; they come as `given.command`.
TAKES_COMMAND = True
COMMAND_MAY_BE_MISSING = True
AFTER_DASHES = "only a profile and a host are named; ssh's options follow --"

USAGE = """\
mayfly ssh [--for 1h] [--read-only | --view-only | --policy-arn ARN ... | --policy FILE]
                  [--label L] [--ask] [--token-file] [--config FILE] PROFILE HOST [-- SSH'S OPTIONS]"""

ABOUT = """\
Opens a login shell on HOST, in which the SDKs get credentials of PROFILE from the daemon here, by
a port on HOST's 127.0.0.1. HOST is any name that ssh takes. The grant ends with the shell, with
the connection, at its time, or by 'mayfly revoke'.

  mayfly ssh --read-only admin web1
  mayfly ssh --for 8h admin me@build.example.com -- -p 2222 -J bastion

HOST needs sshd, sh, mktemp and dd. root of HOST can use the credentials, as you can.

Ends as the shell ends."""

_USUAL = "mayfly ssh PROFILE HOST"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.usage = USAGE
    parser.epilog = ABOUT
    parser.formatter_class = RawFormatter
    parser.add_argument("profile", metavar="PROFILE", nargs="?", help="the profile whose credentials are granted")
    parser.add_argument("host", metavar="HOST", nargs="?", help="where to open the shell: HOST or USER@HOST")
    add_terms(parser, "HOST's name")
    parser.add_argument(
        "--token-file",
        action="store_true",
        help="for object_store, polars and deltalake: set the token's file, not the token (old SDKs read none)",
    )


def run(given: argparse.Namespace) -> int:
    """Make the grant, connect, and open the shell."""
    grant.find_names(given, _USUAL, "profile", "host")
    chosen = target.find(given.config, given.profile)
    chosen_options = options.parse(given.command)
    _refuse_host(given.host)
    refuse_missing()
    words = chosen_options.with_needed(options.effective(chosen_options.words, given.host))
    wanted = _order(given)
    made = grant.make(order.body(wanted, given.profile), wanted, "; no shell was opened")
    hold = Hold(made.id)
    try:
        _end_tidily()
        hold.take()
        with Connection(given.host, words, hold.look) as connection:
            ended = _shell(connection, chosen, made, hold, reads_file=given.token_file)
            if ended.code == LOST and connection.is_lost():
                speech.error(f"ssh has lost the connection to {given.host}, so the grant has ended")
    finally:
        hold.close()
        grant.end(made.id)
    if hold.problem:
        speech.warning(f"{given.host} got no more credentials: {hold.problem}")
    return ended.become()


def _end_tidily() -> None:
    """Until there is a shell, which gets our signals: end as by an exception, so that nothing is left."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _refuse_host(host: str) -> None:
    # argparse has taken what begins with a dash for an option, except behind another `--`.
    if not host or host.startswith("-") or not host.isprintable() or " " in host:
        raise speech.Stop(speech.WRONG_USAGE, f"{host[:64]!r} is no host", hints=(_USUAL,))


def _order(given: argparse.Namespace) -> argparse.Namespace:
    """What is asked of the daemon: a socket, held by us."""
    name = given.host.removeprefix("ssh://").rpartition("@")[2]
    fixed = {"delivery": order.SOCKET, "allow_disk": False, "token_file": False, "command": [name]}
    return argparse.Namespace(**vars(given) | fixed)


def _shell(connection: Connection, chosen: Target, made: Granted, hold: Hold, *, reads_file: bool) -> Ended:
    if not (made.socket and made.token):
        raise speech.Stop(speech.FAILED, "the daemon has made no socket for the grant")
    connection.ready()
    port = connection.forward(made.socket)
    file = connection.keep(made.token)
    there = grant.with_own_region(chosen)._replace(port=port)
    told = variables.of_command({}, there, made._replace(token=None, token_path=file, socket=None))
    told.pop(environment.TOKEN_FILE)
    try:
        command = remote.shell(told, file, reads_file=reads_file)
    except ValueError as reason:
        raise speech.Stop(speech.FAILED, f"no shell was opened: {reason}") from None
    if hold.problem:
        raise speech.Stop(speech.FAILED, f"no shell was opened: {hold.problem}")
    _say(made)
    child = Child(connection.shell(command), environment_of_shell(os.environ, variables.is_guarded))
    return child.wait(lambda: _look(hold, connection))


def _look(hold: Hold, connection: Connection) -> float | None:
    """Look after the grant. Its end is told to clients there: the terminal is the other host's."""
    if hold.problem:
        return None
    seconds = hold.look()
    if hold.problem:
        connection.refuse(hold.problem)
    return seconds


def _say(made: Granted) -> None:
    speech.say(f"{made.label} has {made.profile} {grant.until(made)}; the grant's id is {made.id}")
    grant.say_what_goes_on(made)
