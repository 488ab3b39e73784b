"""The checks of `mayfly serve` before it listens: `op`, the port, and tokens that another user may know."""

from __future__ import annotations

import argparse
import os

from typing import TYPE_CHECKING

from mayfly.cli import speech
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid, MayflyError


if TYPE_CHECKING:
    from mayfly.config.model import Config, OnePassword
    from mayfly.service.manager import Manager


def check_machine(given: argparse.Namespace, manager: Manager, found: Config, address: tuple[str, int]) -> None:
    """Raise Stop for an `op` that cannot be used, or a port that another process has; print the warnings."""
    # The sealed unit does not see every folder. The exchange, which runs `op`, judges the program anyway.
    if not given.sealed:
        _warn_of_skipped_folders()
        _check_ops(found)
        _warn_of_commands(found)
        _check_port(found, address, manager)
    for text in (*found.warnings, *filter(None, [paths.overlooked_config(given.config)])):
        speech.warning(text)


def _warn_of_skipped_folders() -> None:
    from mayfly.shared import programs

    for line in programs.skipped_folders(os.environ):
        speech.warning(f"{line}: no program is run from there")


def _warn_of_commands(found: Config) -> None:
    """Say which profiles get no code, because their `otp_command` is missing or cannot be trusted."""
    from mayfly.exchange import otp_command

    for name in dict.fromkeys(found.ancestry(profile)[0] for profile in found.profiles):
        if words := found.keys_of(name).otp_command:
            try:
                otp_command.find(words, os.environ)
            except ConfigInvalid as error:
                for problem in error.problems:
                    speech.warning(f"{found.source}: profiles.{name}.{problem}")


def _check_ops(found: Config) -> None:
    """Raise Stop with a line for each `op` that the profiles need and that is missing or cannot be trusted."""
    from mayfly.exchange.onepassword.op_program import find_op

    lines: dict[str, MayflyError] = {}
    for key, way in ways_to_1password(found).items():
        where = f"{found.source}: {key}.op: " if way.op else ""
        try:
            find_op(way, os.environ, key)
        except ConfigInvalid as error:
            lines |= {f"{where}{problem}": error for problem in error.problems}
        except MayflyError as error:
            lines[f"{where}{error.message}"] = error
    if lines:
        is_config = any(isinstance(error, ConfigInvalid) for error in lines.values())
        hints = dict.fromkeys(error.hint for error in lines.values() if error.hint)
        raise speech.Stop(speech.WRONG_USAGE if is_config else speech.FAILED, *lines, hints=tuple(hints))


def ways_to_1password(found: Config) -> dict[str, OnePassword]:
    """The settings for 1Password that profiles use, by their table."""
    names = dict.fromkeys(found.keys_of(profile).onepassword for profile in found.profiles)
    ways = {f"onepasswords.{name}": found.onepasswords[name] for name in names if name}
    return ways | ({"onepassword": found.onepassword} if None in names else {})


def _check_port(found: Config, address: tuple[str, int], manager: Manager) -> None:
    """Raise Stop if a process has bound the port without listening: with SO_REUSEADDR we could bind it all the same."""
    from mayfly.cli.ports import has_unknown_holder

    if not manager.inherited.port and address[1] and has_unknown_holder(address[1]):
        raise port_taken(found, address)


def port_taken(found: Config, address: tuple[str, int]) -> speech.Stop:
    """The Stop for a port that another process has. Makes all tokens new if it may be another user's."""
    from mayfly.cli.ports import holder, is_strangers, silent_holder

    may_be_another_users = is_strangers(address[1])
    if not may_be_another_users and _is_served():
        return speech.Stop(speech.FAILED, "another mayfly serves already", hints=("mayfly status",))
    who = holder(address[1])
    hints: tuple[str, ...] = (
        'end it, or choose another port in the config: listen = "127.0.0.1:PORT"',
        "or for once: mayfly serve --listen 127.0.0.1:PORT",
    )
    if not who and (silent := silent_holder(address[1])):
        hints = (f"it is {silent}", *hints)
    if may_be_another_users:
        hints = (_make_new_tokens(found), *hints)
    message = f"{address[0]}:{address[1]} is taken by {who or 'a process that does not listen'}"
    return speech.Stop(speech.FAILED, message, hints=hints)


def _is_served() -> bool:
    """True if a daemon of this user answers."""
    from mayfly.cli import client

    try:
        return client.ask("GET", "/status").status == 200
    except (client.NotRunning, client.Distrusted, MayflyError):
        return False


def _make_new_tokens(found: Config) -> str:
    """Make all tokens new, because clients may have sent theirs to another user's process; the hint that says so."""
    from mayfly.shared.tokens import rotate_token

    for profile in found.profiles:
        rotate_token(profile)
    return 'all tokens are new, because clients may have sent the old ones there: eval "$(mayfly env PROFILE)" anew'
