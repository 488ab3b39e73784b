"""`mayfly serve`: runs the daemon in the foreground."""

from __future__ import annotations

import argparse
import os
import sys

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mayfly.cli import speech
from mayfly.shared import address, paths, users
from mayfly.shared.errors import ConfigInvalid, MayflyError
from mayfly.shared.text import printable


if TYPE_CHECKING:
    from collections.abc import Callable

    from mayfly.config.model import Config, OnePassword
    from mayfly.daemon.sockets import CannotListen
    from mayfly.service.manager import Manager


WAIT_SECONDS = 30


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--listen", metavar="A", help="127.0.0.1:PORT to listen on")
    parser.add_argument(
        "--sealed", action="store_true", help="for the service's unit: start no process, ask the other units"
    )


def run(given: argparse.Namespace) -> int:
    """Serve until a signal ends the daemon."""
    from mayfly.daemon import log

    with log.opened(sys.stderr) as logger:
        return _run(given, logger)


def _run(given: argparse.Namespace, logger: Any) -> int:
    from mayfly.service.manager import Manager

    manager = Manager.here(os.environ)
    has_changed = _change_of(given.config)
    # Only in the namespace that systemd has made for the unit.
    if given.sealed and manager.is_systemd:
        users.trust_unmapped_root()
    try:
        return _serve(given, manager, logger)
    except ConfigInvalid as problem:
        reason = speech.Stop(speech.WRONG_USAGE, *problem.problems)
    except speech.Stop as stop:
        reason = stop
    if not manager.is_systemd:
        raise reason
    code = speech.report(reason)
    return speech.DONE if _stand_in(manager, reason, logger, has_changed) else code


def _stand_in(manager: Manager, reason: speech.Stop, logger: Any, has_changed: Callable[[], bool]) -> bool:
    """Wait until the config has changed, for WAIT_SECONDS at most: systemd starts us again as soon as we end.

    True if a signal has ended the wait.
    """
    import asyncio

    from mayfly.daemon.stand_in import StandIn

    problems = [printable(problem) for problem in reason.errors]

    async def wait() -> bool:
        return await StandIn(manager, problems, logger, has_changed=has_changed).run(WAIT_SECONDS)

    return asyncio.run(wait())


def _change_of(given: str | None) -> Callable[[], bool]:
    """Whether the config is another one than now."""
    named = given or os.environ.get("MAYFLY_CONFIG")
    places = [Path(named)] if named else [paths.config_dir() / name for name in paths.CONFIG_NAMES]

    def look() -> list[int]:
        return [place.stat().st_mtime_ns if place.exists() else 0 for place in places]

    before = look()
    return lambda: look() != before


def _serve(given: argparse.Namespace, manager: Manager, logger: Any) -> int:
    import asyncio

    from mayfly.config.load import load
    from mayfly.daemon import sockets
    from mayfly.daemon.daemon import Daemon
    from mayfly.daemon.remote_desk import RemoteDesk
    from mayfly.desk import desk_here
    from mayfly.shared import sock_diag
    from mayfly.shared.clock import Clock

    found = load(paths.config_file(given.config))
    address = _address(given.listen, found)
    _check_machine(given, manager, found, address)

    async def serve() -> None:
        clock = Clock()
        desk = RemoteDesk(paths.desk_socket(), clock) if given.sealed else desk_here(clock)
        daemon = Daemon(
            found,
            address,
            logger,
            manager,
            clock=clock,
            desk=desk,
            is_sealed=given.sealed,
            given_config=given.config,
        )
        await daemon.serve(on_ready=_say_where)

    try:
        asyncio.run(serve())
    except sockets.PortTaken:
        raise _port_taken(found, address) from None
    except sockets.CannotListen as reason:
        raise speech.Stop(speech.FAILED, str(reason), hints=(_next_step(reason),)) from None
    except sock_diag.SockDiagMissing as reason:
        hint = "Linux's sock_diag is missing, as in gVisor and WSL 1, or a sandbox forbids it: run mayfly outside"
        raise speech.Stop(speech.FAILED, str(reason), hints=(hint,)) from None
    return speech.DONE


