"""Who plays: the daemon, an STS that can go down, an `op` with a human behind it, a `loginctl` that knows of them."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.soak.clock import Clock
from tests.support.world import SEED_ACCOUNT, SEED_TOML, Served, World, parse_reply

from mayfly.demo.sts.server import Role


# Patience in the config is of the fast clock, too: a busy machine must not use it up.
CONFIG = f"""
[onepassword]
timeout_seconds = 600
{SEED_TOML}
duration_seconds = 28800

[profiles.nsrc-admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"
"""
REPOSITORY = Path(__file__).parents[2]
REACTION_SECONDS = 6


class Sts:
    """The process of `tests.soak.sts`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.is_up = True

    def switch(self, *, is_up: bool) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"up\n" if is_up else b"down\n")
        self.is_up = is_up


class Stage:
    """Everything that the script can touch."""

    def __init__(self, world: World, clock: Clock, sts: Sts, served: Served, env: dict[str, str]) -> None:
        self.world = world
        self.env = env
        self.clock = clock
        self.sts = sts
        self.served = served
        self.will_say_no = False

    # The human

    def sit(self, presence: str, since: datetime | None = None) -> None:
        """Be `present`, `away` since some time, or `locked`."""
        set_presence(self.world, presence, since or self.clock.now())

    def answer_next(self, answer: str) -> None:
        """To one prompt, say `reject`, or nothing (`ignore`)."""
        self.will_say_no = True
        self.world.vault.update(script=[{"prompt": {"answer": answer}}])

    def lock_app(self) -> None:
        """1Password itself, also while the screen is locked."""
        self.world.vault.update(app={"locked": True})

    # The daemon

    @property
    def is_busy(self) -> bool:
        """Whether the daemon has any child: an exchange, or a question to its desk."""
        pid = self.served.pid
        return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text())

    def freeze(self) -> None:
        """The laptop's lid is closed, and nothing moves any more."""
        self.served.process.send_signal(signal.SIGSTOP)
        while Path(f"/proc/{self.served.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            pass

    def thaw(self) -> None:
        """The laptop's lid is opened."""
        self.served.process.send_signal(signal.SIGCONT)

    async def ready(self) -> list[str]:
        """The profiles for which the daemon would answer at once."""
        return [row["profile"] for row in await self.status() if row["phase"] in {"fresh", "due"}]

    async def status(self) -> list[dict[str, Any]]:
        """The daemon's own word, profile by profile."""
        reader, writer = await asyncio.open_unix_connection(str(self.world.run_dir / "control.sock"))
        writer.write(b"GET /status HTTP/1.0\r\nHost: mayfly\r\n\r\n")
        reply = parse_reply(await reader.read())
        writer.close()
        profiles: list[dict[str, Any]] = reply.json["profiles"]
        return profiles


def set_presence(world: World, presence: str, since: datetime) -> None:
    """What logind says of the session, and what becomes of a prompt."""
    facts = {
        "LockedHint": "yes" if presence == "locked" else "no",
        "IdleHint": "no" if presence == "present" else "yes",
        "IdleSinceHint": str(int(since.timestamp() * 1e6)),
        "Remote": "no",
        "Class": "user",
    }
    draft = world.folder / "session.new"
    draft.write_text("".join(f"{name}={value}\n" for name, value in facts.items()))
    draft.replace(world.folder / "session")
    answer = "approve" if presence == "present" else "ignore"
    world.vault.update(prompt={"answer": answer, "delay_s": REACTION_SECONDS})


@asynccontextmanager
async def ground(folder: Path, clock: Clock, config: str) -> AsyncIterator[tuple[World, Sts, dict[str, str]]]:
    """All but the daemon, on that clock: the screen is locked, STS is up. The third are the daemon's variables."""
    world = World(folder)
    world.write_toml(config)
    set_presence(world, "locked", clock.now())
    account = folder / "account.json"
    account.write_text(json.dumps(asdict(world.account(Role(name="Admin")))))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.soak.sts", str(account)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=clock.variables,
        cwd=REPOSITORY,
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        env = {"AWS_ENDPOINT_URL_STS": url, "PATH": f"{_programs(world, clock)}:{world.env['PATH']}"}
        yield world, Sts(process), clock.variables | env
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def stage(folder: Path, clock: Clock) -> AsyncIterator[Stage]:
    """All processes up, on that clock; the screen is locked."""
    async with ground(folder, clock, CONFIG) as (world, sts, env), world.serve(env=env) as served:
        yield Stage(world, clock, sts, served, env)


def _programs(world: World, clock: Clock) -> Path:
    """A folder with our `loginctl`, and an `op` that tells itself the time, since no such variable may reach it."""
    exports = " ".join(f"{name}='{value}'" for name, value in clock.variables.items())
    folder = world.folder / "programs"
    folder.mkdir(mode=0o700)
    session = world.folder / "session"
    texts = {
        "op": f'export {exports}\nexec {world.op} "$@"\n',
        "loginctl": f'[ "$1" = show-user ] && echo 1 && exit\nwhile read -r fact; do echo "$fact"; done <{session}\n',
        "notify-send": "",
    }
    for name, text in texts.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o700)
    return folder
