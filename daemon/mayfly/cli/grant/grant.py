"""`mayfly grant`: credentials of one profile for a program that acts for a person: narrowed, for a while, taken back.

With a command it stays the parent, and the grant ends with the command. Without one it prints what a shell evaluates.
"""

from __future__ import annotations

import argparse
import os
import sys

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from mayfly.cli import daemon_calls, environment, ports, shells, speech, target
from mayfly.cli.aws_config import shadows
from mayfly.cli.durations import format_duration, format_time
from mayfly.cli.grant import options, order, variables
from mayfly.cli.grant.granted import Granted, granted
from mayfly.cli.parser import RawFormatter
from mayfly.cli.target import Target
from mayfly.cli.waited_answer import waited_answer


# The words after `--` are not parsed; they come as `given.command`.
TAKES_COMMAND = True
COMMAND_MAY_BE_MISSING = True

USAGE = """\
mayfly grant PROFILE [--for 1h] [--read-only | --view-only | --policy-arn ARN ... | --policy FILE]
                    [--label L] [--ask] [--as endpoint|file|env|socket] [--allow-disk] [--token-file]
                    [--shell posix|fish|pwsh|json] [--config FILE] [-- CMD ...]"""

ABOUT = """\
For coding agents, MCP servers, builds and containers. CMD gets credentials of PROFILE and of no
other: variables and files that lead to others are taken away. The grant ends with CMD, at its
time, or by 'mayfly revoke'. What AWS has issued to a role's grant may work for 15 minutes after
its time, or 30 minutes after an earlier end (with --as env: until it expires). Only a policy in
IAM ends that: 'mayfly revoke --policy' prints it.

  mayfly grant admin --read-only -- claude
  eval "$(mayfly grant admin --for 8h --view-only)"

--read-only is AWS's ReadOnlyAccess, which still reads your data: objects, tables, parameters.
--view-only (ViewOnlyAccess) lists and describes, and reads no data. --policy-arn and --policy say
exactly what is allowed. Each of them can only narrow what the role allows.

Ends as CMD ends; 127 if there is no such command, 126 if it cannot be run."""

