"""What the sealed daemon can reach, and who can reach the exchange."""

from __future__ import annotations

import asyncio
import json
import socket

from contextlib import suppress
from pathlib import Path
from typing import Any

from support.managers import ROOT, UserManager


# Run in the place of the daemon, behind its seal.
HOSTILE = """
import contextlib, ctypes, json, os, pathlib, signal, socket, subprocess, sys

def tried(what):
    try:
        return repr(what())
    except BaseException as reason:
        return type(reason).__name__

home, folder, name, loopback, outside, engine = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)

def through_listener(host, port):
    sock = next(s for s in (socket.socket(fileno=os.dup(fd)) for fd in (3, 4, 5)) if s.family == socket.AF_INET)
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.connect((host, int(port)))

found = {
    "inet": tried(lambda: socket.socket(socket.AF_INET)),
    "inet6": tried(lambda: socket.socket(socket.AF_INET6)),
    "netlink": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)),
    "outside address": tried(lambda: through_listener("198.51.100.1", 80)),
    "loopback": tried(lambda: through_listener("127.0.0.1", loopback)),
    "systemd-run": subprocess.run(["systemd-run", "--user", "true"], capture_output=True).returncode,
    "private": tried(lambda: socket.socket(socket.AF_UNIX).connect(f"/run/user/{os.getuid()}/systemd/private")),
    "bus": tried(lambda: socket.socket(socket.AF_UNIX).connect(f"/run/user/{os.getuid()}/bus")),
    "abstract": tried(lambda: socket.socket(socket.AF_UNIX).connect("\\0" + name)),
    "write home": tried(lambda: pathlib.Path(home, ".bashrc").write_text("x")),
    "write tmp": tried(lambda: pathlib.Path("/tmp/mayfly-hostile").write_text("x")),
    "read config": tried(lambda: bool(next(pathlib.Path(home, ".config/mayfly").iterdir()).read_text())),
    "others": tried(lambda: os.readlink(f"/proc/{outside}/exe")),
    "signal": tried(lambda: os.kill(int(outside), 0)),
    "signal to a thread": tried(lambda: libc.tgkill(int(outside), int(outside), 0)),
    "signal by a pidfd": tried(lambda: signal.pidfd_send_signal(os.pidfd_open(int(outside)), 0)),
    "trace": tried(lambda: libc.ptrace(16, int(outside), 0, 0)),
    "namespace": tried(lambda: libc.unshare(0x10000000)),
    "network": os.readlink("/proc/self/ns/net"),
    "engine": tried(lambda: socket.socket(socket.AF_UNIX).connect(engine)),
    "write shm": tried(lambda: pathlib.Path("/dev/shm/mayfly-hostile").write_text("x")),
    "write mqueue": tried(lambda: pathlib.Path("/dev/mqueue/mayfly-hostile").write_text("x")),
    "run": sorted(os.listdir("/run")),
    "capabilities": [line for line in open("/proc/self/status") if line.startswith(("CapBnd", "CapEff", "NoNewPrivs"))],
    "runtime": sorted(os.listdir(f"/run/user/{os.getuid()}")),
}
pathlib.Path(folder, "found.json").write_text(json.dumps(found))
"""

# Run in the place of the exchange: leaves a process behind that hides from its process group.
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


async def behind_the_seal(manager: UserManager) -> dict[str, Any]:
    """What a hostile program finds in the daemon's place."""
    await manager.install()
    script = manager.world.folder / "hostile.py"
    loopback = manager.world.sts.url.rpartition(":")[2]
    script.write_text(HOSTILE)
    folder = f"/run/user/{manager.uid}/mayfly"
    name = f"mayfly-test-{manager.world.port}"
    await manager.run("systemd-run", "--user", "--quiet", "--unit=outside", "sleep", "600")
    outside = await manager.main_pid("outside.service")
    engine = "/run/engine.sock" if manager.uid == ROOT else f"/run/user/{manager.uid}/engine.sock"
    manager.lay_over(
        "50-hostile",
        "Type=oneshot",
        "Restart=no",
        "WatchdogSec=0",
        "ExecStart=",
        f"ExecStart={manager.python} -I {script} {manager.world.home} {folder} {name} {loopback} {outside} {engine}",
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
        await manager.systemctl("start", "mayfly.service")
    for left in ("/tmp/mayfly-hostile", "/dev/shm/mayfly-hostile"):
        manager.seen(left).unlink(missing_ok=True)
    return dict(json.loads((manager.runtime_dir / "mayfly/found.json").read_text()))


def network() -> str:
    """The network that this process is in."""
    return str(Path("/proc/self/ns/net").readlink())


async def test_a_hostile_daemon_opens_no_socket_and_starts_nothing_outside(manager: UserManager) -> None:
    """Behind the seal is no network, no socket of others, no signal to send, and nothing but our folder to write."""
    found = await behind_the_seal(manager)

    assert {"OSError"} == {found[name] for name in ("inet", "inet6", "netlink", "outside address")}
    assert "None" == found["loopback"]  # the seal's known hole: see docs/service.md
    assert 0 != found["systemd-run"]
    assert {"FileNotFoundError"} == {found["private"], found["bus"]}
    assert "ConnectionRefusedError" == found["abstract"]
    assert {"OSError"} == {found["write home"], found["write tmp"]}
    assert "True" == found["read config"]
    assert found["others"] in {"PermissionError", "FileNotFoundError"}
    assert "-1" == found["namespace"]
    assert ["CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n"] == found["capabilities"]
    assert ["mayfly", "systemd"] == found["runtime"]
    assert ["user"] == found["run"]
    assert "FileNotFoundError" == found["engine"]
    assert {"OSError"} == {found["write shm"], found["write mqueue"]}
    assert {"PermissionError"} == {found["signal"], found["signal by a pidfd"]}
    assert {"-1"} == {found["signal to a thread"], found["trace"]}


async def test_an_ordinary_users_hostile_daemon_opens_no_socket_either(ordinary: UserManager) -> None:
    """What an ordinary user's machine always gives: a network of its own, no signals, no namespace, no new rights."""
    found = await behind_the_seal(ordinary)

    assert {"OSError"} == {found[name] for name in ("inet", "inet6", "netlink")}
    assert network() != found["network"]
    assert {"PermissionError"} == {found["signal"], found["signal by a pidfd"]}
    assert {"-1"} == {found["signal to a thread"], found["namespace"]}
    assert "NoNewPrivs:\t1\n" in found["capabilities"]


async def test_the_exchange_answers_only_the_daemon(manager: UserManager) -> None:
    """Whoever else connects to the exchange's socket is hung up on, whatever it asks, and nobody is prompted."""
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
    """The command lines with this word, of all processes of the manager's world."""
    lines = []
    for path in manager.seen("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            lines.append(path.read_text().replace("\0", " "))
    assert any("systemd --user" in line for line in lines)
    return [line for line in lines if word in line]


async def leak(manager: UserManager, seconds: float, *lines: str) -> bytes:
    """Have a leaky exchange started by a connection, and wait until it has ended; what it said."""
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
    """A grandchild that left its session ends with its exchange: each has a control group of its own."""
    said = await leak(manager, 0)

    assert b"/mayfly-exchange@" in said
    assert [] == running(manager, "leaky.py")


async def test_an_exchange_that_hangs_is_killed_whole(manager: UserManager) -> None:
    """At its time limit an exchange ends with all that it has started."""
    await leak(manager, 600, "RuntimeMaxSec=1", "TimeoutStopSec=1")

    assert [] == running(manager, "leaky.py")
