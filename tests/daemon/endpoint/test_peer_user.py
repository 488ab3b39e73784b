"""Another user of the machine is refused before a byte is read, with the right token too."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mayfly.shared.sock_diag import Address, SockDiag, SocketOwner, sock_diag
from support.nobodys_daemon import NOBODY, as_root, on_linux, served_by_nobody
from support.raw import asking, filled, get, replies
from support.world import World


# By a socket for IPv4, and by one for both, as Java and .NET make them.
HOSTS = ["127.0.0.1", "::ffff:127.0.0.1"]

# Become somebody else, connect, send, and print what comes back.
_STRANGER = """
import os, socket, sys
family, place = socket.AF_UNIX, sys.argv[2]
if place.isdigit():
    host = sys.argv[3]
    family, place = (socket.AF_INET6 if ":" in host else socket.AF_INET), (host, int(place))
request = sys.stdin.buffer.read()
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
sock = socket.socket(family, socket.SOCK_STREAM)
sock.settimeout(10)
received = b""
try:
    sock.connect(place)
    sock.sendall(request)
    while block := sock.recv(65536):
        received += block
except ConnectionError:
    pass
sys.stdout.buffer.write(received)
"""


async def stranger(uid: int, place: str, request: bytes, host: str = "127.0.0.1") -> bytes:
    """What a process of that user gets for this request."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _STRANGER, str(uid), place, host),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(request)
    assert 0 == process.returncode
    return out


@as_root
@on_linux
@pytest.mark.parametrize("host", HOSTS)
async def test_another_user_with_the_right_token_gets_nothing(world: World, host: str) -> None:
    """Theirs is a 403, and counted; ours is answered; from whichever kind of socket."""
    async with world.serve() as daemon:
        request = filled(asking("Connection: close"), port=str(world.port), token=world.token())
        theirs = await stranger(NOBODY, str(world.port), request, host)
        ours = await stranger(os.getuid(), str(world.port), request, host)

        (refused,) = replies(theirs)
        assert (403, "ForeignUser") == (refused.status, refused.json["code"])
        assert "close" == refused.header("Connection")
        assert b" 200 OK\r\n" in ours
        assert "user" == (await daemon.event("request.refused"))["cause"]


@as_root
@on_linux
async def test_another_user_gets_403_for_any_bytes(world: World) -> None:
    """For no bytes, for bytes that are no HTTP, and for more than is read of a refused client."""
    async with world.serve():
        for request in (b"", b"\0" * 1000, asking("X: " + "x" * 50_000)):
            (refused,) = replies(await stranger(NOBODY, str(world.port), request))
            assert 403 == refused.status
        assert 200 == (await world.get()).status


@as_root
async def test_another_user_gets_nothing_on_the_control_socket(world: World, open_folder: Path) -> None:
    """Even where modes are loosened, the kernel tells whose process connects."""
    world.run_dir = open_folder / "run"
    request = b"GET /status HTTP/1.0\r\nHost: mayfly\r\n\r\n"
    async with world.serve() as daemon:
        world.run_dir.chmod(0o755)
        control = world.run_dir / "control.sock"
        control.chmod(0o666)

        (refused,) = replies(await stranger(NOBODY, str(control), request))
        assert (403, "ForeignUser") == (refused.status, refused.json["code"])
        assert b"200 OK" in await stranger(os.getuid(), str(control), request)
        assert "user" == (await daemon.event("request.refused"))["cause"]


@as_root
@on_linux
@pytest.mark.parametrize("allow_root", [False, True])
async def test_root_is_let_in_by_config_only(world: World, open_folder: Path, *, allow_root: bool) -> None:
    """`allow_root = true` admits root beside the user, and nobody else; without it root is a stranger, too."""
    async with served_by_nobody(world, open_folder / "home", allow_root=allow_root):
        request = filled(get("/healthz", "Connection: close"), port=str(world.port))
        answers = {uid: b"200 OK" in await stranger(uid, str(world.port), request) for uid in (0, NOBODY, 65533)}

    assert {0: allow_root, NOBODY: True, 65533: False} == answers


