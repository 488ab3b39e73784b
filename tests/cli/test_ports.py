"""Who has a port, and whether that is another user: asked of the kernel, with real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import platform
import pwd
import re
import socket
import struct
import sys

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from mayfly.cli import ports, speech
from mayfly.shared import sock_diag
from mayfly.shared.sock_diag import Holder, SockDiag, SocketOwner
from mayfly.shared.users import user_name
from support.world import World, free_port


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a socket is")
root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root can listen as another user")
NOBODY = 65534
ME = user_name(os.getuid())

# Has a port as another user until its stdin ends. Python is loaded first, because that user may not read it.
OTHER_USER = f"""
import os, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
open("/proc/self/comm", "w").write("a\\tname")
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
print(listener.getsockname()[1], flush=True)
sys.stdin.read()
"""


COMMANDS = [("env", "nsrc"), ("exec", "nsrc", "--", "echo", "ran")]


class Listener(NamedTuple):
    """A process of another user, and the port that it has."""

    pid: int
    port: int


@contextmanager
def listening(host: str, port: int = 0, *, v6_only: bool = False) -> Iterator[int]:
    """We listen on `host`; its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        listener.bind((host, port))
        listener.listen()
        yield listener.getsockname()[1]


@contextmanager
def listening_elsewhere(host: str, *, v6_only: bool = False) -> Iterator[int]:
    """We listen on `host` alone; its port, which nobody else can listen on at 127.0.0.1 meanwhile."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        with listening(host, silent.getsockname()[1], v6_only=v6_only) as port:
            yield port


@asynccontextmanager
async def other_user(host: str, port: int, *how: str) -> AsyncIterator[Listener]:
    """Another user's process has the port; `bound`: it does not listen; `shared`: others may bind the port, too."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OTHER_USER, host, str(port), *how),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield Listener(process.pid, int(await process.stdout.readline()))
    finally:
        await process.communicate(b"")


def our_program() -> str:
    """What Linux calls the process that runs these tests."""
    return Path("/proc/self/comm").read_text().strip()


def uid_of(found: SocketOwner | None) -> int | None:
    return found.uid if found else None


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"])
def test_a_listener_is_found_on_every_address_of_ours(host: str) -> None:
    """127.0.0.1, all addresses, and both as IPv6 addresses are found, by sock_diag and by /proc."""
    with listening(host) as port:
        assert os.getuid() == ports.owner(port)
        assert os.getuid() == uid_of(ports.listed(ports._lines(), port))
        assert f"{our_program()} (pid {os.getpid()}) of {ME}" == ports.holder(port)

    assert ports.owner(port) is None
    assert ports.listed(ports._lines(), port) is None
    assert ports.holder(port) is None


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
def test_a_listener_on_another_address_does_not_count(host: str) -> None:
    """A connection to 127.0.0.1 cannot reach it."""
    with listening_elsewhere(host) as port:
        assert ports.owner(port) is None
        assert ports.listed(ports._lines(), port) is None


@linux_only
def test_a_listener_for_ipv6_alone_does_not_count() -> None:
    """[::] without IPv4 gets no connection to 127.0.0.1."""
    with listening_elsewhere("::", v6_only=True) as port:
        assert ports.owner(port) is None


