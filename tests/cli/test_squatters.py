"""Whether another user's process sits on our port: asked of the kernel, with real sockets."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct
import sys

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from mayfly.cli import speech, squatters
from mayfly.shared import sock_diag
from support.world import World


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a socket is")
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can listen as another user")
NOBODY = 65534

# Listens as another user until its stdin ends. Python must be loaded first: that user may not read it.
SQUATTER = f"""
import os, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
kind = socket.AF_INET6 if ":" in host else socket.AF_INET
if len(sys.argv) > 3:
    listener = socket.socket(kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, sys.argv[3] == "shared")
    listener.bind((host, port))
else:
    listener = socket.create_server((host, port), family=kind, dualstack_ipv6=host == "::")
print("listening", flush=True)
sys.stdin.read()
"""


COMMANDS = [("env", "nsrc"), ("exec", "nsrc", "--", "echo", "ran"), ("credential-process", "nsrc")]


@contextmanager
def listening(host: str, *, v6_only: bool = False) -> Iterator[int]:
    """A port at which we listen on `host`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        listener.bind((host, 0))
        listener.listen()
        yield listener.getsockname()[1]


@asynccontextmanager
async def squatting(host: str, port: int, *how: str) -> AsyncIterator[None]:
    """Another user's process on the port; `bound` if it does not listen, `shared` if it lets others bind it, too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SQUATTER, host, str(port), *how),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert b"listening\n" == await process.stdout.readline()
    try:
        yield
    finally:
        await process.communicate(b"")


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"])
def test_a_listener_is_found_wherever_it_listens(host: str) -> None:
    """Loopback, every address, and both in IPv6's clothes: by sock_diag, and by /proc."""
    with listening(host) as port:
        assert os.getuid() == squatters.owner(port)
        assert os.getuid() == squatters.listed(squatters._lines(), port)

    assert squatters.owner(port) is None
    assert squatters.listed(squatters._lines(), port) is None


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_a_listener_on_another_address_is_none_of_ours(host: str) -> None:
    """What a connection to 127.0.0.1 cannot reach does no harm."""
    with listening(host) as port:
        assert squatters.owner(port) is None
        assert squatters.listed(squatters._lines(), port) is None


@linux_only
def test_a_listener_for_ipv6_alone_is_none_of_ours() -> None:
    """[::] without IPv4 gets nothing that is sent to 127.0.0.1."""
    with listening("::", v6_only=True) as port:
        assert squatters.owner(port) is None


