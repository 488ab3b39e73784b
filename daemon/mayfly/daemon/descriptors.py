"""Divides the descriptors of this process, so that a flood of connections leaves enough for all else."""

from __future__ import annotations

import contextlib
import resource

from typing import NamedTuple

from mayfly.daemon.http.places import CONNECTIONS
from mayfly.daemon.launcher import EXCHANGES_AT_ONCE


# Standard streams, listeners, the event loop's own, descriptors that systemd passed, files and folders being read, and
# the desk's programs.
FIXED = 48
# On both listeners, connections that are about to be closed for others, or get a refusal (16 each); and a reserve.
IN_TRANSIT = 96
# A child's pipes and its pidfd; while it starts, the child's ends of its pipes too.
EACH_EXCHANGE = 4

FEWEST_EXCHANGES = 4
FEWEST_CONNECTIONS = 32
# Places that the control socket has for itself; half of them are for commands that wait for credentials.
RESERVED = 32


class Shares(NamedTuple):
    """The most connections, those of them that are reserved for the control socket, and the most exchanges."""

    connections: int
    reserved: int
    exchanges: int


def shares(limit: int) -> Shares:
    """The shares of a process that may have `limit` descriptors."""
    exchanges = max(FEWEST_EXCHANGES, min(EXCHANGES_AT_ONCE, limit // 32))
    left = limit - FIXED - IN_TRANSIT - EACH_EXCHANGE * exchanges
    connections = max(FEWEST_CONNECTIONS, min(CONNECTIONS, left))
    return Shares(connections, min(RESERVED, connections // 2), exchanges)


def raise_limit() -> int:
    """Raise this process's limit of descriptors to what the system allows, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS returns infinity, but accepts no more than OPEN_MAX.
    wanted = 10_240 if hard == resource.RLIM_INFINITY else hard
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft
