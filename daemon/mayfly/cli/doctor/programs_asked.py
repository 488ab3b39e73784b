"""Programs that a check runs: within a time, with a limit on their output, without input, in no folder of ours."""

from __future__ import annotations

import errno

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mayfly.shared import run_program


SECONDS = 5
GRACE_SECONDS = 0.5


class Asked(NamedTuple):
    """How a program ended. `problem` is "" if it has ended by itself; its exit code may still be a failure."""

    output: str = ""
    exit_code: int = 0
    problem: str = ""


def ask(
    argv: Sequence[str], environ: Mapping[str, str], *, seconds: float = SECONDS, grace_seconds: float = GRACE_SECONDS
) -> Asked:
    """Run a program by its absolute path, and return what it printed on standard output."""
    try:
        ended = run_program.run(argv, seconds=seconds, environ=environ, folder=Path("/"), grace_seconds=grace_seconds)
    except TimeoutError:
        return Asked(problem=f"{argv[0]} did not end within {seconds:g} s")
    except OSError as reason:
        is_flood = reason.errno == errno.EFBIG
        return Asked(
            problem="it printed far more than expected" if is_flood else f"{argv[0]} cannot be run: {reason.strerror}"
        )
    # Bytes that are no text are shown as replacement characters.
    output = ended.stdout.encode(errors="surrogateescape").decode(errors="replace")
    return Asked(output, ended.exit_code)
