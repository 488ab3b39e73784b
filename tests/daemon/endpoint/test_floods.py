"""Floods of connections, by processes of one's own and of another user: without a token they cost nobody an answer."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mayfly.demo.sts.server import EmbeddedSts, Role
from support.people import role
from support.world import PATIENCE_SECONDS, SEED_TOML, World


pytestmark = pytest.mark.unfollowed
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="a flood waits by epoll")

# Connects as often as it is told, sends, keeps all open, and opens those anew that were closed. "many": each connection
# is made by a process of its own, which ends.
_FLOOD = """
import os, resource, select, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
count, sent, place = int(sys.argv[1]), sys.argv[2].encode().decode("unicode_escape").encode(), sys.argv[3]
def dial():
    sock = socket.socket(socket.AF_UNIX if "/" in place else socket.AF_INET)
    sock.settimeout(30)
    if sys.argv[4] == "one":
        connect(sock)
    elif child := os.fork():
        if os.waitpid(child, 0)[1]:
            raise OSError
    else:
        try:
            connect(sock)
        except OSError:
            os._exit(1)
        os._exit(0)
    return sock
def connect(sock):
    sock.connect(place if "/" in place else ("127.0.0.1", int(place)))
    sock.sendall(sent)
poll, socks = select.epoll(), {}
def add():
    try:
        sock = dial()
    except OSError:
        return
    socks[sock.fileno()] = sock
    poll.register(sock, select.EPOLLRDHUP)
for _ in range(count):
    add()
print("there", flush=True)
while True:
    for descriptor, _ in poll.poll(1):
        poll.unregister(descriptor)
        socks.pop(descriptor).close()
    if len(socks) < count:
        add()
"""

_GET = "GET /credentials/nsrc HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n"
_EVENTS = "GET /events HTTP/1.1\\r\\nHost: mayfly\\r\\n\\r\\n"
_LOGIN = "POST /profiles/Slow/login HTTP/1.1\\r\\nHost: mayfly\\r\\n\\r\\n"
_BODY = "POST /profiles/Slow/login HTTP/1.1\\r\\nHost: mayfly\\r\\nContent-Length: 20\\r\\n\\r\\n"
MANY = "many processes"
# Descriptors for the daemon, and connections of each kind: more than fit. A flood of many processes takes time to make.
FEW, MOST, FEWEST = (512, 700), (4096, 2100), (256, 350)
FLOODS = {
    "half-open": [("port", _GET)],
    "silent": [("port", "")],
    "refused": [("port", _GET + "\\r\\n")],
    "wrong tokens": [("port", _GET + f"Authorization: {'z' * 43}\\r\\n\\r\\n")],
    "events": [("control", _EVENTS)],
    "half-open commands": [("control", "GET /status")],
    "commands without their body": [("control", _BODY)],
    "logins that wait": [("control", _LOGIN)],
    "everything": [("port", _GET), ("control", _EVENTS), ("control", _LOGIN)],
    f"half-open commands of {MANY}": [("control", "GET /status", "many")],
    f"logins of {MANY}": [("control", _LOGIN, "many")],
}
CASES = [
    *((kind, *FEW) for kind in FLOODS if MANY not in kind),
    *((kind, *FEWEST) for kind in FLOODS if MANY in kind),
    # "everything" is most of the kinds at once; the other two are closed and come again.
    *((kind, *MOST) for kind in ("everything", "refused", "half-open commands")),
]


@asynccontextmanager
async def flood(world: World, kind: str, count: int) -> AsyncIterator[None]:
    """So many connections of each kind, for as long as the block lasts."""
    places = {"port": str(world.port), "control": str(world.run_dir / "control.sock")}
    running = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _FLOOD, str(count), sent, places[where], *(processes or ["one"])),
            stdout=asyncio.subprocess.PIPE,
        )
        for where, sent, *processes in FLOODS[kind]
    ]
    try:
        async with asyncio.timeout(3 * PATIENCE_SECONDS):
            for process in running:
                assert process.stdout is not None
                assert b"there\n" == await process.stdout.readline()
        yield
    finally:
        for process in running:
            process.kill()
            await process.wait()


# Another user's process, which connects as fast as it can, and keeps or closes its connections.
_STRANGERS = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
socks = []
print("there", flush=True)
while True:
    sock = socket.socket()
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.1", int(sys.argv[1])))
    socks.append(sock)
    if len(socks) > int(sys.argv[2]):
        socks.pop(0).close()
"""


async def refusals(world: World) -> int:
    counts = json.loads((await world.run("status", "--json")).out)["refusals"]
    return int(counts.get("user", 0) + counts.get("gone", 0))


@linux_only
@pytest.mark.skipif(os.getuid() != 0, reason="another user can be played by root only")
@pytest.mark.parametrize("kept", [0, 5000], ids=["closed", "kept"])
async def test_another_users_flood_costs_little(world: World, kept: int) -> None:
    """Its connections are refused faster than it makes them, so that the kernel drops none of an honest client."""
    async with world.serve():
        assert 200 == (await world.get()).status
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _STRANGERS, str(world.port), str(kept)), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            assert b"there\n" == await process.stdout.readline()
            before = await refusals(world)
            for number in range(1, 6):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while await refusals(world) < before + 400 * number:
                        pass
                assert 200 == (await world.get()).status
        finally:
            process.kill()
            await process.wait()


@linux_only
@pytest.mark.parametrize(("kind", "limit", "count"), CASES)
async def test_beside_a_flood_everybody_is_answered(world: World, kind: str, limit: int, count: int) -> None:
    """A client, `mayfly status` and a login, whose exchange must be started, are answered within seconds."""
    world.write_toml(SEED_TOML + role("Slow", "nsrc") + role("Admin", "nsrc"))
    async with (
        EmbeddedSts(world.account(Role(name="Slow"), Role(name="Admin"))) as world.sts,
        world.serve(descriptors=limit) as daemon,
    ):
        assert 200 == (await world.get()).status
        if _LOGIN in {sent for _, sent, *_ in FLOODS[kind]}:
            # What the flood waits for.
            world.sts.faults.then("hang")
        async with flood(world, kind, count):
            seconds = await answered(world)
        # Or the daemon would wait for an answer before it ends.
        await world.sts.down()
        assert [] == daemon.events("library.warned")

    assert seconds < 20


async def answered(world: World) -> float:
    """How long it takes until each kind of honest client has been answered."""
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        assert 200 == (await world.get()).status
        status = await world.run("status")
        assert (0, "") == (status.code, status.err)
    login = await world.run("login", "Admin")
    assert (0, "Admin: fresh") == (login.code, login.out[:12]), login.err
    return asyncio.get_running_loop().time() - began
