"""`mayfly serve`: runs the daemon in the foreground."""

from __future__ import annotations

import argparse
import os
import sys

from typing import TYPE_CHECKING, Any

from mayfly.cli import config_watch, serve_checks, speech
from mayfly.shared import address, paths, users
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.text import printable


if TYPE_CHECKING:
    from collections.abc import Callable

    from mayfly.config.model import Config
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
    # Taken before the config is read, because a person may mend it while we read it.
    is_config_new = config_watch.config_changes(given.config)
    # Only in the namespace that systemd has made for the unit.
    if given.sealed and manager.is_systemd:
        users.trust_unmapped_root()
    try:
        return _serve(given, manager, logger)
    except ConfigInvalid as problem:
        reason = speech.stop_for(problem)
    except speech.Stop as stop:
        reason = stop
    if not manager.is_systemd:
        raise reason
    code = speech.report(reason)
    return speech.DONE if _refuse_clients(manager, reason, logger, is_config_new) else code


def _refuse_clients(manager: Manager, reason: speech.Stop, logger: Any, is_config_new: Callable[[], bool]) -> bool:
    """Refuse clients until the config or a token has changed, for WAIT_SECONDS at most: systemd then starts us again.

    True if a signal has ended the wait.
    """
    import asyncio

    from mayfly.daemon.refusing_daemon import RefusingDaemon

    problems = [printable(problem) for problem in reason.errors]
    # Taken only now, because `serve` itself has just made the missing tokens.
    has_new_tokens = config_watch.token_changes()

    def has_changed() -> bool:
        return is_config_new() or has_new_tokens()

    async def wait() -> bool:
        return await RefusingDaemon(manager, problems, logger, has_changed=has_changed).run(WAIT_SECONDS)

    return asyncio.run(wait())


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
    serve_checks.check_machine(given, manager, found, address)

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
        raise serve_checks.port_taken(found, address) from None
    except sockets.CannotListen as reason:
        raise speech.Stop(speech.FAILED, str(reason), hints=(_next_step(reason),)) from None
    except sock_diag.SockDiagMissing as reason:
        hint = "Linux's sock_diag is missing, as in gVisor and WSL 1, or a sandbox forbids it: run mayfly outside"
        raise speech.Stop(speech.FAILED, str(reason), hints=(hint,)) from None
    return speech.DONE


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
