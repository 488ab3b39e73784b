"""Play some days, or a job of some hours, and print what was counted.

Exit code 1 where somebody was asked who was not there, or where credentials were missing for no reason.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from tests.soak import job
from tests.soak.clients import Client
from tests.soak.clock import LIBRARIES, Clock
from tests.soak.play import Play
from tests.soak.stage import Stage, stage
from tests.soak.tally import JOB, Tally
from tests.soak.week import DAY, WEEK, when


RATE = 60
STARTS_AT = when("Thu 08:50")
PROFILES = ("nsrc", "nsrc-admin")
BUSY = ("-c", "while True: pass")


async def _play(folder: Path, *, is_short: bool, rate: int, patience_seconds: int) -> bool:
    script = DAY if is_short else WEEK
    names = (*PROFILES, *(f"{JOB}{profile}" for profile in PROFILES))
    ends_at = script[-1].at + timedelta(minutes=10)
    with Clock(folder, starts_at=STARTS_AT, rate=rate) as clock:
        start = time.monotonic()
        async with stage(folder, clock) as on:
            tally = Tally(names, clock.now(), machine_seconds=patience_seconds * rate)
            clients = [Client(on, tally, profile) for profile in PROFILES]
            clients += [Client(on, tally, profile, caches=True) for profile in PROFILES]
            await Play(on, tally, script, clients).run(ends_at)
            _report(on, tally, time.monotonic() - start)
    return tally.is_good


async def _work(folder: Path) -> bool:
    with Clock(folder, starts_at=STARTS_AT, rate=1) as clock:
        return await job.play(folder, clock)


@contextmanager
def _busy(loops: int) -> Iterator[None]:
    """So many other programs that want a processor all the time."""
    others = [subprocess.Popen([sys.executable, *BUSY]) for _ in range(loops)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _report(on: Stage, tally: Tally, real_seconds: float) -> None:
    passed = on.clock.now() - STARTS_AT
    refreshed = on.served.events("session.refreshed")
    rows = [
        ("simulated", f"{passed / timedelta(hours=1):.1f} hours in {real_seconds:.0f} s, at {on.clock.rate} x"),
        ("clocks differ by", f"{on.clock.error_seconds():.2f} s"),
        ("sessions", str(sum(event["profile"] == PROFILES[0] for event in refreshed))),
        ("roles", str(sum(event["profile"] != PROFILES[0] for event in refreshed))),
        ("exchanges", str(len(on.served.events("exchange.started")))),
        ("client requests", ", ".join(f"{times} x {status}" for status, times in sorted(tally.requests.items()))),
        ("prompts", str(tally.prompts)),
        ("prompts with nobody there", str(tally.unseen)),
        ("needless prompts", str(tally.needless)),
        *(
            (f"client-seconds without credentials: {cause}", f"{seconds:,.0f}")
            for cause, seconds in tally.seconds.items()
        ),
    ]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in rows))
    for fault in tally.faults:
        print(f"! {fault}")
    if not tally.is_good:
        print(f"\nthe daemon's log:\n{on.served.log_text}", file=sys.stderr)


def main() -> int:
    """Play the script that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--short", action="store_true", help="one day instead of five")
    parser.add_argument("--rate", type=int, default=RATE, help=f"how fast the clock runs (default: {RATE})")
    parser.add_argument(
        "--patience", type=int, default=0, metavar="SECONDS", help="real seconds that a busy machine may need to react"
    )
    parser.add_argument("--job", action="store_true", help="a job of two hours on grants, in the place of days")
    parser.add_argument("--busy", type=int, default=0, metavar="LOOPS", help="beside so many busy loops")
    given = parser.parse_args()
    if not LIBRARIES:
        print("mayfly: error: libfaketime is missing", file=sys.stderr)
        print("mayfly: hint: apt-get install faketime", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="mayfly-soak-") as folder, _busy(given.busy):
        played = (
            _work(Path(folder))
            if given.job
            else _play(Path(folder), is_short=given.short, rate=given.rate, patience_seconds=given.patience)
        )
        is_good = asyncio.run(played)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
