"""Runs in the place of the sealed daemon, and tries every way out: a program of the standard library alone.

    hostile.py HOME FOLDER NAME LOOPBACK OUTSIDE ENGINE TERMINAL

HOME is the user's; the findings go to FOLDER/found.json; NAME is an abstract socket outside, LOOPBACK a port that is
served outside, OUTSIDE the process of another service, ENGINE the path of a socket as a container engine's,
TERMINAL a terminal of the user's.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import resource
import signal
import socket
import subprocess
import sys

from collections.abc import Callable
from pathlib import Path
from typing import Any


HOME, FOLDER, NAME, LOOPBACK, OUTSIDE, ENGINE, TERMINAL = sys.argv[1:]
RUNTIME_DIR = f"/run/user/{os.getuid()}"
LIBC = ctypes.CDLL(None, use_errno=True)

# From the kernel's asm/unistd.h. A call outside of the filter's list is refused before its arguments are looked at.
CALLS = {
    "x86_64": {
        "add_key": 248,
        "bind": 49,
        "bpf": 321,
        "io_setup": 206,
        "kcmp": 312,
        "keyctl": 250,
        "mq_open": 240,
        "msgget": 68,
        "perf_event_open": 298,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "ptrace": 101,
        "request_key": 249,
        "semget": 64,
        "setns": 308,
        "shmget": 29,
        "tgkill": 234,
        "tkill": 200,
        "rt_sigqueueinfo": 129,
        "userfaultfd": 323,
    },
    "aarch64": {
        "add_key": 217,
        "bind": 200,
        "bpf": 280,
        "io_setup": 0,
        "kcmp": 272,
        "keyctl": 219,
        "mq_open": 180,
        "msgget": 186,
        "perf_event_open": 241,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "ptrace": 117,
        "request_key": 218,
        "semget": 190,
        "setns": 268,
        "shmget": 194,
        "tgkill": 131,
        "tkill": 130,
        "rt_sigqueueinfo": 138,
        "userfaultfd": 282,
    },
}.get(platform.machine(), {}) | {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "pidfd_getfd": 438,
    "pidfd_open": 434,
    "pidfd_send_signal": 424,
    "process_madvise": 440,
}

ME = os.getpid()
SPACE = ctypes.create_string_buffer(4096)
KEY_TYPE, KEY_NAME = ctypes.c_char_p(b"user"), ctypes.c_char_p(b"mayfly-hostile")
# Arguments with which each call succeeds without the seal, or fails for another reason than a lack of permission.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "add_key": (KEY_TYPE, KEY_NAME, b"x", 1, -2),
    "bind": (-1, None, 0),
    "bpf": (-1, SPACE, 0),
    "io_setup": (1, SPACE),
    "io_uring_setup": (1, SPACE),
    "io_uring_enter": (-1, 0, 0, 0, None, 0),
    "io_uring_register": (-1, 0, None, 0),
    "kcmp": (ME, ME, 0, 0, 0),
    "keyctl": (0, -2, 1),
    "mq_open": (b"/mayfly-hostile", os.O_RDWR | os.O_CREAT, 0o600, None),
    "msgget": (0, 0o600),
    "perf_event_open": (None, 0, -1, -1, 0),
    "pidfd_getfd": (-1, 0, 0),
    "pidfd_open": (ME, 0),
    "pidfd_send_signal": (-1, 0, None, 0),
    "process_madvise": (-1, None, 0, 0, 0),
    "process_vm_readv": (ME, None, 0, None, 0, 0),
    "process_vm_writev": (ME, None, 0, None, 0, 0),
    "ptrace": (0, 0, 0, 0),
    "request_key": (KEY_TYPE, KEY_NAME, None, 0),
    "rt_sigqueueinfo": (ME, 0, SPACE),
    "semget": (0, 1, 0o600),
    "setns": (-1, 0),
    "shmget": (0, 4096, 0o600),
    "tgkill": (ME, ME, 0),
    "tkill": (ME, 0),
    "userfaultfd": (1,),
}


PROGRAM = """
import socket
try:
    socket.socket()
    print("allowed")
