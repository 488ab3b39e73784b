"""Measure, and print the table. Exit code 0 with any result: the last line says how many budgets were missed."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.bench import cold, commands, grants, life, newcomer, refusal, scale, warm
from tests.bench.table import Row, rendered


GROUPS = {
    "cold": cold.cold,
    "crowd": cold.crowd,
    "half-open": cold.half_open,
    "refusal": refusal.refusal,
    "warm": warm.warm,
    "newcomer": newcomer.newcomer,
    "hang": warm.hang,
    "memory": warm.memory,
    "env": commands.env,
    "process": commands.process,
    "grant": grants.command,
    "revoke": grants.revoke,
    "grants": grants.weight,
    "start": life.start,
    "idle": life.idle,
    "scale": scale.scale,
}


async def _measure(names: list[str]) -> list[Row]:
    rows: list[Row] = []
    for name in names:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows += await GROUPS[name]()
    return rows


def main() -> None:
    """Measure the groups that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; all, if none is named")
    chosen = parser.parse_args().groups or list(GROUPS)
    if unknown := set(chosen) - GROUPS.keys():
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    print(rendered(asyncio.run(_measure(chosen))))


if __name__ == "__main__":
    main()
