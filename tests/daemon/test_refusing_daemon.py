"""A daemon under a service manager whose config is bad: every client gets the reason until the config is mended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from support.raw import asking, dial, dial_unix, filled, get, replies
from support.world import PATIENCE_SECONDS, SEED_TOML, World, measured


# Becomes the daemon, with the sockets as systemd would hand them over.
_OPENER = """
import os, sys
port, control = int(sys.argv[1]), int(sys.argv[2])
high = [os.dup(port), os.dup(control)]
high = [os.dup2(one, 40 + place) for place, one in enumerate(high)]
for place, one in enumerate(high):
    os.dup2(one, 3 + place)
    os.set_inheritable(3 + place, True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
os.execv(sys.executable, [sys.executable, "-m", "mayfly", "serve"])
"""

_STRANGER = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sock = socket.socket()
sock.connect(("127.0.0.1", int(sys.argv[1])))
sock.sendall(sys.stdin.buffer.read())
sys.stdout.buffer.write(sock.recv(65536))
"""


class Managed:
    """A daemon under a manager, and what it tells that."""

    def __init__(self, world: World, process: asyncio.subprocess.Process, port: socket.socket, notify: socket.socket):
        self.world = world
        self.process = process
        self.port = port
        self._notify = notify
        # What it has printed, once it has ended.
        self.log = ""

    async def told(self, word: str) -> str:
        """The next message with that word."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while word not in (told := (await loop.sock_recv(self._notify, 65536)).decode()):
                pass
        return told

    async def answer(self, template: bytes) -> tuple[int, str, str]:
        """Status, code and message."""
        async with dial(self.world.port) as line:
            line.send(filled(template, port=str(self.world.port), token="t" * 43))
            reply = await line.reply()
            return reply.status, reply.json["code"], reply.json["message"]


@asynccontextmanager
async def managed(world: World, *prefix: str, **env: str) -> AsyncIterator[Managed]:
    """`mayfly serve` with the sockets of a manager that outlive it; `prefix` is a command that becomes it."""
    world.run_dir.mkdir(mode=0o700, exist_ok=True)
    with (
        socket.create_server(("127.0.0.1", world.port)) as port,
        socket.socket(socket.AF_UNIX) as control,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify,
    ):
        control.bind(str(world.run_dir / "control.sock"))
        control.listen()
        notify.bind(str(world.folder / "notify"))
        notify.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *(*prefix, sys.executable, "-c", _OPENER, str(port.fileno()), str(control.fileno())),
            pass_fds=(port.fileno(), control.fileno()),
            stderr=asyncio.subprocess.PIPE,
            env=world.env | measured() | {"NOTIFY_SOCKET": str(world.folder / "notify")} | env,
        )
        daemon = Managed(world, process, port, notify)
        try:
            yield daemon
        finally:
            if process.returncode is None:
                process.kill()
            daemon.log = (await process.communicate())[1].decode()


async def test_every_client_gets_the_first_problem(world: World) -> None:
    """The manager is told at once; a client gets 400 with the reason; what is refused of anybody is refused."""
    world.write_toml("colour = 1\n")
    async with managed(world) as daemon:
        ready = await daemon.told("READY=1")
        answers = {
            name: await daemon.answer(template)
            for name, template in {
                "client": asking(),
                "any profile": asking(target="/credentials/other"),
                "a relay's port": asking(host="[::1]:1"),
                "health": get("/healthz"),
                "no token": get(),
                "another host": asking(host="evil.example"),
                "browser": asking("Origin: https://evil.example"),
                "forwarded": asking("Via: 1.1 x"),
                "method": asking(line="POST /credentials/nsrc HTTP/1.1"),
                "target": asking(target="/"),
                "body": asking("Content-Length: 1") + b"x",
            }.items()
        }
        status = await world.run("status")

    first = next(line for line in ready.splitlines() if line.startswith("STATUS=not serving: "))
    problem = first.removeprefix("STATUS=not serving: ")
    assert "colour" in problem
    assert (400, "ConfigInvalid", problem) == answers.pop("client") == answers.pop("any profile")
    assert (400, "ConfigInvalid", problem) == answers.pop("a relay's port")
    assert {
        "health": (503, "NotServing"),
        "no token": (401, "Unauthorized"),
        "another host": (403, "ForeignHost"),
        "browser": (403, "BrowserRequest"),
        "forwarded": (403, "ForwardedRequest"),
        "method": (405, "MethodNotAllowed"),
        "target": (404, "NotFound"),
        "body": (400, "BadRequest"),
    } == {name: answer[:2] for name, answer in answers.items()}
    assert (2, f"mayfly: error: {problem}") == (status.code, status.err.splitlines()[0])
    assert "mayfly: hint: mend it: the daemon starts by itself then" in status.err
    assert not (world.run_dir / "tokens").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="another user can be played by root only")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a TCP socket is")
async def test_another_user_gets_no_reason(world: World) -> None:
    """A problem quotes the config, and that is nobody else's business."""
    world.write_toml("colour = 1\n")
    async with managed(world) as daemon:
        await daemon.told("READY=1")
        stranger = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _STRANGER, str(world.port)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await stranger.communicate(filled(asking(), port=str(world.port), token="t" * 43))

    (reply,) = replies(out)
    assert (403, "ForeignUser") == (reply.status, reply.json["code"])


async def test_it_ends_when_the_config_is_mended(world: World) -> None:
    """At once, with 2, so that it is started anew; a client that comes after that is left to the next daemon."""
    good = world.config.read_text()
    world.config.write_text("{")
    async with managed(world) as daemon:
        await daemon.told("READY=1")
        assert "ConfigInvalid" == (await daemon.answer(asking()))[1]
        world.config.write_text(good)
        async with dial(world.port) as line:
            line.send(filled(asking(), port=str(world.port), token="t" * 43))
            code = await asyncio.wait_for(daemon.process.wait(), 5)
            daemon.port.setblocking(False)
            waiting, _ = await asyncio.get_running_loop().sock_accept(daemon.port)
            waiting.close()

    assert 2 == code


async def test_a_config_that_is_named_from_the_home_is_watched_too(world: World) -> None:
    """`MAYFLY_CONFIG=~/named.toml` in a unit: systemd expands no "~"."""
    named = world.home / "named.toml"
    named.write_text("{")
    async with managed(world, MAYFLY_CONFIG="~/named.toml") as daemon:
        await daemon.told("READY=1")
        named.write_text(SEED_TOML)
        code = await asyncio.wait_for(daemon.process.wait(), 5)

    assert 2 == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_signal_ends_it_at_once(world: World, number: int) -> None:
    """As `systemctl stop` and `restart` do."""
    world.write_toml("colour = 1\n")
    async with managed(world) as daemon:
        await daemon.told("READY=1")
        daemon.process.send_signal(number)
        await daemon.told("STOPPING=1")
        code = await asyncio.wait_for(daemon.process.wait(), 5)

    assert 0 == code


async def test_a_token_that_others_can_read_is_told_too(world: World) -> None:
    """What is found after the sockets were taken over is answered on them all the same."""
    folder = world.run_dir / "tokens"
    folder.mkdir(mode=0o700, parents=True)
    world.run_dir.chmod(0o700)
    (folder / "nsrc").write_text("t" * 43)
    (folder / "nsrc").chmod(0o644)
    async with managed(world) as daemon:
        await daemon.told("READY=1")
        status, code, message = await daemon.answer(asking())

    assert (400, "ConfigInvalid") == (status, code)
    assert message == f"{folder}/nsrc is open to others: chmod 600 {folder}/nsrc"


@pytest.mark.skipif(sys.platform != "linux", reason="limits descriptors by ulimit, as Linux has it")
async def test_a_flood_does_not_use_up_the_descriptors(world: World) -> None:
    """With few of them, and many silent connections on both sockets, clients and commands still get the reason."""
    world.write_toml("colour = 1\n")
    async with managed(world, "sh", "-c", 'ulimit -n 256; exec "$@"', "sh") as daemon, AsyncExitStack() as flood:
        await daemon.told("READY=1")
        for _ in range(150):
            await flood.enter_async_context(dial(world.port))
            await flood.enter_async_context(dial_unix(world.run_dir / "control.sock"))
        status, code, _ = await daemon.answer(asking())
        ended = await world.run("status")

    assert (400, "ConfigInvalid") == (status, code)
    assert (2, True) == (ended.code, "colour" in ended.err)
    assert "Too many open files" not in daemon.log
