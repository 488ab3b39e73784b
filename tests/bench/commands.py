"""What runs in every shell start-up, and before every call of the AWS CLI."""

from __future__ import annotations

import sys

from collections.abc import Sequence
from pathlib import Path

from tests.bench.proc import took
from tests.bench.stage import stage
from tests.bench.table import Row, milliseconds
from tests.support.world import World, which


ROUNDS = 21

# `bare`: what the interpreter itself costs.
NOTHING = (sys.executable, "-c", "pass")
FOR_ENV = "import re, argparse, tomllib, socket"


async def env() -> list[Row]:
    """`mayfly env` (TOML) beside an interpreter that imports what it cannot do without."""
    async with stage() as world:
        ours, needed = await by_turns(world, (mayfly_command(), "env", "s0"), (sys.executable, "-c", FOR_ENV))
    return [Row(what="mayfly env", measured=ours, reference=needed, against=FOR_ENV, ratio_at_most=1.3)]


async def process() -> list[Row]:
    """`credential_process`, by our command and by curl; and `mayfly status`."""
    async with stage() as world, world.serve():
        await world.get("/credentials/s0")
        mayfly = mayfly_command()
        ours, status, nothing = await by_turns(world, (mayfly, "credential-process", "s0"), (mayfly, "status"), NOTHING)
        curl = which("curl")
        control = str(world.run_dir / "control.sock")
        fetch = (curl, "--silent", "--fail", "--unix-socket", control, "http://mayfly/process/s0")
        by_curl, version = await by_turns(world, fetch, (curl, "--version"))
    return [
        Row(
            what="credential_process by the command",
            measured=ours,
            reference=nothing,
            against="bare",
            ratio_at_most=2.7,
        ),
        Row(what="mayfly status", measured=status, reference=nothing, against="bare", ratio_at_most=4.5),
        Row(
            what="credential_process by curl",
            measured=by_curl,
            reference=version,
            against="curl --version",
            ratio_at_most=1.5,
        ),
    ]


async def by_turns(world: World, *commands: Sequence[str]) -> list[float]:
    """Milliseconds of each command, run by turns: medians, the first round left out."""
    rounds = [[await took(*command, env=world.env) for command in commands] for _ in range(ROUNDS)]
    return [milliseconds(seconds) for seconds in zip(*rounds[1:], strict=True)]


def mayfly_command() -> str:
    """The installed command."""
    return str(Path(sys.executable).with_name("mayfly"))
