"""What the daemon does to its own process when it starts."""

from __future__ import annotations

import gc

from mayfly.shared import hardening


def settle_memory() -> None:
    """Keep modules and config out of garbage collections: each would take 25 ms, in which nobody is answered."""
    gc.collect()
    gc.freeze()


def harden() -> None:
    """No dumps, and no files that others can read."""
    hardening.forbid_core_dumps()
    hardening.forbid_dumping()