except OSError:
    print("refused")
"""


def tried(attempt: Callable[[], Any]) -> str:
    """The attempt's result, or the name of its exception."""
    try:
        return repr(attempt())
    except BaseException as reason:  # noqa: BLE001 - the findings are all that leaves this program
        return type(reason).__name__


def called(number: int, *arguments: Any) -> str:
    """What a system call says by its number: an error's name, or "allowed"."""
    ctypes.set_errno(0)
    LIBC.syscall.restype = ctypes.c_long
    if LIBC.syscall(ctypes.c_long(number), *arguments) == -1:
        return errno.errorcode.get(ctypes.get_errno(), "?")
    return "allowed"


def in_child(attempt: Callable[[], str]) -> str:
    """The same in a child, which a system call of another architecture may kill."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            os.write(writing, attempt().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        said = file.read().decode()
    status = os.waitpid(child, 0)[1]
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else said


def x32_socket() -> str:
    """socket(AF_INET, SOCK_STREAM, 0) of the x32 architecture, by the same instruction."""
    return called(0x40000000 | 41, 2, 1, 0)


def i386_socket() -> str:
    """socket(AF_INET, SOCK_STREAM, 0) of i386, by machine code in a memfd, which is mapped after it was written."""
    code = bytes.fromhex("53 b867010000 bb02000000 b901000000 31d2 cd80 5b c3")
    descriptor = os.memfd_create("code")
    os.write(descriptor, code.ljust(4096, b"\x90"))
    mapped = mmap.mmap(descriptor, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)
    # A buffer of a mapping without PROT_WRITE has no address for ctypes: so it is looked up.
    lines = Path("/proc/self/maps").read_text().splitlines()
    address = int(next(line for line in lines if "memfd:code" in line).split("-")[0], 16)
    returned = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    mapped.close()
    return "allowed" if returned >= 0 else errno.errorcode.get(-returned, "?")


def socket_of_a_memfd() -> str:
    """A socket that a program opens which was run from a memfd."""
    descriptor = os.memfd_create("program", 0)
    os.write(descriptor, f"#!{sys.executable} -I\n{PROGRAM}".encode())
    ended = subprocess.run([f"/proc/self/fd/{descriptor}"], pass_fds=[descriptor], capture_output=True, check=False)
    return ended.stdout.decode().strip() or ended.stderr.decode()


def received_descriptor() -> str:
    """Whether systemd sends a descriptor back by the only foreign socket that is reachable."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        # Gives the socket an address, to which systemd could answer.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        sock.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        sock.send(b"STATUS=tried")
        sock.settimeout(0.2)
        return repr(sock.recvmsg(99, socket.CMSG_SPACE(64)))


def through_listener(host: str, port: int) -> None:
    """Connect by the socket that systemd has handed over."""
    inherited = (socket.socket(fileno=os.dup(number)) for number in (3, 4, 5))
    sock = next(one for one in inherited if one.family == socket.AF_INET)
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.connect((host, port))


def through_client() -> tuple[str, str, str, str]:
    """Use a client's connection for another one, with the address that it keeps, and with any other one.

    Returns the address that it keeps, what bind(2) and a connection to an address outside say, and where it listens.
    """
    inherited = (socket.socket(fileno=os.dup(number)) for number in (3, 4, 5))
    listener = next(one for one in inherited if one.family == socket.AF_INET)
    sock, _ = listener.accept()
    # The family AF_UNSPEC ends the connection and frees its port: connect(2).
    LIBC.connect(sock.fileno(), bytes(16), 16)
    kept = sock.getsockname()[0]
    bound = tried(lambda: sock.bind(("0.0.0.0", 0)))
    sock.setblocking(False)
    outside = errno.errorcode.get(sock.connect_ex(("198.51.100.1", 80)), "allowed")
    sock.listen()
    return kept, bound, outside, sock.getsockname()[0]


