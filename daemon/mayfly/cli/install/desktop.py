"""A profile for programs that no shell starts: the URL and the path of the token's file, never the token."""

from __future__ import annotations

import argparse
import sys

from collections.abc import Mapping

from mayfly.cli import environment, speech, target
from mayfly.service import launchd
from mayfly.shared import tokens


Variables = Mapping[str, str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `install` for such programs."""
    parser.add_argument(
        "--environment-d",
        metavar="PROFILE",
        help="also give PROFILE to every program of the desktop, from the next log-in on (environment.d; systemd)",
    )
    parser.add_argument(
        "--launchctl-setenv",
        metavar="PROFILE",
        help="also give PROFILE to every program that is started from now on, until log-out (macOS)",
    )


def variables(given: argparse.Namespace) -> Variables:
    """The variables for such programs; empty unless asked for. Makes no token; raises Stop or ConfigInvalid."""
    is_mac = sys.platform == "darwin"
    if given.environment_d and is_mac:
        raise speech.Stop(speech.WRONG_USAGE, "--environment-d is systemd's: on macOS it is --launchctl-setenv")
    if given.launchctl_setenv and not is_mac:
        raise speech.Stop(speech.WRONG_USAGE, "--launchctl-setenv is for macOS: with systemd it is --environment-d")
    profile = given.environment_d or given.launchctl_setenv
    if not profile:
        return {}
    found = target.find(given.config, profile)
    changes = environment.changes_to_set({}, found, token_file=str(tokens.token_path(found.profile)))
    return {name: value for name, value in changes.items() if value}


def show(wanted: Variables) -> None:
    """Print what `give` would do."""
    if not wanted:
        return
    if sys.platform == "darwin":
        for name, value in wanted.items():
            print(f"<!-- then: launchctl setenv {name} '{value}' -->")
        return
    from mayfly.cli.install import unit_files, with_systemd

    unit_files.show(with_systemd.environment_file(wanted))


def give(wanted: Variables) -> None:
    """Give the variables to all programs of the desktop; raises Stop if that fails."""
    if not wanted:
        return
    profile = wanted[environment.PROFILE]
    tokens.ensure_token(profile)
    if sys.platform == "darwin":
        for name, value in wanted.items():
            if problem := launchd.setenv(name, value):
                raise speech.Stop(speech.FAILED, *(f"launchctl setenv {name}: {line}" for line in problem.splitlines()))
        speech.say(f"every program that is started from now on uses {profile}, until log-out")
        return
    from mayfly.cli.install import unit_files, with_systemd

    for path, text in with_systemd.environment_file(wanted).items():
        if unit_files.put(path, text):
            speech.say("every program of the desktop finds the profile there, from the next log-in on")
