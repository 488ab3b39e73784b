"""Who asks: our parent, through pipes; or, where systemd has started us for a connection, the daemon's unit.

Whoever reaches the socket of the exchange could have a person asked for a fingerprint. That is kept from programs that
are locked in and have found a way to this path; a program that can start others can start an exchange anyway.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import threading
import time

from pathlib import Path

from mayfly.shared.peer import is_ours, unix_peer


UNIT = "mayfly.service"
GLANCE_SECONDS = 0.5


def may_ask(descriptor: int) -> bool:
    """Whether the other end of our standard input may ask."""
    pid = _peer_pid(descriptor)
    return pid is None or pid == os.getppid() or UNIT in units_of(pid)


def end_with_peer(descriptor: int) -> None:
    """End, as by SIGTERM, with whoever asks: a prompt that nobody listens to any more would be answered in vain.

    The daemon's unit hangs up; a daemon that was killed is no longer our parent.
    """
    pid, parent = _peer_pid(descriptor), os.getppid()
    is_child = pid is None or pid == parent

    def watch() -> None:
        if is_child:
            while os.getppid() == parent:
                time.sleep(GLANCE_SECONDS)
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLRDHUP)
            poll.poll()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def units_of(pid: int, proc: Path = Path("/proc")) -> set[str]:
    """The units that a process is in: the last parts of its control groups' names (cgroups(7), /proc/PID/cgroup)."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return set()
    # Of the many hierarchies of cgroup v1, systemd's own counts; of v2 there is only one.
    ours = [line.split(":", 2)[2] for line in lines if line.startswith("0::") or ":name=systemd:" in line]
    return {path.rpartition("/")[2] for path in ours} - {""}


def _peer_pid(descriptor: int) -> int | None:
    """The pid of the process that has connected, 0 if it is unknown or another user's; None if this is no socket."""
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return None
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        peer = unix_peer(sock) if sock.family == socket.AF_UNIX else None
    return peer[0] if peer and is_ours(peer[1]) else 0
