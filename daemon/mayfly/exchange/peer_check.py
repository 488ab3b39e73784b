"""Who may ask: our parent, through pipes, or, if systemd started us for a connection, a process of the daemon's unit.

A process that reaches the socket of the exchange could have a person prompted. This check keeps out programs that are
confined and have found a way to the socket. It does not keep out a program that may start others, or write to control
groups outside of its own: such a program can start an exchange, or enter the daemon's unit.
"""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import stat
import threading
import time

from typing import TYPE_CHECKING

from mayfly.shared.peer import is_ours, unix_peer


if TYPE_CHECKING:
    from mayfly.shared.pathnames import AnyPath


UNIT = "mayfly.service"
POLL_SECONDS = 0.5

_OWN_UNIT = r"mayfly-exchange@.*\.service"


def may_ask(descriptor: int) -> bool:
    """True if the process at the other end of our standard input may ask."""
    pid = _peer_pid(descriptor)
    return pid is None or pid == os.getppid() or is_of_daemons_unit(pid)


def end_with_peer(descriptor: int) -> None:
    """End, as by SIGTERM, once the client is gone: nobody should answer a prompt whose result nobody reads.

    Under systemd the daemon's end of the connection closes; a parent that was killed is no longer our parent.
    """
    pid, parent = _peer_pid(descriptor), os.getppid()
    is_child = pid is None or pid == parent

    def watch() -> None:
        if is_child:
            while os.getppid() == parent:
                time.sleep(POLL_SECONDS)
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLRDHUP)
            poll.poll()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def is_of_daemons_unit(pid: int, proc: AnyPath = "/proc") -> bool:
    """True if the process is in the control group of mayfly.service of the service manager that started us.

    The whole path counts, not its last part: a unit to which systemd has delegated its control group may make groups of
    any name in it. On cgroup version 1 a process is in several hierarchies (cgroups(7)), of which systemd uses one or
    two; it must be in the daemon's group in each one in which we are in the group of our own unit.
    """
    own, peer = _control_groups(f"{proc}/self"), _control_groups(f"{proc}/{pid}")
    managers = {hierarchy: _manager_of_exchange(path) for hierarchy, path in own.items()}
    used = {hierarchy: manager for hierarchy, manager in managers.items() if manager is not None}
    return bool(used) and all(_is_daemon_of(manager, peer.get(hierarchy, "")) for hierarchy, manager in used.items())


def _control_groups(process: str) -> dict[str, str]:
    """The paths of a process's control groups in the hierarchies that systemd may use, by the hierarchy's name."""
    try:
        # Only "\n" ends a line: the kernel lets a group's name contain all else, other line ends included.
        with open(f"{process}/cgroup", "rb") as file:
            lines = os.fsdecode(file.read()).split("\n")
    except OSError:
        return {}
    rows = [line.split(":", 2) for line in lines if line]
    # Version 2 has number 0 and no name.
    return {name: path for number, name, path in rows if (number, name) == ("0", "") or name == "name=systemd"}


def _manager_of_exchange(path: str) -> str | None:
    """The control group of our service manager, from that of our unit; None if `path` is not that of our unit."""
    *above, unit = path.split("/")
    if not re.fullmatch(_OWN_UNIT, unit):
        return None
    while above and above[-1].endswith(".slice"):
        above.pop()
    return "/".join(above)


def _is_daemon_of(manager: str, path: str) -> bool:
    """True for the daemon's unit below the control group `manager`, in any slice (systemd.slice(5))."""
    if not path.startswith(f"{manager}/"):
        return False
    *slices, unit = path.removeprefix(f"{manager}/").split("/")
    parent = ""
    for name in slices:
        stem = name.removesuffix(".slice")
        # The slice a-b.slice is always in a.slice.
        if stem == name or not stem or stem.rpartition("-")[0] != parent:
            return False
        parent = stem
    return unit == UNIT


def _peer_pid(descriptor: int) -> int | None:
    """The pid of the process that has connected, 0 if it is unknown or another user's; None if this is no socket."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        peer = unix_peer(sock) if sock.family == socket.AF_UNIX else None
    return peer[0] if peer and is_ours(peer[1]) else 0
