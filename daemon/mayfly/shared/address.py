"""The listening address: parsed, checked, and chosen."""

from __future__ import annotations

import os


PORT_BASE = 9170
MAX_HOST = 32


def default_address() -> tuple[str, int]:
    """A port for each user, so that two users of a machine do not collide."""
    return "127.0.0.1", PORT_BASE + os.getuid() % 1000


def parse_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:PORT` as a pair; raises ValueError for any other host or a port out of range.

    The message repeats only what looks like an address: anything else might be a secret in the wrong place.
    """
    host, _, port = text.rpartition(":")
    if not (host and len(host) <= MAX_HOST and port.isascii() and port.isdigit() and len(port) <= 6):
        raise ValueError("must be 127.0.0.1:PORT: mayfly listens nowhere else")
    if host != "127.0.0.1":
        raise ValueError(f"{text!r} is not on 127.0.0.1: mayfly listens nowhere else")
    if int(port) > 65535:
        raise ValueError(f"{text!r} has no port between 0 and 65535")
    return host, int(port)


def listen_address(given: str | None, configured: str | None) -> tuple[str, int]:
    """The address in force: given, `$MAYFLY_LISTEN`, configured, or this user's own port."""
    named = given if given is not None else os.environ.get("MAYFLY_LISTEN") or configured
    return default_address() if named is None else parse_address(named)
