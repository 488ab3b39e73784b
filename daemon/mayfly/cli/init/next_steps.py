"""The steps after the config: the service, profiles for ~/.aws/config, a first login, and GetCallerIdentity.

Each step is a command that the person could give, and tells what it does.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from pathlib import Path
from shlex import quote
from typing import NamedTuple

from mayfly.cli import config_file, speech
from mayfly.cli.aws_config import aws_paths
from mayfly.cli.init import trial_daemon, ways
from mayfly.cli.init.talk import Talk
from mayfly.config.model import OnePassword
from mayfly.service import systemd
from mayfly.shared import paths


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options for the steps, which `--yes` does not take by itself."""
    parser.add_argument("--install", action="store_true", help="then: mayfly install --now")
    parser.add_argument("--aws-config", action="store_true", help="then: mayfly aws-config --write")
    parser.add_argument("--login", action="store_true", help="then: mayfly login, and whoami")


class Written(NamedTuple):
    """What the steps are for: the profile, and the way to its keys.

    `was_in_aws`: `~/.aws/config` has the profile or its roles, and finds their credentials in another manner so far.
    `has_asked`: 1Password has been asked for the item already.
    """

    profile: str
    way: OnePassword
    was_in_aws: bool = False
    has_asked: bool = True


def take(given: argparse.Namespace, talk: Talk, written: Written) -> int:
    """Take the steps that the options or the person ask for; the first exit code that is no success, or 0."""
    steps = _Steps(given, talk, written)
    codes = [steps.install(), steps.aws_config(), steps.login()]
    steps.say_how_to_use()
    return next((code for code in codes if code), speech.DONE)


class _Steps:
    def __init__(self, given: argparse.Namespace, talk: Talk, written: Written) -> None:
        self._given = given
        self._talk = talk
        self._written = written
        self._config = config_file.option(given.config)
        self._is_logged_in = False
        self._is_in_aws_config = False

    def install(self) -> int:
        """The service, started; a daemon that runs takes over the new config."""
        was_served = trial_daemon.is_served()
        code = speech.DONE
        if self._given.install or (not was_served and self._is_service_wanted()):
            code = _run("install", "--now", *self._config)
        return code or (_run("reload") if was_served else speech.DONE)

    def _is_service_wanted(self) -> bool:
        if not self._talk.asks or ways.is_by_variable(self._written.way):
            return False
        if not _has_service_manager():
            speech.say(
                "no service manager of your user runs here, so the daemon must be started in a terminal: mayfly serve"
            )
            return False
        return self._talk.confirms("start the daemon now, as a service of your user, from log-in on?")

    def aws_config(self) -> int:
        """The profiles in `~/.aws/config`."""
        path = config_file.shown(Path(aws_paths.config_file(os.environ)))
        how = (
            "replaces how these profiles find credentials there" if self._written.was_in_aws else "keeps all else there"
        )
        question = f"let programs find it by AWS_PROFILE and --profile (writes {path}, {how})?"
        if not (self._given.aws_config or (self._talk.asks and self._talk.confirms(question))):
            return speech.DONE
        is_replacing = self._written.was_in_aws and (self._talk.asks or self._given.force)
        code = _run("aws-config", "--write", *(["--replace"] if is_replacing else []), *self._config)
        self._is_in_aws_config = code == speech.DONE
        return code

    def login(self) -> int:
        """Log in, and ask AWS who that is. If the person has to act first, they can, and try again."""
        prompt = f" (1Password asks{' once more' if self._written.has_asked else ''})"
        question = f"log in now, and ask AWS who that is{prompt if self._written.way.asks_human else ''}?"
        if not (self._given.login or (self._talk.asks and self._talk.confirms(question))):
            return speech.DONE
        profile = self._written.profile
        with trial_daemon.running(self._config):
            code = _run("login", profile)
            while code and self._talk.asks and self._talk.confirms("try again?"):
                code = _run("login", profile)
            code = code or _run("whoami", profile)
        self._is_logged_in = code == speech.DONE
        return code

    def say_how_to_use(self) -> None:
        """The next commands for a person who has come so far."""
        profile, config = self._written.profile, "".join(f" {quote(word)}" for word in self._config)
        if not trial_daemon.is_served():
            is_service = not ways.is_by_variable(self._written.way) and _has_service_manager()
            service = f"mayfly install --now{config}   or, in a terminal: " if is_service else ""
            speech.hint(f"start the daemon: {service}mayfly serve{config}")
        if not self._is_logged_in:
            speech.hint(f"log in: mayfly login {profile}")
        if self._is_in_aws_config:
            speech.hint(f"use it: aws --profile {profile} sts get-caller-identity")
        else:
            speech.hint(f'use it in this shell: eval "$(mayfly env {profile}{config})"')
        self._say_how_to_do_without_option()

    def _say_how_to_do_without_option(self) -> None:
        """Where a config is found by itself, if there is none yet, and no daemon has read this one elsewhere."""
        is_usual = not self._config or any(map(os.path.lexists, paths.config_places()))
        if is_usual or os.environ.get("MAYFLY_CONFIG") or trial_daemon.is_served():
            return
        place = Path(self._config[1])
        usual = paths.config_dir() / f"config{place.suffix}"
        move = f"mkdir -p {quote(str(usual.parent))} && mv {quote(str(place))} {quote(str(usual))}"
        speech.hint(f"to do without --config: {move}")


def _run(*words: str) -> int:
    """Run one of our commands here."""
    from mayfly.cli.main import main

    print(f"$ mayfly {shlex.join(words)}", file=sys.stderr)
    code = main(words)
    if code == _INTERRUPTED:
        raise KeyboardInterrupt
    return code


# As `main` returns after Ctrl-C.
_INTERRUPTED = 130


def _has_service_manager() -> bool:
    """True if a service can be made here: not in a container, and not after su."""
    if sys.platform == "darwin":
        return True
    try:
        if systemd.is_here():
            systemd.check_manager()
            return True
    except systemd.Refused:
        pass
    return False