@on_linux
async def test_a_client_that_has_gone_is_nobodys(world: World) -> None:
    """A client that closed before it was accepted is refused, not taken for root or for us, nor counted as a user."""
    async with world.serve() as daemon:
        os.kill(daemon.pid, signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", world.port)) as gone:
            gone.sendall(filled(asking(), port=str(world.port), token=world.token()))
        os.kill(daemon.pid, signal.SIGCONT)

        assert "gone" == (await daemon.event("request.refused"))["cause"]
        refusals = json.loads((await world.run("status", "--json")).out)["refusals"]
    assert ({"gone": 1}, []) == (refusals, world.vault.calls())


@contextmanager
def connected(server: socket.socket, host: str, *, bound: bool = False) -> Iterator[tuple[socket.socket, Address]]:
    """A client of `server` by way of `host`, and its address as the server sees it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as client:
        if bound:
            client.bind((host, 0))
        client.connect((host, server.getsockname()[1]))
        accepted, address = server.accept()
        with accepted:
            yield client, address


@on_linux
@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("bound", [False, True])
def test_the_kernel_names_the_owner_of_a_connection(host: str, *, bound: bool) -> None:
    """A connection of ours has our uid and the inode that /proc shows; none has no owner, nor has who listens there."""
    diag = SockDiag()
    with socket.create_server(("127.0.0.1", 0)) as server:
        with connected(server, host, bound=bound) as (client, address):
            peer = diag.peer(address, server.getsockname())
            assert peer is not None
            assert SocketOwner(os.getuid(), os.fstat(client.fileno()).st_ino) == peer
            # The server's own port as a client's: the kernel would tell of the listener.
            assert diag.peer(server.getsockname(), ("127.0.0.1", 1)) is None
        assert diag.peer(("127.0.0.1", 1), server.getsockname()) is None
    diag.close()


@on_linux
def test_a_listener_at_the_clients_port_is_not_the_client() -> None:
    """The kernel tells of a listener where there is no connection: not one for IPv6 and IPv4 either."""
    diag = SockDiag()
    with socket.socket(socket.AF_INET6) as listener, socket.create_server(("127.0.0.1", 0)) as server:
        listener.bind(("::ffff:127.0.0.1", 0))
        listener.listen()
        assert diag.listener(listener.getsockname()[1]) is not None
        assert diag.peer(("127.0.0.1", listener.getsockname()[1]), server.getsockname()) is None
    diag.close()


@on_linux
def test_an_answer_to_another_question_is_not_believed() -> None:
    """What waits on the kernel's socket from before says nothing about the next connection."""
    diag = SockDiag()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        asked, ours = client.getsockname(), server.getsockname()
        for _ in range(3):
            assert diag.peer(("127.0.0.1", 1), ours) is None
            assert diag.peer(asked, ours) is not None
    diag.close()


# Kernels and sandboxes without netlink, and without inet_diag: there every answer is an error.
_MUTE = {
    "no netlink": """
from mayfly.shared import sock_diag
sock_diag._NETLINK_SOCK_DIAG = 255
""",
    "no inet_diag": """
from mayfly.shared import sock_diag
sock_diag._SOCK_DIAG_BY_FAMILY = 99
""",
}


@on_linux
@pytest.mark.parametrize("how", _MUTE)
async def test_where_the_kernel_ought_to_tell_and_does_not_nobody_is_served(world: World, how: str) -> None:
    """One line instead of a traceback, or of a daemon that refuses everybody; and no tokens are left behind."""
    program = f"{_MUTE[how]}\nimport sys\nfrom mayfly.cli.main import main\nsys.exit(main())\n"
    ended = await world.run_program(sys.executable, "-c", program, "serve")

    said = ended.err.splitlines()
    assert (1, 2) == (ended.code, len(said))
    assert "mayfly: error: this kernel does not tell whose a connection is" == said[0]
    assert said[1].startswith("mayfly: hint: ")
    assert not (world.run_dir / "tokens").exists()


def test_where_the_kernel_cannot_tell_the_token_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has no such question."""
    monkeypatch.setattr(sys, "platform", "darwin")

    assert sock_diag() is None
