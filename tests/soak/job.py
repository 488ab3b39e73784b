"""A job of two hours on credentials of 15 minutes, by each way that a grant is given, while the clock leaps.

Over a short sleep, a long one, and a restart of the daemon, whose port is held meanwhile as systemd and launchd do.
Real boto3 in real `mayfly grant … -- CMD`, on the clock of all. Nothing runs fast here, so every patience is the real
one: a minute passes as a very short sleep of the laptop, in which the daemon is stopped and the clock jumps.
"""

from __future__ import annotations

import asyncio
import sys
import time

from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.soak import caller
from tests.soak.clock import Clock
from tests.soak.held_port import held
from tests.soak.stage import Stage, Sts, ground, set_presence
from tests.support.relays import FILE
from tests.support.world import SEED_ACCOUNT, SEED_TOML, World, parse_reply


LENGTH = timedelta(hours=2)
LEAP = timedelta(minutes=1)
SUSPENDED_AT, SUSPENDED = timedelta(minutes=30), timedelta(minutes=4)
RESTARTED_AT = timedelta(minutes=75)
# Longer than the credentials live: what asks waits for new ones. What reads a file has nobody to ask.
ASLEEP_AT, ASLEEP = timedelta(minutes=100), timedelta(minutes=20)
DELIVERIES = ("endpoint", "socket", "file")
CANNOT_ASK = "file"
TOGETHER = 10
DUE_AFTER = timedelta(minutes=11)
CALLS_AT_A_RESTART = 5
PATIENCE_SECONDS = 90
LOOK_SECONDS = 0.1
# Nobody waits for a one-time password: the source's login is not what is tried.
CONFIG = (
    "".join(line for line in SEED_TOML.splitlines(keepends=True) if not line.startswith(("otp", "mfa")))
    + f"""
duration_seconds = 28800

[profiles.job]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"
duration_seconds = 900
"""
)


class Caller:
    """A command of a grant, which makes a call when it is told to."""

    def __init__(self, delivery: str, process: Process) -> None:
        self.delivery = delivery
        self._process = process
        self.words: Counter[str] = Counter()

    async def call(self) -> str:
        """What came of one call."""
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        word = await self.line()
        self.words[word] += 1
        return word

    async def line(self) -> str:
        assert self._process.stdout
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = await self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the job by {self.delivery} has ended")
        return line.decode().strip()

    async def end(self) -> int:
        """Its exit code, which is its command's."""
        assert self._process.stdin
        self._process.stdin.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._process.wait()


