"""`mayfly install`: a service of this user alone, there at log-in, on the listening address in force."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from pathlib import Path
from typing import TYPE_CHECKING

from mayfly import document, paths, tokens
from mayfly.cli import environment, speech, target
from mayfly.errors import ConfigInvalid, MayflyError
from mayfly.service import launchd, systemd
from mayfly.service.units import Values


if TYPE_CHECKING:
    from mayfly.config import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("--now", action="store_true", help="start it, too")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be written, and do nothing")
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


def run(given: argparse.Namespace) -> int:
    """Install, or say what stands in the way."""
    values = values_in_force(given.config)
    if sys.platform == "darwin":
        from mayfly.cli import install_launchd

        install_launchd.install(values, now=given.now, dry_run=given.dry_run)
    elif systemd.is_here():
        from mayfly.cli import install_systemd

        try:
            install_systemd.install(values, now=given.now, dry_run=given.dry_run)
        except systemd.Refused as reason:
            raise refused(reason) from None
    else:
        raise speech.Stop(
            speech.FAILED,
            "there is neither systemd nor launchd here",
            hints=("start it yourself at log-in: mayfly serve",),
        )
    if not given.dry_run:
        _give_to_desktop(given)
        _say_how_to_use(given.config)
    return speech.DONE


def refused(reason: systemd.Refused) -> speech.Stop:
    """The end where systemd's manager of this user does not run, or will not."""
    hints = ["systemctl --user status 'mayfly*'"]
    if "bus" in str(reason) or "XDG_RUNTIME_DIR" in str(reason):
        hints = [
            "su and sudo -u do not start a session: log in as that user (ssh, or: machinectl shell USER@)",
            "for a user who is not logged in: loginctl enable-linger USER",
        ]
    return speech.Stop(speech.FAILED, *str(reason).splitlines(), hints=tuple(hints))


def values_in_force(given: str | None) -> Values:
    """What the units are filled in with; raises Stop or ConfigInvalid where the config or the address is not good.

    A config that is not there yet is no hindrance: the service waits for it.
    """
    from mayfly import config

    try:
        path: Path | None = paths.config_file(given)
    except ConfigInvalid:
        path = None
    found = config.load(path) if path else None
    try:
        listen = paths.listen_address(None, found.listen if found else None)
    except ValueError as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"MAYFLY_LISTEN: {reason}") from None
    if listen[1] == 0:
        raise speech.Stop(speech.WRONG_USAGE, "port 0 is another one each time: a service needs one that stays")
    return Values(
        python=sys.executable,
        listen=listen,
        home=str(Path.home()),
        config=str(path) if path and (given or path.parent != Path.home() / ".config/mayfly") else None,
        op_folders=_op_folders(found) if found else (),
        runtime_dir=str(paths.runtime_dir()),
        log=str(launchd.log_file()),
    )


def _op_folders(found: Config) -> tuple[str, ...]:
    """Where `op` is by this shell's PATH, if the service would not look there."""
    from mayfly.exchange.onepassword import USUAL_PLACES, find_op

    folders: dict[str, None] = {}
    for way in dict.fromkeys(found.onepassword_of(name) for name in found.profiles):
        try:
            place = find_op(way, os.environ)
        except MayflyError as error:
            speech.warning(f"{error.message}: the service will not serve before")
            continue
        if not way.op and place not in USUAL_PLACES:
            folders[str(Path(place).parent)] = None
    return tuple(folders)


def _give_to_desktop(given: argparse.Namespace) -> None:
    """Variables for programs that no shell starts: the URL, and the path of the token's file, never the token."""
    profile = given.environment_d or given.launchctl_setenv
    if not profile:
        return
    found = target.find(given.config, profile)
    tokens.ensure_token(found.profile)
    changes = environment.enter({}, found, token_file=str(tokens.token_path(found.profile)))
    variables = {name: value for name, value in changes.items() if value}
    if given.environment_d:
        from mayfly.cli import install_systemd

        install_systemd.write_environment(variables)
    if given.launchctl_setenv:
        for name, value in variables.items():
            if problem := launchd.setenv(name, value):
                raise speech.Stop(speech.FAILED, f"launchctl setenv {name}: {problem}")
        speech.say(f"every program that is started from now on uses {found.profile}, until log-out")


def _say_how_to_use(given: str | None) -> None:
    """The line for each shell's start-up file, and what IDEs are better served with."""
    try:
        names = list(document.read(paths.config_file(given)).tables("profiles"))
    except ConfigInvalid:
        speech.warning(f"there is no config yet: the service waits for {paths.config_dir()}/config.toml")
        return
    command = "mayfly" if shutil.which("mayfly") else f"{sys.executable} -m mayfly"
    config = f" --config {given}" if given else ""
    profile = f" {names[0]}" if len(names) > 1 else ""
    speech.hint(f'bash, zsh: put into ~/.bashrc, ~/.zshrc: eval "$({command} env{profile}{config})"')
    speech.hint(f"fish: put into ~/.config/fish/config.fish: {command} env{profile}{config} --shell fish | source")
    speech.hint(f"IDEs and other programs of the desktop: {command} aws-config --write, and choose a profile there")
    if "MAYFLY_RUNTIME_DIR" in os.environ:
        speech.warning("MAYFLY_RUNTIME_DIR is set in this shell, and not for the service: they will not meet")
