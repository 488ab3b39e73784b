"""`mayfly install`: makes the daemon a service of this user, from log-in on, on the listening address in force."""

from __future__ import annotations

import argparse
import os
import sys

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mayfly.cli import speech
from mayfly.cli.install import desktop, lasting_place
from mayfly.config import document
from mayfly.service import launchd, systemd
from mayfly.service.units import PATH, Values
from mayfly.shared import address, config_place, pathnames, paths, programs
from mayfly.shared.errors import ConfigInvalid, MayflyError
from mayfly.shared.text import printable


if TYPE_CHECKING:
    from mayfly.config.model import Config


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--now", action="store_true", help="start the service, too")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be written, and do nothing")
    desktop.arguments(parser)


def run(given: argparse.Namespace) -> int:
    """Install. An obstacle that can be found beforehand is told before anything is written."""
    lasting_place.check()
    wanted = desktop.variables(given)
    values = values_in_force(given.config)
    _check_characters(values, wanted)
    if sys.platform == "darwin":
        from mayfly.cli.install import with_launchd

        with_launchd.install(values, now=given.now, dry_run=given.dry_run)
    elif systemd.is_here():
        from mayfly.cli.install import with_systemd

        try:
            with_systemd.install(values, now=given.now, dry_run=given.dry_run)
        except systemd.Refused as reason:
            raise refused(reason, "or do without a service, in a terminal: mayfly serve") from None
    else:
        raise speech.Stop(
            speech.FAILED,
            "there is neither systemd nor launchd here",
            hints=("start it yourself at log-in: mayfly serve",),
        )
    if given.dry_run:
        desktop.show(wanted)
    else:
        desktop.give(wanted)
        _say_how_to_use(given.config)
    return speech.DONE


def _check_characters(values: Values, variables: Mapping[str, str]) -> None:
    """Raise ConfigInvalid for a path with a character that cannot be printed: a line end would begin a directive."""
    here = (values.home, values.log, str(systemd.folder()), values.python, values.config or "", *values.op_folders)
    for text in (*here, values.runtime_dir, *variables.values()):
        if not text.isprintable():
            raise ConfigInvalid(f"{printable(text)}: has characters that no unit may have: rename it")


def refused(reason: systemd.Refused, *without_manager: str) -> speech.Stop:
    """The Stop for a user manager of systemd that does not run, then with these hints, too, or that refuses."""
    hints = ["systemctl --user status 'mayfly*'"]
    if "bus" in str(reason) or "XDG_RUNTIME_DIR" in str(reason):
        hints = [
            "su and sudo -u do not start a session: log in as that user (ssh, or: machinectl shell USER@)",
            "for a user who is not logged in: loginctl enable-linger USER",
            *without_manager,
        ]
    return speech.Stop(speech.FAILED, *str(reason).splitlines(), hints=tuple(hints))


def values_in_force(given: str | None, *, warns: bool = True) -> Values:
    """The values for the units; raises Stop or ConfigInvalid if the config or the address cannot be used.

    There may be no config yet: the service waits for it. `warns`: of an `op` that cannot be used.
    """
    from mayfly.config.load import load

    try:
        path: Path | None = paths.config_file(given)
    except ConfigInvalid:
        path = None
    found = load(path) if path else None
    try:
        listen = address.listen_address(None, found.listen if found else None)
    except ValueError as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"MAYFLY_LISTEN: {reason}") from None
    if listen[1] == 0:
        raise speech.Stop(speech.WRONG_USAGE, "port 0 is another one each time: a service needs one that stays")
    return Values(
        python=sys.executable,
        listen=listen,
        home=pathnames.home(),
        is_configured=path is not None,
        config=str(path) if path and (given or path.parent != Path(pathnames.home()) / ".config/mayfly") else None,
        op_folders=tuple(dict.fromkeys((*_op_folders(found, warns=warns), *_command_folders(found, warns=warns)))),
        runtime_dir=str(paths.runtime_dir()),
        log=str(launchd.log_file()),
    )


def _op_folders(found: Config | None, *, warns: bool) -> tuple[str, ...]:
    """The folders of this shell's `op` in which the service would not look; also before there is a config."""
    from mayfly.config.model import OnePassword
    from mayfly.exchange.onepassword.op_program import USUAL_PLACES, find_op

    folders: dict[str, None] = {}
    ways = [found.onepassword_of(name) for name in found.profiles] if found else [OnePassword()]
    for way in dict.fromkeys(ways):
        try:
            place = find_op(way, os.environ)
        except MayflyError as error:
            if warns:
                speech.warning(f"{error.message}: until then the service has no credentials")
            continue
        if not way.op and place not in USUAL_PLACES:
            folders[str(Path(place).parent)] = None
    return tuple(folders)


def _command_folders(found: Config | None, *, warns: bool) -> Iterator[str]:
    """The folders of this shell's PATH with a program of the config, in which the service would not look."""
    from mayfly.exchange.onepassword import command

    for key, words in _commands(found) if found else ():
        try:
            program = Path(command.found(key, words, os.environ)[0])
        except ConfigInvalid as error:
            if warns:
                speech.warning(f"{error.message}: until then the service has no credentials by it")
            continue
        if "/" not in words[0] and str(program.parent) not in PATH:
            yield str(program.parent)


def _commands(found: Config) -> Iterator[tuple[str, tuple[str, ...]]]:
    for profile in found.profiles:
        keys, way = found.keys_of(profile), found.onepassword_of(profile)
        yield from [("otp_command", keys.otp_command)] if keys.otp_command else []
        yield from [("token_command", way.token_command)] if way.token_command else []


def _own_name() -> str | None:
    """The command's name, if a shell finds it by that; else None."""
    try:
        return programs.find("mayfly", os.environ).name
    except programs.NotFound:
        return None


def _say_how_to_use(given: str | None) -> None:
    """Say the line for each shell's start-up file, and the command for IDEs."""
    from shlex import quote

    try:
        path = paths.config_file(given)
        names = list(document.read(path).tables("profiles"))
    except ConfigInvalid:
        speech.warning(f"there is no config yet: the service waits for {paths.config_dir()}/config.toml")
        speech.hint(config_place.MAKE_CONFIG)
        return
    command = _own_name() or f"{quote(sys.executable)} -P -m mayfly"
    # A start-up file needs an absolute path: a shell may start in any folder.
    config = f" --config {quote(str(path))}" if given else ""
    profile = f" {quote(names[0])}" if len(names) > 1 else ""
    speech.hint(f'bash, zsh: put into ~/.bashrc, ~/.zshrc: eval "$({command} env{profile}{config})"')
    speech.hint(f"fish: put into ~/.config/fish/config.fish: {command} env{profile}{config} --shell fish | source")
    speech.hint(
        f"IDEs and other programs of the desktop: {command} aws-config --write{config}, and choose a profile there"
    )
    # launchd's agent is given the variable; systemd's units use the session's runtime folder.
    if "MAYFLY_RUNTIME_DIR" in os.environ and sys.platform != "darwin":
        speech.warning("MAYFLY_RUNTIME_DIR is set in this shell, and not for the service: they will not meet")