def _check_machine(given: argparse.Namespace, manager: Manager, found: Config, address: tuple[str, int]) -> None:
    """Raise Stop for an `op` that cannot be used, or a port that another process has; print the warnings."""
    # The sealed unit does not see every folder. The exchange, which runs `op`, judges the program anyway.
    if not given.sealed:
        _warn_of_skipped_folders()
        _check_ops(found)
        _check_port(found, address, manager)
    for text in (*found.warnings, *filter(None, [paths.overlooked_config(given.config)])):
        speech.warning(text)


def _warn_of_skipped_folders() -> None:
    from mayfly.shared import programs

    for line in programs.skipped_folders(os.environ):
        speech.warning(f"{line}: no program is run from there")


def _say_where(shown: str) -> None:
    if sys.stderr.isatty():
        speech.say(f"serving on {shown} until Ctrl-C; 'mayfly install' makes it a service")


def _next_step(reason: CannotListen) -> str:
    """The hint, by whether the control socket or the port is taken."""
    is_ours = "serves already" in str(reason)
    return "mayfly status" if is_ours else 'choose another port in the config: listen = "127.0.0.1:PORT"'


def _address(given: str | None, found: Config) -> tuple[str, int]:
    try:
        return address.listen_address(given, found.listen)
    except ValueError as reason:
        source = "MAYFLY_LISTEN" if given is None else "--listen"
        raise speech.Stop(speech.WRONG_USAGE, f"{source}: {reason}") from None


def _check_ops(found: Config) -> None:
    """Raise Stop with a line for each `op` that the profiles need and that is missing or cannot be trusted."""
    from mayfly.exchange.onepassword.op import find_op

    lines: dict[str, MayflyError] = {}
    for key, way in _ways(found).items():
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


def _ways(found: Config) -> dict[str, OnePassword]:
    """The settings for 1Password that profiles use, by their table."""
    names = dict.fromkeys(found.keys_of(profile).onepassword for profile in found.profiles)
    ways = {f"onepasswords.{name}": found.onepasswords[name] for name in names if name}
    return ways | ({"onepassword": found.onepassword} if None in names else {})


def _check_port(found: Config, address: tuple[str, int], manager: Manager) -> None:
    """Raise Stop if a process has bound the port without listening: with SO_REUSEADDR we could bind it all the same."""
    from mayfly.cli.ports import has_unknown_holder

    if not manager.inherited.port and address[1] and has_unknown_holder(address[1]):
        raise _port_taken(found, address)


def _port_taken(found: Config, address: tuple[str, int]) -> speech.Stop:
    from mayfly.cli.ports import holder

    may_be_another_users = _may_be_another_users(address[1])
    if not may_be_another_users and _is_served():
        return speech.Stop(speech.FAILED, "another mayfly serves already", hints=("mayfly status",))
    who = holder(address[1])
    hints: tuple[str, ...] = (
        'end it, or choose another port in the config: listen = "127.0.0.1:PORT"',
        "or for once: mayfly serve --listen 127.0.0.1:PORT",
    )
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


def _may_be_another_users(port: int) -> bool:
    """True if Linux says that the port is another user's, or does not say whose. Who does not listen may be anybody."""
    from mayfly.cli.ports import has_unknown_holder, owner

    uid = owner(port)
    return has_unknown_holder(port) if uid is None else uid != os.getuid()


def _make_new_tokens(found: Config) -> str:
    """Make all tokens new, because clients may have sent theirs to another user's process; the hint that says so."""
    from mayfly.shared.tokens import rotate_token

    for profile in found.profiles:
        rotate_token(profile)
    return 'all tokens are new, because clients may have sent the old ones there: eval "$(mayfly env PROFILE)" anew'
