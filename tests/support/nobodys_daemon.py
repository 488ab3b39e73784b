"""A daemon of another user, nobody, which is played by root."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.world import SEED_TOML, World


NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="root and another user can be played by root only")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a TCP socket is")

# Everything is imported before root is given up, because nobody may not read our folders.
_DAEMON_OF_NOBODY = """
import asyncio, concurrent.futures.thread, encodings.ascii, encodings.idna, encodings.utf_8_sig
import hmac, json, os, pwd, secrets, sys, tomllib
import mayfly.daemon.daemon, mayfly.daemon.log, mayfly.cli.serve, mayfly.exchange.onepassword.op
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from mayfly.cli.main import main
sys.exit(main())
"""


def _furnish(world: World, home: Path, *, allow_root: bool) -> None:
    home.mkdir()
    world.home, world.run_dir, world.config = home, home / "run", home / "config.toml"
    world.config.write_text(f'allow_root = {str(allow_root).lower()}\nlisten = "127.0.0.1:{world.port}"\n{SEED_TOML}')
    op = home / "op"
    op.write_text("#!/bin/sh\n")
    for place, mode in ((home, 0o700), (world.config, 0o600), (op, 0o700)):
        place.chmod(mode)
        os.chown(place, NOBODY, NOBODY)


@asynccontextmanager
async def served_by_nobody(world: World, home: Path, *, allow_root: bool) -> AsyncIterator[None]:
    """A daemon of another user, in a home and a runtime folder of theirs."""
    _furnish(world, home, allow_root=allow_root)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _DAEMON_OF_NOBODY, "serve", "--config", str(world.config)),
        stderr=asyncio.subprocess.PIPE,
        env=world.env | {"HOME": str(home), "PATH": str(home)},
        cwd="/",
    )
    try:
        assert process.stderr is not None
        assert b"daemon.started" in await process.stderr.read(65536)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
