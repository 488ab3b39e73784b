"""`otp_command`: whether the program is there and nobody else can change it. It is not run: it might want a touch."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.cli.doctor.check import Check, chmods_in, failure, ok
from mayfly.cli.doctor.facts import Facts
from mayfly.cli.doctor.references import key_profiles
from mayfly.config.model import KeyProfile
from mayfly.exchange import otp_command
from mayfly.shared.errors import ConfigInvalid


def checks(facts: Facts) -> Iterator[Check]:
    """A check for each profile whose codes come from a command."""
    config = facts.config
    for name in key_profiles(config) if config else ():
        if config and config.keys_of(name).otp_command:
            yield _check(facts, name, config.keys_of(name))


def _check(facts: Facts, name: str, keys: KeyProfile) -> Check:
    try:
        program, *_ = otp_command.find(keys.otp_command or (), facts.environ)
    except ConfigInvalid as reason:
        return failure(f"otp-command.{name}", "\n".join(reason.problems), chmods_in(reason.problems) or facts.edit())
    whom = "a person" if keys.command_asks_human else "nobody"
    return ok(f"otp-command.{name}", f"by {program}, which asks {whom} and is not run here")
