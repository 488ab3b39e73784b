"""`op.prompt` in the runtime folder is locked while an `op` runs that may have put a prompt on the screen.

A command that waits for the daemon can so tell a person to approve a prompt when there is one, and not before. The lock
ends with the exchange, however that ends.
"""

from __future__ import annotations

import fcntl
import os

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mayfly.shared import places


NAME = "op.prompt"
LONGEST_NAME = 256


@contextmanager
def prompting(command: str = "") -> Iterator[None]:
    """Hold the mark for the block; the caller holds op.lock. Without the mark the block runs all the same.

    `command` is the name of the `otp_command` that may need a person; "" for `op`.
    """
    path = f"{places.make_runtime_dir()}/{NAME}"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        # A reader holds it for an instant.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, os.fsencode(command))
        yield
    finally:
        with suppress(OSError):
            os.unlink(path)
        os.close(descriptor)


def command_prompting() -> str:
    """The name of the `otp_command` that may need a person now; "" if it is `op`, or none."""
    try:
        with open(f"{places.runtime_dir()}/{NAME}", "rb") as file:
            return os.fsdecode(file.read(LONGEST_NAME))
    except OSError:
        return ""


def is_prompting() -> bool:
    """True while an exchange holds the mark."""
    try:
        descriptor = os.open(f"{places.runtime_dir()}/{NAME}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