_NOT_DONE = "; nothing was granted"
# Where a person is asked before anything is delivered, and the daemon tells no other stage.
_ASKING = {"": "asking for your yes on the desktop, or by 'mayfly approve' ({names})"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.usage = USAGE
    parser.epilog = ABOUT
    parser.formatter_class = RawFormatter
    parser.add_argument("profile", metavar="PROFILE", nargs="?", help="the profile whose credentials are granted")
    options.add_terms(parser, "CMD's name")
    parser.add_argument(
        "--as",
        dest="delivery",
        choices=order.DELIVERIES,
        default=order.ENDPOINT,
        help="how it gets the credentials (default: endpoint); file, env and socket are for sandboxes and containers",
    )
    parser.add_argument("--allow-disk", action="store_true", help="with --as file: even if the files are on a disk")
    parser.add_argument("--token-file", action="store_true", help="set the token's file, not the token")
    parser.add_argument("--shell", choices=shells.SHELLS, help="without CMD: the shell to write for (default: $SHELL)")


def run(given: argparse.Namespace) -> int:
    """Make the grant; then run the command, or print what a shell evaluates."""
    find_names(given, "mayfly grant PROFILE -- CMD ...", "profile")
    body = order.body(given, given.profile)
    chosen = target.find(given.config, given.profile)
    if given.command:
        from mayfly.cli.grant import child

        child.check(given.command, os.environ)
    elif sys.__stdout__ is None:
        raise speech.Stop(speech.FAILED, f"standard output is closed, and would be all that has the token{_NOT_DONE}")
    ports.refuse_other_users(chosen.port)
    made = make(body, given, f"; {given.command[0]} was not run" if given.command else _NOT_DONE)
    if given.command:
        return _run_command(given.command, chosen, made)
    return _print(given.shell or shells.of_user(os.environ), chosen, made)


def find_names(given: argparse.Namespace, usage: str, *wanted: str) -> None:
    """Find the names that follow the ARNs: `--policy-arn ARN ARN PROFILE`. Raises Stop for one that is missing."""
    arns = given.policy_arn or []
    missing = [name for name in wanted if getattr(given, name) is None]
    for name in reversed(missing):
        if len(arns) > 1 and not arns[-1].startswith("arn:"):
            setattr(given, name, arns.pop())
    for name in wanted:
        if getattr(given, name) is None:
            raise speech.Stop(speech.WRONG_USAGE, f"the {name} is missing", hints=(usage,))


def make(body: bytes, given: argparse.Namespace, not_done: str) -> Granted:
    """Have the daemon make the grant, and tell its warnings; raises Stop."""
    made = _ask(body, given, not_done)
    if not order.is_met(given, made.narrowing):
        end(made.id)
        raise speech.Stop(
            speech.FAILED, f"the daemon did not narrow the grant{_NOT_DONE}", hints=(daemon_calls.RESTART,)
        )
    for text in made.warnings:
        speech.warning(text)
    return made


def _ask(body: bytes, given: argparse.Namespace, not_done: str) -> Granted:
    """Have the daemon make the grant; raises Stop. Where AWS or a person is asked first, it waits."""
    call = daemon_calls.send("POST", "/grants", None, body)
    body = waited_answer(
        call,
        given.profile,
        not_done=not_done,
        # A grant that nobody waits for is not made. What 1Password gives for its source is kept.
        is_kept=False,
        other=_ASKING if given.ask and given.delivery in {order.FILE, order.ENV} else None,
    )
    return granted(body)


def _run_command(command: list[str], chosen: Target, made: Granted) -> int:
    """Run the command while the grant is held, and end the grant when it ends."""
    from mayfly.cli.grant.child import Child
    from mayfly.cli.grant.hold import Hold

    hold = Hold(made.id)
    is_told = False

    def look() -> float | None:
        nonlocal is_told
        seconds = hold.look()
        if hold.problem and not is_told:
            is_told = True
            speech.warning(f"{made.label} ({made.id}) gets no more credentials: {hold.problem}")
        return seconds

    try:
        hold.take()
        found = variables.of_command(os.environ, with_own_region(chosen), made)
        child = Child(command, found | _past_boto(found))
        ended = child.wait(look)
    finally:
        # The daemon logs that the command has ended, and not that somebody has revoked the grant.
        hold.close()
        end(made.id)
    return ended.become()


def _past_boto(found: Mapping[str, str]) -> dict[str, str]:
    """boto3 would take the keys that boto 2 has left in the home. Where there are none, gsutil may need that file."""
    return {"BOTO_CONFIG": variables.EMPTY_FILE} if shadows.boto_file(found) else {}


def end(grant_id: str) -> None:
    """End a grant that is over in any case, and know that it has ended: its token opens nothing any more."""
    with suppress(speech.Stop):
        daemon_calls.replied(daemon_calls.send("DELETE", f"/grants/{grant_id}", answer_seconds=2))


def with_own_region(chosen: Target) -> Target:
    """The region of the user's own [default] counts where the grant's files take the place of the user's."""
    return chosen._replace(fallback_region=shadows.default_region(os.environ) or chosen.fallback_region)


def _print(shell: str, chosen: Target, made: Granted) -> int:
    if made.delivery == order.FILE:
        chosen = with_own_region(chosen)
    elif not chosen.region and shadows.default_region(os.environ):
        chosen = chosen._replace(fallback_region=None)
    changes = variables.of_shell(os.environ, chosen, made)
    try:
        sys.stdout.buffer.write(os.fsencode(shells.render(shell, changes)))
        sys.stdout.flush()
    except OSError:
        # Nobody has got the token, and nobody else can give it.
        end(made.id)
        raise
    if made.delivery in {order.ENDPOINT, order.SOCKET}:
        for text in shadows.find(environment.applied(os.environ, changes)):
            speech.warning(text)
    _say(made)
    if sys.stdout.isatty() and shell in shells.EVAL:
        import shlex

        speech.hint("to use it: " + shells.EVAL[shell].format(shlex.join(("mayfly", *sys.argv[1:]))))
    return speech.DONE


def until(made: Granted) -> str:
    """The grant's end in words: `until 20:10 (8h)`."""
    now = datetime.now(UTC).astimezone()
    rest = format_duration((made.ends_at - now).total_seconds())
    return f"until {format_time(made.ends_at, now)} ({rest})"


def say_what_goes_on(made: Granted) -> None:
    """Tell for how long credentials may work after the grant's end, where the daemon has not warned of that."""
    if made.outlives_seconds and not made.credentials:
        speech.say(f"what AWS has issued by the end may work {format_duration(made.outlives_seconds)} longer")


def _say(made: Granted) -> None:
    speech.say(f"granted {made.profile} to {made.label}, {until(made)}; its id is {made.id}")
    say_what_goes_on(made)
    speech.hint(f"to end it: mayfly revoke {made.id}   (this shell: mayfly env --off)")
