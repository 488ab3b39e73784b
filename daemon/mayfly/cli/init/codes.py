"""The source of the one-time passwords: a field of an item, a program, or none, for a user without an MFA device."""

from __future__ import annotations

import argparse
import os
import shlex

from typing import NamedTuple

from mayfly.cli import speech
from mayfly.cli.init.items import Item
from mayfly.cli.init.picks import Picked, Picker
from mayfly.shared.errors import ConfigInvalid


class Elsewhere(NamedTuple):
    """A source that is no item: a program and its arguments; none at all for a user without an MFA device."""

    command: tuple[str, ...] = ()


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options for sources that are no item."""
    parser.add_argument("--otp-command", metavar="'CMD ARG …'", help="a program that prints the one-time password")
    parser.add_argument("--no-mfa", action="store_true", help="the user has no MFA device, which is weaker")


def check(given: argparse.Namespace) -> None:
    """Raise Stop for two sources, and for a command that the exchange would not run, before anybody is asked."""
    contradicted = ("otp=", "mfa_id=") if given.no_mfa else ("otp=",) if given.otp_command else ()
    fields = [f"--field {text}" for text in given.field if text.startswith(contradicted)]
    device = ["--mfa-id"] if given.no_mfa and given.mfa_id else []
    if len(named := [*sources(given), *fields, *device]) > 1:
        raise speech.Stop(speech.WRONG_USAGE, f"{' and '.join(named)} contradict each other: give one of them")
    if given.otp_command is not None:
        _check_program(_words(given.otp_command))


def sources(given: argparse.Namespace) -> list[str]:
    """The options that name a source."""
    values = {"--otp-item": given.otp_item, "--otp-command": given.otp_command, "--no-mfa": given.no_mfa}
    return [option for option, value in values.items() if value]


def find(given: argparse.Namespace, picker: Picker, item: Item) -> Picked | Elsewhere:
    """The source by the options, else a field of this item or of another."""
    if given.no_mfa:
        speech.warning("without MFA nothing but the access key protects the AWS account")
        return Elsewhere()
    if given.otp_command:
        return Elsewhere(_words(given.otp_command))
    return picker.code(item)


def _words(command: str) -> tuple[str, ...]:
    """The program and its arguments, as a shell splits them."""
    try:
        words = tuple(shlex.split(command))
    except ValueError as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"--otp-command: {reason}") from None
    if not words:
        raise speech.Stop(speech.WRONG_USAGE, "--otp-command is empty: the program comes first, then its arguments")
    return words


def _check_program(words: tuple[str, ...]) -> None:
    from mayfly.exchange import otp_command

    try:
        otp_command.find(words, os.environ)
    except ConfigInvalid as reason:
        problems = (problem.removeprefix("otp_command: ") for problem in reason.problems)
        raise speech.Stop(speech.WRONG_USAGE, *(f"--otp-command: {problem}" for problem in problems)) from None
