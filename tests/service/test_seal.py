"""What a hostile daemon can reach from behind its seal, and which processes can reach the exchange."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from support.managers import ROOT, UserManager


pytestmark = pytest.mark.unfollowed
HOSTILE = Path(__file__).with_name("hostile.py")

# Runs in the place of the exchange, and leaves a process behind that has left its process group.
LEAKY = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        time.sleep(600)
    os._exit(0)
os.wait()
os.write(1, open("/proc/self/cgroup", "rb").read().replace(b"\\n", b" ") + b"\\n")
time.sleep(float(sys.argv[1]))
"""


async def run_with_a_client(manager: UserManager) -> None:
    """Run the service to its end, and be its client as soon as it runs: a connection before that would start it."""
    running = asyncio.create_task(manager.systemctl("start", "mayfly.service"))
    async with asyncio.timeout(20):
        while not (manager.runtime_dir / "mayfly/begun").exists():
            await asyncio.sleep(0.02)
    with socket.create_connection(("127.0.0.1", manager.world.port)):
        await running


async def behind_the_seal(manager: UserManager) -> dict[str, Any]:
    """The findings of the hostile program, run in the daemon's place."""
    await manager.install()
    script = manager.world.folder / "hostile.py"
    loopback = manager.world.sts.url.rpartition(":")[2]
    shutil.copy(HOSTILE, script)
    manager.world.own(manager.uid)
    folder = f"/run/user/{manager.uid}/mayfly"
    name = f"mayfly-test-{manager.world.port}"
    await manager.run("systemd-run", "--user", "--quiet", "--unit=outside", "sleep", "600")
    outside = await manager.main_pid("outside.service")
    screen, terminal = os.openpty()
    os.fchown(terminal, manager.uid, -1)
    engine = "/run/engine.sock" if manager.uid == ROOT else f"/run/user/{manager.uid}/engine.sock"
    manager.lay_over(
        "50-hostile",
        "Type=oneshot",
        "Restart=no",
        "WatchdogSec=0",
        "ExecStart=",
        f"ExecStart={manager.python} -I {script} {manager.world.home} {folder} {name} {loopback} {outside} {engine}"
        f" {os.ttyname(terminal)}",
        units=("mayfly.service",),
    )
    await manager.systemctl("daemon-reload")
    await manager.systemctl("start", "mayfly.socket")
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as listening:
        abstract.bind(f"\0{name}")
        abstract.listen()
        listening.bind(str(manager.seen(engine)))
        manager.seen(engine).chmod(0o777)
        listening.listen()
        await run_with_a_client(manager)
    os.close(terminal)
    os.close(screen)
    for left in ("/tmp/mayfly-hostile", "/dev/shm/mayfly-hostile"):
        manager.seen(left).unlink(missing_ok=True)
    return dict(json.loads((manager.runtime_dir / "mayfly/found.json").read_text()))


def network() -> str:
    """The network namespace of this process."""
    return str(Path("/proc/self/ns/net").readlink())


def check_system_calls(found: dict[str, Any]) -> None:
    """Every call that could open a socket, reach another process or use a key is refused, under each of its numbers."""
    assert {"EPERM"} == {*found["calls"].values(), found["trace"]}
    # The call numbers of another architecture end the process, where the kernel has that architecture.
    assert found["x32"] in {"SIGSYS", "ENOSYS", "not here"}
    assert found["i386"] in {"SIGSYS", "SIGSEGV", "ENOSYS", "not here"}
    assert "refused" == found["memfd"]
    assert "TimeoutError" == found["descriptor"]
    assert {"OSError"} == {found[name] for name in ("inet", "inet6", "netlink", "vsock", "packet")}
    assert "PermissionError" == found["network of the listener"]
    # What comes from loopback, the kernel sends nowhere else. With another address, by bind, it would.
    kept, bound, outside, listening = found["through a client"]
    assert ("127.0.0.1", "PermissionError") == (kept, bound)
    assert outside in {"EINVAL", "ENETUNREACH"}
    assert {"PermissionError", "EPERM"} == {found["signal"], found["signal to a thread"]}
    assert found["write memory"] in {"PermissionError", "FileNotFoundError"}
    assert "-1" == found["namespace"]
    assert "NoNewPrivs:\t1" in found["capabilities"]
    # Known holes of the seal: see docs/service.md.
    assert ("None", "127.0.0.1", "True") == (found["loopback"], listening, found["signal by an owner"])
    assert found["limits"].startswith("(")


async def test_a_hostile_daemon_opens_no_socket_and_starts_nothing_outside(manager: UserManager) -> None:
    """Behind the seal there is no new network socket, no socket of others, and only our folder can be written."""
    found = await behind_the_seal(manager)

    check_system_calls(found)
    assert "OSError" == found["outside address"]
    assert 0 != found["systemd-run"]
    assert {"FileNotFoundError"} == {found["private"], found["bus"]}
    assert "ConnectionRefusedError" == found["abstract"]
    assert {"OSError"} == {found["write home"], found["write tmp"]}
    assert "True" == found["read config"]
    assert found["others"] in {"PermissionError", "FileNotFoundError"}
    assert ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] == found["capabilities"]
    assert ["mayfly", "systemd"] == found["runtime"]
    assert ["user"] == found["run"]
    assert "FileNotFoundError" == found["engine"]
    assert "FileNotFoundError" == found["write terminal"]
    assert {"OSError"} == {found["write shm"], found["write mqueue"]}