@linux_only
def test_a_connection_is_no_listener() -> None:
    """A client's own port, connected, is nobody's service."""
    with listening("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert squatters.owner(client.getsockname()[1]) is None


def row(address: str, port: int, uid: int, state: str = "0A") -> str:
    """A line of /proc/net/tcp or tcp6 on this machine."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    digits = "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
    return f"   0: {digits}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5} 0 45786 1\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], None),
        ([row("127.0.0.1", 9170, 7)], 7),
        ([row("127.0.0.1", 9171, 7), row("127.0.0.1", 9170, 7, state="01")], None),
        ([row("::", 9170, 9), row("0.0.0.0", 9170, 8), row("127.0.0.1", 9170, 7)], 7),
        ([row("::", 9170, 9), row("0.0.0.0", 9170, 8)], 8),
        ([row("::", 9170, 9), row("192.0.2.1", 9170, 8)], 9),
        ([row("::ffff:127.0.0.1", 9170, 7), row("0.0.0.0", 9170, 8)], 7),
        ([row("::ffff:0.0.0.0", 9170, 7), row("::1", 9170, 8)], 7),
    ],
)
def test_the_most_particular_listener_gets_the_connection(rows: list[str], expected: int | None) -> None:
    """127.0.0.1 before every address, IPv4 before IPv6."""
    assert expected == squatters.listed(rows, 9170)


class NoSockDiag:
    """A kernel, or a sandbox, that answers no questions."""

    def __init__(self) -> None:
        raise PermissionError


@linux_only
def test_where_the_kernel_is_not_asked_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sock_diag, /proc tells the same."""
    monkeypatch.setattr(sock_diag, "SockDiag", NoSockDiag)
    with listening("127.0.0.1") as port:
        assert os.getuid() == squatters.owner(port)


@linux_only
def test_where_nothing_can_be_known_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without sock_diag and without /proc, or on another system, no port is squatted."""
    with listening("127.0.0.1") as port:
        monkeypatch.setattr(sock_diag, "SockDiag", NoSockDiag)
        monkeypatch.setattr(squatters, "_TABLES", (str(tmp_path / "tcp"),))
        assert squatters.owner(port) is None

        monkeypatch.undo()
        monkeypatch.setattr(sys, "platform", "darwin")
        assert squatters.owner(port) is None


@linux_only
def test_our_own_daemon_is_no_squatter_and_a_strangers_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner decides, and the message names it, the port, and what to do."""
    me = pwd.getpwuid(os.getuid()).pw_name
    with listening("127.0.0.1") as port:
        squatters.refuse_squatted(port)
        monkeypatch.setattr(os, "getuid", lambda: NOBODY)
        with pytest.raises(speech.Stop) as stop:
            squatters.refuse_squatted(port)

    assert speech.FAILED == stop.value.exit_code
    assert (f"port {port} belongs to {me}: what answers there is not your mayfly",) == stop.value.errors
    assert any(f":{port}" in hint for hint in stop.value.hints)
    squatters.refuse_squatted(port)


@linux_only
@root_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
@pytest.mark.parametrize("argv", COMMANDS)
async def test_no_shell_is_pointed_at_a_stranger(world: World, host: str, argv: tuple[str, ...]) -> None:
    """With another user's process on our port, nothing is printed and nothing run; it is said whose it is."""
    async with squatting(host, world.port):
        ended = await world.run(*argv)

    name = pwd.getpwuid(NOBODY).pw_name
    assert (1, "") == (ended.code, ended.out)
    assert ended.err.startswith(f"mayfly: error: port {world.port} belongs to {name}: what answers there")
    async with world.serve():
        assert 0 == (await world.run(*argv)).code


@linux_only
@root_only
@pytest.mark.parametrize(("host", "how"), [("127.0.0.1", "bound"), ("0.0.0.0", "bound"), ("127.0.0.1", "shared")])
@pytest.mark.parametrize("argv", COMMANDS)
async def test_no_shell_is_pointed_at_whoever_waits(world: World, host: str, how: str, argv: tuple[str, ...]) -> None:
    """A process that has our port and does not listen could do so as soon as we have looked."""
    async with squatting(host, world.port, how):
        ended = await world.run(*argv)

    assert (1, "") == (ended.code, ended.out)
    assert ended.err.startswith(f"mayfly: error: port {world.port} is held by a process that does not listen yet: ")


@linux_only
@root_only
async def test_a_port_that_is_held_costs_the_tokens(world: World) -> None:
    """Whoever cannot be known to be us counts as a stranger for `serve`."""
    await world.run("env", "nsrc")
    old = world.token()
    async with squatting("127.0.0.1", world.port, "bound"):
        ended = await world.run("serve")

    assert 1 == ended.code
    assert "by a process that does not listen" in ended.err
    assert "all tokens are new" in ended.err
    assert old != world.token()


@linux_only
async def test_what_a_daemon_leaves_behind_is_no_squatter(world: World) -> None:
    """Connections that are closing, and clients that are open still, hold no port against us."""
    async with world.serve() as daemon:
        await world.get()
        open_still = [socket.create_connection(("127.0.0.1", world.port)) for _ in range(3)]
        await daemon.end()
        assert not squatters.is_held(world.port)
        assert 0 == (await world.run("env", "nsrc")).code
    for client in open_still:
        client.close()
    assert not squatters.is_held(world.port)


@contextmanager
def holding(host: str, *, shares: bool, port: int = 0) -> Iterator[socket.socket]:
    """A socket that has a port, and does not listen."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shares)
        holder.bind((host, port))
        yield holder


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("shares", [False, True])
def test_a_port_that_is_bound_is_held(host: str, *, shares: bool) -> None:
    """Nobody lists such a socket, and whoever has it may listen at any time; on another address it may."""
    with holding(host, shares=shares) as holder:
        assert squatters.is_held(holder.getsockname()[1])
    with holding("127.0.0.2", shares=shares) as elsewhere:
        assert not squatters.is_held(elsewhere.getsockname()[1])


@linux_only
def test_what_is_connected_elsewhere_hides_no_holder() -> None:
    """A socket of ours with the same port and another address explains nothing."""
    with listening("127.0.0.2") as port, holding("127.0.0.1", shares=False, port=port):
        assert squatters.is_held(port)


@linux_only
def test_another_shell_that_looks_is_no_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tries to bind the port as we do, and has gone when we look again."""
    with holding("127.0.0.1", shares=False) as other:
        monkeypatch.setattr("time.sleep", lambda _seconds: other.close())
        assert not squatters.is_held(other.getsockname()[1])


@linux_only
def test_a_client_of_ours_on_the_port_is_no_squatter() -> None:
    """A connection of our own to elsewhere may have got the very port."""
    with listening("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert not squatters.is_held(client.getsockname()[1])


@linux_only
@root_only
async def test_whoever_finds_no_daemon_is_told_of_the_stranger_on_its_port(world: World) -> None:
    """Under systemd the socket fails then, and no daemon runs that could say so; `rotate` works without."""
    await world.run("env", "nsrc")
    old = world.token()
    async with squatting("127.0.0.1", world.port):
        ended = await world.run("status")
        rotated = await world.run("rotate")

    name = pwd.getpwuid(NOBODY).pw_name
    assert (3, 0) == (ended.code, rotated.code)
    assert f"port {world.port} belongs to {name}: your mayfly cannot run there until they go" in ended.err
    assert "mayfly rotate" in ended.err
    assert old != world.token()


@linux_only
@root_only
async def test_off_works_on_a_squatted_port(world: World) -> None:
    """A shell can always be brought back."""
    async with squatting("127.0.0.1", world.port):
        assert 0 == (await world.run("env", "--off")).code
