"""The settings of the daemon's own process: signals, garbage collection, umask."""

from __future__ import annotations

import asyncio
import contextlib
import gc

from collections.abc import Callable, Iterator, Mapping
from signal import Signals

from mayfly.shared import hardening


@contextlib.contextmanager
def signals(actions: Mapping[Signals, Callable[[], None]]) -> Iterator[None]:
    """Call the action of each signal that comes in the block."""
    loop = asyncio.get_running_loop()
    for number, action in actions.items():
        loop.add_signal_handler(number, action)
    try:
        yield
    finally:
        for number in actions:
            loop.remove_signal_handler(number)


def settle_memory() -> None:
    """Keep modules and config out of garbage collections: each would take 25 ms, in which nobody is answered."""
    gc.collect()
    gc.freeze()


def harden() -> None:
    """No dumps, and no files that others can read."""
    hardening.forbid_core_dumps()
    hardening.forbid_dumping()
