"""A daemon for a first login: the one that runs, or one that runs only as long as the login takes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mayfly.cli import client, speech
from mayfly.shared.errors import MayflyError
from mayfly.shared.interpreter import isolation_flags


START_SECONDS = 20
END_SECONDS = 15
POLL_SECONDS = 0.05


def is_served() -> bool:
    """True if a daemon of this user serves."""
    return _status() == 200


def _status() -> int | None:
    """The HTTP status of a daemon's answer; None if there is no daemon. One without a config answers an error."""
    try:
        return client.ask("GET", "/status").status
    except (client.NotRunning, client.Distrusted, MayflyError):
        return None


@contextmanager
def running(config: list[str]) -> Iterator[None]:
    """A daemon for the block: the one that runs, or one that ends with the block. Raises Stop if it does not start."""
    if _status() is not None:
        # A service that had no config starts again with the new one.
        _wait_until(is_served)
        yield
        return
    speech.say("no daemon runs: one is started for this, and ended again")
    with tempfile.TemporaryFile() as log:
        daemon = subprocess.Popen(
            [sys.executable, *isolation_flags(), "-m", "mayfly", "serve", *config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            # Ctrl-C in the terminal ends the login first.
            start_new_session=True,
        )
        try:
            _wait_until(lambda: daemon.poll() is not None or is_served())
            if daemon.poll() is not None:
                log.seek(0)
                raise speech.Stop(speech.FAILED, *_errors_in(log.read().decode(errors="replace")))
            client.daemon_ends_with_us = True
            yield
        finally:
            client.daemon_ends_with_us = False
            daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(END_SECONDS)
            daemon.kill()
            daemon.wait()


def _wait_until(holds: Callable[[], bool]) -> None:
    """Return when it holds, or the time is over."""
    end = time.monotonic() + START_SECONDS
    while not holds() and time.monotonic() < end:
        time.sleep(POLL_SECONDS)


def _errors_in(log: str) -> list[str]:
    """The lines of `serve` for people, without its log."""
    said = [
        line.removeprefix("mayfly: ").removeprefix("error: ")
        for line in log.splitlines()
        if line.startswith("mayfly: ")
    ]
    return said or ["mayfly serve did not start"]
