"""Which coding agent a process works for: by the marks in its environment and in those of its ancestors (Linux).

Few imports: `mayfly approve` runs this.
"""

from __future__ import annotations

import os
import sys

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mayfly.shared.agents import agent_of_environment


PROC = Path("/proc")
# During a walk ancestors may end, and other processes may get their pids.
TRIES = 3


class Agent(NamedTuple):
    """A coding agent: its name, and the process that has started the marked ones: pid, and start time in ticks."""

    name: str
    pid: int
    started: int = 0


# A process that cannot be looked at counts as an agent.
UNKNOWN = Agent("an unknown process", 0)


class Changed(Exception):
    """A process has ended, got another parent, or is becoming another program, during the walk."""


class _Link(NamedTuple):
    """One process. The kernel uses a pid again, but not with the same start time."""

    pid: int
    parent: int
    started: int
    uid: int


def own_agent() -> Agent | None:
    """The agent that this very process works for, as far as its marks and its ancestors' tell."""
    if sys.platform != "linux":
        # No ancestors are read there. Our own environment is.
        name = agent_of_environment(b"\0".join(b"=".join(pair) for pair in os.environb.items()))
        return Agent(name, os.getppid()) if name else None
    return agent_of(os.getpid())


def agent_of(pid: int, proc: Path = PROC) -> Agent | None:
    """The agent of a process of this user; UNKNOWN if the process is not there, or its environment cannot be read."""
    for _ in range(TRIES):
        try:
            return look(pid, proc)
        except Changed:
            continue
    return UNKNOWN


def look(pid: int, proc: Path = PROC) -> Agent | None:
    """One walk from `pid` to the first process. Raises Changed if the processes were others at its end.

    The agent is the parent of the topmost marked process: what an agent starts is marked, and the agent itself is not.
    An ancestor whose environment cannot be read, or of another user, counts as unmarked.
    """
    line = list(_line(pid, proc))
    names = [_name(link, proc) for link in line]
    if line != [_link(link.pid, proc) for link in line]:
        raise Changed
    if not line or names[0] is None:
        return UNKNOWN
    marked = [(link, name) for link, name in zip(line, names, strict=True) if name]
    if not marked:
        return None
    topmost, name = marked[-1]
    parents = [link for link in line if link.pid == topmost.parent and link.uid == topmost.uid]
    agent = parents[0] if parents else topmost
    return Agent(name, agent.pid, agent.started)


def _line(pid: int, proc: Path) -> Iterator[_Link]:
    """The process and its ancestors, as far up as /proc shows them."""
    seen: set[int] = set()
    while pid and pid not in seen and (link := _link(pid, proc)):
        yield link
        seen.add(pid)
        pid = link.parent


def _link(pid: int, proc: Path) -> _Link | None:
    """None if there is no such process, or it is hidden from us."""
    try:
        folder = proc / str(pid)
        # proc_pid_stat(5): the 4th and the 22nd field. The second is a name in parentheses, and may contain some.
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        return _Link(pid, int(fields[1]), int(fields[19]), folder.stat().st_uid)
    except (OSError, ValueError, IndexError):
        return None


def _name(link: _Link, proc: Path) -> str | None:
    """The name of the agent that has marked a process, "" for none; None if its environment cannot be read.

    Raises Changed where the process is about to become another program.
    """
    if link.uid != os.getuid():
        return None
    folder = proc / str(link.pid)
    try:
        environment = (folder / "environ").read_bytes()
        # In the middle of an execve(2) neither is there yet. `env -i` leaves a command line.
        if not environment and not (folder / "cmdline").read_bytes():
            raise Changed
    except OSError:
        return None
    return agent_of_environment(environment) or ""
