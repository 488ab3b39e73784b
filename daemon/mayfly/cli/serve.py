"""`mayfly serve`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import sys

from mayfly import paths
from mayfly.cli import speech


def arguments(parser: argparse.ArgumentParser) -> None:
    """What this command takes."""
    parser.add_argument("--listen", metavar="A", help="127.0.0.1:PORT to listen on")


def run(given: argparse.Namespace) -> int:
    """Serve until told to stop."""
    import asyncio
    import os

    from mayfly import config, log
    from mayfly.daemon import Daemon
    from mayfly.exchange.onepassword import find_op
    from mayfly.sockets import Taken

    try:
        found = config.load(paths.config_file(given.config))
        address = paths.listen_address(given.listen, found.listen)
    except ValueError as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"--listen or MAYFLY_LISTEN: {reason}") from None
    for way in {found.onepassword_of(name) for name in found.profiles}:
        find_op(way, os.environ)
    for text in config.warnings(found):
        speech.warning(text)
    if sys.stderr.isatty():
        speech.say(f"serving on {address[0]}:{address[1]} until Ctrl-C; 'mayfly install' makes it a service")

    async def serve() -> None:
        await Daemon(found, address, log.open_log()).serve()

    try:
        asyncio.run(serve())
    except Taken as reason:
        raise speech.Stop(speech.FAILED, str(reason), hints=("see who: ss -ltnp",)) from None
    return speech.DONE