@linux_only
def test_a_connection_is_no_listener() -> None:
    """A client's own port has no owner: nobody can connect to it."""
    with listening("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert ports.owner(client.getsockname()[1]) is None


def row(address: str, port: int = 9170, uid: int = 0, state: str = "0A") -> str:
    """A line of /proc/net/tcp or tcp6 on this machine."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    digits = "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
    return f"   0: {digits}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {uid:5} 0 4711 1\n"


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
def test_the_listener_with_the_most_specific_address_gets_the_connection(rows: list[str], expected: int | None) -> None:
    """127.0.0.1 comes before all addresses, and IPv4 before IPv6."""
    assert expected == uid_of(ports.listed(rows, 9170))


class NoSockDiag:
    """A kernel or a sandbox without sock_diag."""

    def __init__(self) -> None:
        raise PermissionError


@linux_only
def test_without_sock_diag_proc_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """/proc tells the same owner."""
    monkeypatch.setattr(sock_diag, "SockDiag", NoSockDiag)
    with listening("127.0.0.1") as port:
        assert os.getuid() == ports.owner(port)


@linux_only
def test_an_owner_who_cannot_be_known_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without sock_diag and /proc, and on other systems, no port has an owner or a holder."""
    with listening("127.0.0.1") as port:
        monkeypatch.setattr(sock_diag, "SockDiag", NoSockDiag)
        monkeypatch.setattr(ports, "PROC", tmp_path)
        assert (None, None) == (ports.owner(port), ports.holder(port))

        monkeypatch.undo()
        monkeypatch.setattr(sys, "platform", "darwin")
        assert (None, None) == (ports.owner(port), ports.holder(port))


@linux_only
def test_a_port_of_ours_is_accepted_and_another_users_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the owner, the port, and what to do."""
    me = pwd.getpwuid(os.getuid()).pw_name
    with listening("127.0.0.1") as port:
        ports.refuse_other_users(port)
        monkeypatch.setattr(os, "getuid", lambda: NOBODY)
        with pytest.raises(speech.Stop) as stop:
            ports.refuse_other_users(port)

    assert speech.FAILED == stop.value.exit_code
    assert (f"port {port} belongs to {me}: another program answers there",) == stop.value.errors
    assert any(f":{port}" in hint for hint in stop.value.hints)
    ports.refuse_other_users(port)


@linux_only
@root_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
@pytest.mark.parametrize("argv", COMMANDS)
async def test_no_shell_is_pointed_at_another_user(world: World, host: str, argv: tuple[str, ...]) -> None:
    """If another user's process has our port, nothing is printed or run, and the user is named."""
    async with other_user(host, world.port):
        ended = await world.run(*argv)

    name = pwd.getpwuid(NOBODY).pw_name
    assert (1, "") == (ended.code, ended.out)
    assert ended.err.startswith(f"mayfly: error: port {world.port} belongs to {name}: another program answers there")
    async with world.serve():
        assert 0 == (await world.run(*argv)).code


@linux_only
@root_only
async def test_credential_process_asks_the_control_socket_alone(world: World) -> None:
    """Neither another user's process on the configured port nor a malformed config stands in the way."""
    async with world.serve(), other_user("127.0.0.1", free_port()) as other:
        assert 200 == (await world.get()).status
        world.config.write_text("no JSON")
        ended = await world.run("credential-process", "nsrc", env={"MAYFLY_LISTEN": f"127.0.0.1:{other.port}"})

    assert (0, "") == (ended.code, ended.err)
    assert 1 == json.loads(ended.out)["Version"]


@linux_only
@root_only
@pytest.mark.parametrize(("host", "how"), [("127.0.0.1", "bound"), ("0.0.0.0", "bound"), ("127.0.0.1", "shared")])
@pytest.mark.parametrize("argv", COMMANDS)
async def test_no_shell_is_pointed_at_a_port_that_is_only_bound(
    world: World, host: str, how: str, argv: tuple[str, ...]
) -> None:
    """A process that has bound our port could listen on it as soon as we have looked."""
    async with other_user(host, world.port, how):
        ended = await world.run(*argv)

    assert (1, "") == (ended.code, ended.out)
    assert ended.err.startswith(f"mayfly: error: port {world.port} is held by a process that does not listen yet: ")


@linux_only
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("shares", [False, True])
async def test_serve_refuses_a_port_that_is_only_bound(world: World, host: str, *, shares: bool) -> None:
    """With SO_REUSEADDR it could be bound a second time, and the other process would have it as soon as we end."""
    with holding(host, shares=shares, port=world.port):
        ended = await world.run("serve")

    line = f"mayfly: error: 127.0.0.1:{world.port} is taken by a process that does not listen"
    assert (1, line) == (ended.code, ended.err.splitlines()[0])


@linux_only
async def test_serve_starts_among_connections_of_the_daemon_before_it(world: World) -> None:
    """Its clients may still be open; the tokens stay as they were."""
    async with world.serve() as daemon:
        await world.get()
        old = world.token()
        client = socket.create_connection(("127.0.0.1", world.port))
        await daemon.end()
    with client:
        async with world.serve():
            # Not its credentials: the code of this half minute was used by the daemon before.
            assert 200 == (await world.get("/healthz", token="")).status

    assert old == world.token()


@linux_only
@root_only
@pytest.mark.parametrize("how", ["bound", "shared"])
async def test_serve_makes_new_tokens_if_an_unknown_process_has_the_port(world: World, how: str) -> None:
    """A process that cannot be known to be ours counts as another user's."""
    await world.run("env", "nsrc")
    old = world.token()
    async with other_user("127.0.0.1", world.port, how):
        ended = await world.run("serve")

    assert 1 == ended.code
    assert "by a process that does not listen" in ended.err
    assert "all tokens are new" in ended.err
    assert old != world.token()


@linux_only
async def test_connections_of_a_daemon_that_has_ended_hold_no_port(world: World) -> None:
    """Neither connections that are closing nor clients that are still open count."""
    async with world.serve() as daemon:
        await world.get()
        open_still = [socket.create_connection(("127.0.0.1", world.port)) for _ in range(3)]
        await daemon.end()
        assert not ports.has_unknown_holder(world.port)
        assert 0 == (await world.run("env", "nsrc")).code
    for client in open_still:
        client.close()
    assert not ports.has_unknown_holder(world.port)


@contextmanager
def holding(host: str, *, shares: bool, port: int = 0) -> Iterator[socket.socket]:
    """A socket that is bound to a port and does not listen."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, shares)
        holder.bind((host, port))
        yield holder


@pytest.fixture(name="kernel", params=["lists bound sockets", "is older"])
def _kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux lists sockets that are only bound since 6.8; before, only a bind that fails tells of them."""
    if request.param == "is older":
        monkeypatch.setattr(sock_diag.SockDiag, "lists_bound", lambda _self: False)


@linux_only
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("shares", [False, True])
def test_a_bound_port_has_an_unknown_holder(host: str, *, shares: bool) -> None:
    """No table lists such a socket, and its process may listen at any time; on another address it does no harm."""
    with holding(host, shares=shares) as holder:
        assert ports.has_unknown_holder(holder.getsockname()[1])
    with holding("127.0.0.2", shares=shares) as elsewhere:
        assert not ports.has_unknown_holder(elsewhere.getsockname()[1])


@linux_only
@pytest.mark.usefixtures("kernel")
def test_our_socket_on_another_address_hides_no_holder() -> None:
    """It does not explain why 127.0.0.1 is taken."""
    with listening("127.0.0.2") as port, holding("127.0.0.1", shares=False, port=port):
        assert ports.has_unknown_holder(port)


@linux_only
@pytest.mark.usefixtures("kernel")
def test_another_shell_that_tests_the_port_is_no_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    """It binds the port as we do, and has released it when we look again."""
    with holding("127.0.0.1", shares=False) as other:
        monkeypatch.setattr("time.sleep", lambda _seconds: other.close())
        assert not ports.has_unknown_holder(other.getsockname()[1])


@linux_only
@pytest.mark.usefixtures("kernel")
def test_a_client_of_ours_with_that_port_is_no_holder() -> None:
    """The kernel may give this very port to a connection of ours."""
    with listening("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port)) as client:
        assert not ports.has_unknown_holder(client.getsockname()[1])


@linux_only
@root_only
async def test_our_daemon_on_another_port_excuses_no_other_user(world: World) -> None:
    """`serve` on the usual port says whose that is, though our control socket is answered."""
    async with world.serve("--listen", "127.0.0.1:0"):
        old = world.token()
        async with other_user("127.0.0.1", world.port):
            ended = await world.run("serve")

    assert (1, True) == (ended.code, "all tokens are new" in ended.err)
    assert old != world.token()


@linux_only
@root_only
async def test_a_command_without_a_daemon_names_the_other_user_on_its_port(world: World) -> None:
    """Under systemd the socket fails then, and no daemon runs that could say so; `rotate` works without a daemon."""
    await world.run("env", "nsrc")
    old = world.token()
    async with other_user("127.0.0.1", world.port):
        ended = await world.run("status")
        rotated = await world.run("rotate")

    name = pwd.getpwuid(NOBODY).pw_name
    assert (3, 0) == (ended.code, rotated.code)
    assert f"port {world.port} belongs to {name}: your mayfly cannot run there until they go" in ended.err
    assert "mayfly rotate" in ended.err
    assert old != world.token()


@linux_only
@root_only
async def test_off_works_with_any_owner_of_the_port(world: World) -> None:
    """A shell can always be set back."""
    async with other_user("127.0.0.1", world.port):
        assert 0 == (await world.run("env", "--off")).code


# All sockets of a port.


@linux_only
def test_whether_bound_sockets_are_listed_is_tried_out() -> None:
    """Linux lists them since 6.8."""
    version = tuple(int(word) for word in re.findall(r"[0-9]+", platform.release())[:2])
    with closing(SockDiag()) as kernel:
        assert (version >= (6, 8)) == kernel.lists_bound()


@linux_only
@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize(
    ("host", "expected"),
    {
        "127.0.0.1": 1,
        "0.0.0.0": 1,
        "::": 1,
        "::ffff:127.0.0.1": 1,
        "::ffff:0.0.0.0": 1,
        "127.0.0.2": 0,
        "::1": 0,
    }.items(),
)
def test_the_sockets_of_a_port_are_those_that_a_connection_could_reach(
    host: str, expected: int, *, listens: bool
) -> None:
    """127.0.0.1 and what it belongs to, as IPv4 and IPv6."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock, closing(SockDiag()) as kernel:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, 0))
        if listens:
            sock.listen()
        elif not kernel.lists_bound():
            pytest.skip("this kernel lists no socket that is only bound")
        found = kernel.holders(sock.getsockname()[1])
        mine = SocketOwner(os.getuid(), os.fstat(sock.fileno()).st_ino)

    assert expected * [Holder(mine, listens=listens, is_only_bound=not listens)] == found


@linux_only
@pytest.mark.parametrize("listens", [False, True])
def test_a_socket_for_ipv6_alone_is_none_of_the_ports(*, listens: bool) -> None:
    """A connection to 127.0.0.1 cannot reach it, whether it listens or not."""
    with socket.socket(socket.AF_INET6) as sock, closing(SockDiag()) as kernel:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::", 0))
        if listens:
            sock.listen()
        assert [] == kernel.holders(sock.getsockname()[1])


@linux_only
def test_connections_of_processes_are_sockets_of_a_port_and_closing_ones_are_not() -> None:
    """A connection whose process has closed it is nobody's."""
    with closing(SockDiag()) as kernel, socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        (first, _), (second, _) = listener.accept(), listener.accept()
        first.close()
        with second:
            found = kernel.holders(port)
        for client in clients:
            client.close()

    assert [(False, False), (True, False)] == sorted((one.listens, one.is_only_bound) for one in found)


# The process that has a port.


@linux_only
@root_only
async def test_root_is_told_the_process_of_another_user() -> None:
    """A program's name is printed without the characters that could steer a terminal."""
    async with other_user("127.0.0.1", 0) as listener:
        assert f"a?name (pid {listener.pid}) of {user_name(NOBODY)}" == ports.holder(listener.port)


def proc(folder: Path, *rows: str, v6: tuple[str, ...] = ()) -> None:
    """A /proc with nothing in it but these tables of sockets."""
    (folder / "net").mkdir(exist_ok=True)
    for name, lines in (("tcp", rows), ("tcp6", v6)):
        (folder / "net" / name).write_text("".join(["  sl  local_address rem_address   st ...\n", *lines]))


def process(folder: Path, pid: int, *words: str, uid: int | None = None, is_open: bool = False) -> Path:
    """A process of ours, or of `uid`; its descriptors can be seen if it `is_open`."""
    own = folder / str(pid)
    (own / ("fd" if is_open else "task")).mkdir(parents=True)
    whose = os.getuid() if uid is None else uid
    (own / "status").write_text(f"Name:\tx\nUid:\t{whose}\t{whose}\t{whose}\t{whose}\n")
    (own / "cmdline").write_text("\0".join([*words, ""]))
    (own / "comm").write_text("server\n")
    return own


@pytest.fixture(name="made_up_proc")
def _made_up_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of /proc, on a Linux without sock_diag."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sock_diag, "SockDiag", NoSockDiag)
    monkeypatch.setattr(ports, "PROC", tmp_path)
    return tmp_path


def test_a_process_that_cannot_be_looked_into_is_told_by_its_user(made_up_proc: Path) -> None:
    """/proc shows the descriptors of our own processes alone: of another user's socket the owner is known, no more."""
    proc(made_up_proc, row("127.0.0.1", uid=NOBODY))
    (made_up_proc / "77").mkdir()
    (made_up_proc / "78").write_text("the process has ended, and something else is in its place")

    assert f"a process of {user_name(NOBODY)}" == ports.holder(9170)
    assert ports.holder(9171) is None


def test_our_daemon_is_told_though_it_cannot_be_looked_into(made_up_proc: Path) -> None:
    """A daemon lets not even its own user look into it: it is known by its command line."""
    proc(made_up_proc, row("127.0.0.1", uid=os.getuid()))
    process(made_up_proc, 70, "vim", "mayfly")
    process(made_up_proc, 71, "strace", "mayfly", "serve", is_open=True)
    process(made_up_proc, 72, "/usr/bin/python3", "/usr/bin/mayfly", "serve", uid=os.getuid() + 1)
    process(made_up_proc, os.getpid(), "/usr/bin/python3", "/usr/bin/mayfly", "serve")
    nobody = ports.holder(9170)
    process(made_up_proc, 77, "/usr/bin/python3", "-m", "mayfly", "serve", "--listen", "127.0.0.1:9170")
    one = ports.holder(9170)
    process(made_up_proc, 8, "/usr/bin/python3", "/usr/bin/mayfly", "serve")
    two = ports.holder(9170)
    proc(made_up_proc, row("127.0.0.1", uid=NOBODY))

    expected = [f"a process of {ME}", f"mayfly serve (pid 77) of {ME}", f"mayfly serve (pid 8 or 77) of {ME}"]
    assert expected == [nobody, one, two]
    assert f"a process of {user_name(NOBODY)}" == ports.holder(9170)


def test_the_listener_with_the_most_specific_address_is_named(made_up_proc: Path) -> None:
    """Connections from the port, and sockets with other addresses, take nothing that is sent to 127.0.0.1."""
    others = [row("127.0.0.1", state="01", uid=1), row("127.0.0.2", uid=1)]
    proc(made_up_proc, *others, row("0.0.0.0", uid=NOBODY), v6=(row("::", uid=1),))

    assert f"a process of {user_name(NOBODY)}" == ports.holder(9170)


def test_a_descriptor_that_is_closed_meanwhile_is_passed_over(
    made_up_proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Busy processes open and close descriptors all the time: the process's other descriptors still count."""
    proc(made_up_proc, row("127.0.0.1"))
    own = process(made_up_proc, 77, "server", is_open=True)
    (own / "fd/3").symlink_to("socket:[4711]")
    (own / "fd/4").symlink_to("socket:[4711]")
    look = Path.readlink
    gone: list[Path] = []

    def readlink(path: Path) -> Path:
        if not gone:
            gone.append(path)
            raise FileNotFoundError
        return look(path)

    monkeypatch.setattr(Path, "readlink", readlink)

    assert "server (pid 77) of root" == ports.holder(9170)