class Job:
    """Two hours of it, and what was counted.

    `unanswerable_seconds`: how long a file's reader had nothing to read after a sleep beyond the credentials' life.
    """

    def __init__(self, world: World, clock: Clock, sts: Sts, env: dict[str, str]) -> None:
        self._world = world
        self._clock = clock
        self._sts = sts
        self._env = env
        self._prefix: tuple[str, ...] = ()
        self.failed: list[str] = []
        self.unanswerable_seconds = 0.0
        self.callers: list[Caller] = []
        self.renewals: Counter[str] = Counter()
        self.together = 0

    async def run(self) -> None:
        """From the first grant to the last."""
        begins_at = self._clock.now()
        async with AsyncExitStack() as jobs:
            self._prefix = jobs.enter_context(held(self._world.port, self._world.folder))
            async with self._served() as stage:
                self.callers = [await jobs.enter_async_context(self._granted(delivery)) for delivery in DELIVERIES]
                await self._until(stage, begins_at + SUSPENDED_AT)
                await self._suspend(stage, SUSPENDED)
                await self._until(stage, begins_at + RESTARTED_AT)
                asked = asyncio.create_task(self._call_later())
            async with self._served() as stage:
                await asked
                await self._until(stage, begins_at + ASLEEP_AT)
                await self._suspend(stage, ASLEEP)
                await self._wait_for_file()
                await self._until(stage, begins_at + LENGTH)
                codes = [await one.end() for one in self.callers]
                self.failed += [f"exit code {code}" for code in codes if code]
                self.together = await self._fall_due_together(stage)

    @asynccontextmanager
    async def _served(self) -> AsyncIterator[Stage]:
        async with self._world.serve(env=self._env, prefix=self._prefix) as served:
            yield Stage(self._world, self._clock, self._sts, served, self._env)
            for event in served.events("session.refreshed"):
                self.renewals[event["profile"].partition("@")[0]] += 1

    @asynccontextmanager
    async def _granted(self, delivery: str) -> AsyncIterator[Caller]:
        words = ("job", "--for", "3h", "--as", delivery, "--allow-disk", "--label", delivery, "--read-only")
        program = (sys.executable, caller.__file__, str(FILE))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mayfly", "grant", *words, "--", *program),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=self._world.with_env(self._env),
        )
        try:
            started = Caller(delivery, process)
            assert await started.line() == "ready"
            yield started
        finally:
            if process.returncode is None:
                process.terminate()
                await process.wait()

    async def _until(self, stage: Stage, then: Any) -> None:
        """All call, a minute passes, all call again."""
        while self._clock.now() < then:
            await self._call()
            await self._pass(stage, LEAP)

    async def _call(self) -> None:
        for one, word in zip(self.callers, await asyncio.gather(*(one.call() for one in self.callers)), strict=True):
            if word != "ok":
                self.failed.append(f"{self._clock.now():%H:%M:%S} {one.delivery}: {word}")

    async def _call_later(self) -> None:
        """A call of each while no daemon is there, and again, until one is."""
        print(f"{self._clock.now():%H:%M} the daemon restarts", file=sys.stderr, flush=True)
        for _ in range(CALLS_AT_A_RESTART):
            await asyncio.sleep(0.1)
            await self._call()

    async def _pass(self, stage: Stage, length: timedelta) -> None:
        """A short sleep of the laptop, when nothing is under way; then as long as the daemon needs to wake up."""
        while True:
            stage.freeze()
            try:
                if not stage.is_busy:
                    self._clock.jump(length.total_seconds())
                    return
            finally:
                stage.thaw()
            await asyncio.sleep(0.05)

    async def _suspend(self, stage: Stage, length: timedelta) -> None:
        print(f"{self._clock.now():%H:%M} suspended for {length}", file=sys.stderr, flush=True)
        await self._pass(stage, length)

    async def _wait_for_file(self) -> None:
        """After a sleep that was longer than the credentials' life, a file's reader fails until it is new."""
        start = time.monotonic()
        for one in self.callers:
            while (word := await one.call()) != "ok":
                if one.delivery != CANNOT_ASK or time.monotonic() - start > PATIENCE_SECONDS:
                    self.failed.append(f"{one.delivery} after a long sleep: {word}")
                    break
                self.unanswerable_seconds = time.monotonic() - start
                await asyncio.sleep(LOOK_SECONDS)

    async def _fall_due_together(self, stage: Stage) -> int:
        """How many exchanges renew the sessions of ten grants that were made, and fall due, together."""
        made = [await self._made() for _ in range(TOGETHER)]
        subjects = {f"job@{grant['id']}" for grant in made}
        await self._use(made)
        before = self._exchanges(stage, subjects)
        await self._pass(stage, DUE_AFTER)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self._renewed(stage, subjects)) < 2 * TOGETHER:
                await asyncio.sleep(0.2)
        return self._exchanges(stage, subjects) - before

    async def _made(self) -> Any:
        body = b'{"profile": "job"}'
        reader, writer = await asyncio.open_unix_connection(str(self._world.run_dir / "control.sock"))
        writer.write(b"POST /grants HTTP/1.0\r\nHost: mayfly\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        reply = parse_reply(await reader.read())
        writer.close()
        return reply.json

    async def _use(self, made: Sequence[Any]) -> None:
        asked = (self._world.get("/credentials/job", token=grant["token"]) for grant in made)
        self.failed += [str(reply.status) for reply in await asyncio.gather(*asked) if reply.status != 200]

    def _exchanges(self, stage: Stage, subjects: set[str]) -> int:
        return sum(bool(subjects & {*event["profiles"]}) for event in stage.served.events("exchange.started"))

    def _renewed(self, stage: Stage, subjects: set[str]) -> list[Any]:
        return [event for event in stage.served.events("session.refreshed") if event["profile"] in subjects]


async def play(folder: Path, clock: Clock) -> bool:
    """Run it and print what was counted; False where a call failed."""
    start = time.monotonic()
    async with ground(folder, clock, CONFIG) as (world, sts, env):
        set_presence(world, "present", clock.now())
        world.vault.update(prompt={"answer": "approve"})
        job = Job(world, clock, sts, env)
        await job.run()
    rows = [
        ("a job of", f"{LENGTH} on credentials of 0:15:00, in {time.monotonic() - start:.0f} s"),
        *((f"calls by {one.delivery}", f"{one.words.total()}, of which ok: {one.words['ok']}") for one in job.callers),
        ("sessions renewed", ", ".join(f"{count} x {name}" for name, count in sorted(job.renewals.items()))),
        ("calls failed", str(len(job.failed))),
        ("a file is new after a sleep beyond its life", f"in {job.unanswerable_seconds:.1f} s"),
        (f"exchanges for {TOGETHER} grants due together", str(job.together)),
    ]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in rows))
    for failure in job.failed:
        print(f"! {failure}")
    return not job.failed and job.together == 1
