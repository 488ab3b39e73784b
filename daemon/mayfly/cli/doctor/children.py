"""Starts a short-lived child of ours that holds secrets, so that this process need not: it passes on answers, no value.

The child is `python -m MODULE WORDS…`. It prints lines of JSON.
"""

from __future__ import annotations

import json
import sys

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mayfly.cli.doctor import programs_asked
from mayfly.shared.interpreter import isolation_flags


# As long as the child needs to end an `op`.
GRACE_SECONDS = 5


class Silent(Exception):
    """The child gave no answer; the text says why."""


def answers(
    module: str, words: Sequence[str], environ: Mapping[str, str], *, seconds: float
) -> Iterator[dict[str, Any]]:
    """The child's lines; raises Silent if it ends otherwise than it should."""
    argv = (sys.executable, *isolation_flags(), "-m", module, *words)
    asked = programs_asked.ask(argv, environ, seconds=seconds, grace_seconds=GRACE_SECONDS)
    if asked.problem or asked.exit_code:
        raise Silent(asked.problem or f"the child process ended with {asked.exit_code}")
    for line in asked.output.splitlines():
        with suppress(ValueError):
            tree = json.loads(line)
            if isinstance(tree, dict):
                yield tree


def print_answer(**answer: object) -> None:
    """In the child: one line."""
    print(json.dumps(answer), flush=True)