def network_of_listener() -> str:
    """Join the network of the listener, by SIOCGSKNS of linux/sockios.h."""
    for number in (3, 4, 5):
        network = fcntl.ioctl(number, 0x894C)
        return called(CALLS["setns"], network, 0)
    return "none"


def signal_by_owner(pid: int) -> bool:
    """Have the kernel signal a process, as the owner of a socket that becomes readable: F_SETOWN of fcntl(2)."""
    mine, other = socket.socketpair()
    fcntl.fcntl(mine, fcntl.F_SETOWN, pid)
    fcntl.fcntl(mine, 10, signal.SIGTERM)
    fcntl.fcntl(mine, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    other.send(b"x")
    return True


def connected(address: str) -> str:
    return tried(lambda: socket.socket(socket.AF_UNIX).connect(address))


def written(path: str) -> str:
    return tried(lambda: Path(path).write_text("x"))


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def status(*keys: str) -> list[str]:
    return [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(keys)]


Path(FOLDER, "begun").touch()
found = {
    "calls": {name: called(CALLS[name], *ARGUMENTS[name]) for name in ARGUMENTS if name in CALLS and name != "ptrace"},
    "trace": in_child(lambda: called(CALLS["ptrace"], *ARGUMENTS["ptrace"])),
    "x32": in_child(x32_socket) if platform.machine() == "x86_64" else "not here",
    "i386": in_child(i386_socket) if platform.machine() == "x86_64" else "not here",
    "memfd": in_child(socket_of_a_memfd),
    "descriptor": tried(received_descriptor),
    "inet": tried(lambda: socket.socket(socket.AF_INET)),
    "inet6": tried(lambda: socket.socket(socket.AF_INET6)),
    "netlink": tried(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4)),
    "vsock": tried(lambda: socket.socket(socket.AF_VSOCK)),
    "packet": tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
    "network of the listener": tried(network_of_listener),
    "through a client": through_client(),
    "outside address": tried(lambda: through_listener("198.51.100.1", 80)),
    "loopback": tried(lambda: through_listener("127.0.0.1", int(LOOPBACK))),
    "systemd-run": subprocess.run(["systemd-run", "--user", "true"], capture_output=True, check=False).returncode,
    "private": connected(f"{RUNTIME_DIR}/systemd/private"),
    "bus": connected(f"{RUNTIME_DIR}/bus"),
    "abstract": connected(f"\0{NAME}"),
    "engine": connected(ENGINE),
    "write home": written(f"{HOME}/.bashrc"),
    "write tmp": written("/tmp/mayfly-hostile"),
    "write shm": written("/dev/shm/mayfly-hostile"),
    "write mqueue": written("/dev/mqueue/mayfly-hostile"),
    "write terminal": tried(lambda: os.write(os.open(TERMINAL, os.O_WRONLY | os.O_NOCTTY), b"\x1b]0;x\x07")),
    "write memory": written(f"/proc/{OUTSIDE}/mem"),
    "read config": tried(lambda: bool(next(Path(HOME, ".config/mayfly").iterdir()).read_text())),
    "others": tried(lambda: str(Path(f"/proc/{OUTSIDE}/exe").readlink())),
    "signal": tried(lambda: os.kill(int(OUTSIDE), 0)),
    "signal to a thread": called(CALLS["tgkill"], int(OUTSIDE), int(OUTSIDE), 0),
    "namespace": tried(lambda: LIBC.unshare(0x10000000)),
    "network": str(Path("/proc/self/ns/net").readlink()),
    "run": names("/run"),
    "runtime": names(RUNTIME_DIR),
    "capabilities": status("CapBnd", "CapEff", "NoNewPrivs"),
    "limits": tried(lambda: resource.prlimit(int(OUTSIDE), resource.RLIMIT_CORE, (0, 0))),
    "signal by an owner": tried(lambda: signal_by_owner(int(OUTSIDE))),
}
Path(FOLDER, "found.json").write_text(json.dumps(found))