async def test_an_ordinary_users_hostile_daemon_opens_no_socket_either(ordinary: UserManager) -> None:
    """Every machine gives an ordinary user the filter of system calls and, where user namespaces are, no network."""
    found = await behind_the_seal(ordinary)

    check_system_calls(found)
    assert network() != found["network"]


# Tells systemd that another process is the service's, and goes on.
IMPOSTOR = """
import os, socket, sys, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.connect(os.environ["NOTIFY_SOCKET"])
sock.send(b"MAINPID=" + sys.argv[1].encode())
sock.send(b"STATUS=told")
time.sleep(600)
"""


async def start_impostor(manager: UserManager) -> int:
    """Start a hostile daemon that claims the process of another service as its own; returns that process."""
    await manager.install()
    script = manager.world.folder / "impostor.py"
    script.write_text(IMPOSTOR)
    await manager.run("systemd-run", "--user", "--quiet", "--unit=outside", "sleep", "600")
    outside = await manager.main_pid("outside.service")
    start = f"ExecStart={manager.python} -I {script} {outside}"
    manager.lay_over("50-impostor", "Type=exec", "WatchdogSec=0", "ExecStart=", start, units=("mayfly.service",))
    await manager.systemctl("daemon-reload")
    await manager.systemctl("start", "mayfly.socket", "mayfly.service")
    return outside


async def test_an_ordinary_users_systemd_believes_no_claim_to_another_process(ordinary: UserManager) -> None:
    """MAINPID= of a process outside of the service is refused, so a hostile daemon cannot have that process ended."""
    outside = await start_impostor(ordinary)
    await ordinary.until("mayfly.service", "StatusText", "told")

    assert await ordinary.main_pid() not in {0, outside}


async def test_roots_systemd_believes_a_claim_to_another_process(manager: UserManager) -> None:
    """A known hole, of root's own service alone: systemd believes MAINPID= of a root process (docs/threats.md)."""
    outside = await start_impostor(manager)

    await manager.until("mayfly.service", "MainPID", str(outside))


async def test_the_exchange_answers_only_the_daemon(manager: UserManager) -> None:
    """The exchange closes a connection of any other process, and starts no prompt."""
    await manager.install("--now")
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'{}\\n');"
        "s.shutdown(socket.SHUT_WR); print(s.recv(99))"
    )

    ended = await manager.run(str(manager.python), "-I", "-c", program, f"/run/user/{manager.uid}/mayfly/exchange.sock")
    async with asyncio.timeout(20):
        while "only mayfly.service may ask" not in manager.log("mayfly-exchange@.service"):
            await asyncio.sleep(0.05)

    assert "b''\n" == ended.out or "ConnectionResetError" in ended.err
    assert [] == manager.world.vault.calls()


def running(manager: UserManager, word: str) -> list[str]:
    """The command lines with this word, of all processes in the manager's process namespace."""
    lines = []
    for path in manager.seen("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_text().replace("\0", " "))
    assert any("systemd --user" in line for line in lines)
    return [line for line in lines if word in line]


async def leak(manager: UserManager, seconds: float, *lines: str) -> bytes:
    """Start a leaky exchange by a connection, and wait until it has ended; returns its output."""
    await manager.install()
    script = manager.world.folder / "leaky.py"
    script.write_text(LEAKY)
    start = f"ExecStart={manager.python} -I {script} {seconds}"
    manager.lay_over("50-leaky", "ExecStart=", start, *lines, units=("mayfly-exchange@.service",))
    await manager.systemctl("daemon-reload")
    await manager.systemctl("start", "mayfly-exchange.socket")
    reader, writer = await asyncio.open_unix_connection(manager.runtime_dir / "mayfly/exchange.sock")
    async with asyncio.timeout(20):
        said = await reader.read()
        writer.close()
        while await manager.systemctl("list-units", "--no-legend", "mayfly-exchange@*"):
            await asyncio.sleep(0.05)
    return said


async def test_an_exchange_has_a_cgroup_that_ends_whole(manager: UserManager) -> None:
    """A grandchild that left its session ends with its exchange, which has its own control group."""
    said = await leak(manager, 0)

    assert b"/mayfly-exchange@" in said
    assert [] == running(manager, "leaky.py")


async def test_an_exchange_that_hangs_is_killed_whole(manager: UserManager) -> None:
    """At its time limit an exchange is killed with every process that it started."""
    await leak(manager, 600, "RuntimeMaxSec=1", "TimeoutStopSec=1")

    assert [] == running(manager, "leaky.py")
