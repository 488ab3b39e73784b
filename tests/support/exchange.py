"""The kit for tests of a real exchange process.

For one request and all results use `ask`, which returns an `Answer` (`verdicts` by profile, `error`, `credentials`).
To do something while the exchange runs, open it with `exchange`, send the request with `put`, wait with `sts_called`,
`until` or `waits_for_a_step`, and end with `answer`. `login` and `verification` make requests; `key_profile`,
`role_profile` and `with_onepassword` write configs; `stand_in` puts a program of the test's in the place of `op`. For a
second code let a `Clock` rule the processes (`clock.rule(world)`) and jump to the next step instead of waiting 30 s.
Worlds with several people and roles are in `support.people`, STS's own host names and TLS in `support.tunnel`, and
answers that no STS would give in `support.odd_sts`.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import signal
import sys

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mayfly.demo.op.vault import ITEM, VAULT, Vault
from mayfly.shared import wire
from mayfly.shared.credentials import Credentials
from mayfly.shared.errors import MayflyError
from mayfly.shared.stages import Stage
from mayfly.shared.wire import Request, Result
from support.nursery import EXCHANGE, Hatchling
from support.world import PATIENCE_SECONDS, SEED_TOML, World


FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
CODE_SECONDS = 30

# Variables that must never reach `op`.
PLANTED = {
    "AWS_PROFILE": "other",
    "AWS_ACCESS_KEY_ID": "AKIAPLANTEDPLANTED00",
    "AWS_SECRET_ACCESS_KEY": "planted",
    "OP_SESSION_abc": "planted",
    "OP_SESSION": "planted",
    "OP_DEBUG": "true",
    "OP_FORMAT": "json",
    "OP_ACCOUNT": "planted",
    "OP_SERVICE_ACCOUNT_TOKEN": "planted",
    "OP_CONNECT_HOST": "http://127.0.0.1:1",
    "OP_CONNECT_TOKEN": "planted",
    "OP_CACHE": "true",
    "PYTHONPATH": "/planted",
    "PYTHONSTARTUP": "/planted",
    "LD_LIBRARY_PATH": "/planted",
    "BASH_ENV": "/planted",
    "SECRET": "planted",
}


class Clock:
    """The time of STS and of the processes that run on it: the real time, moved by jumps."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "faketime"
        self._offset_seconds = 0.0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._offset_seconds)

    def jump(self, seconds: float) -> None:
        self._offset_seconds += seconds
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{self._offset_seconds:+.6f}\n")
        beside.replace(self._file)

    def next_step(self) -> None:
        """Jump to the first second of the next time step."""
        self.jump(CODE_SECONDS - self().timestamp() % CODE_SECONDS + 1)

    def rule(self, world: World) -> dict[str, str]:
        """The variables that put a process on this clock; `op` gets them by a shim: its environment is a list."""
        if not FAKETIME.exists():
            pytest.skip("needs libfaketime, Debian's package faketime")
        variables = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
        }
        self.next_step()
        exports = " ".join(f"{name}={value}" for name, value in variables.items())
        shim = program(world.folder / "faked/op", f'#!/bin/sh\nexport {exports}\nexec {world.op} "$@"\n')
        return variables | {"PATH": f"{shim.parent}:{world.env['PATH']}"}


class Answer(NamedTuple):
    """How an exchange ended: its exit code, standard output and standard error."""

    code: int
    out: bytes
    err: str

    @property
    def outcomes(self) -> dict[str, Any]:
        lines = self.out.splitlines(keepends=True)
        told = [wire.parse_told(line) for line in lines if line != wire.MAY_I]
        results = [result for result in told if isinstance(result, Result)]
        assert len(results) == len({result.profile for result in results})
        return {result.profile: result.outcome for result in results}

    @property
    def stages(self) -> list[str]:
        """The stages that were told, as `name: profiles`."""
        told = [wire.parse_told(line) for line in self.out.splitlines(keepends=True) if line != wire.MAY_I]
        return [f"{each.name}: {' '.join(each.profiles)}" for each in told if isinstance(each, Stage)]

    @property
    def verdicts(self) -> dict[str, str]:
        """By profile: the code of its error, or the type of its result."""
        return {
            name: outcome.code if isinstance(outcome, MayflyError) else type(outcome).__name__
            for name, outcome in self.outcomes.items()
        }

    def error(self, profile: str = "nsrc") -> MayflyError:
        outcome = self.outcomes[profile]
        assert isinstance(outcome, MayflyError), outcome
        return outcome

    def credentials(self, profile: str = "nsrc") -> Credentials:
        outcome = self.outcomes[profile]
        assert isinstance(outcome, Credentials), (outcome, self.err)
        return outcome


def digest(world: World) -> str:
    return hashlib.sha256(world.config.read_bytes()).hexdigest()


def login(world: World, *profiles: str) -> Request:
    return Request(kind="login", digest=digest(world), profiles=profiles or ("nsrc",))


def verification(world: World, **sessions: Credentials) -> Request:
    return Request(kind="verify", digest=digest(world), profiles=(), sessions=sessions)


Exchange = asyncio.subprocess.Process | Hatchling


@asynccontextmanager
async def exchange(
    world: World, env: dict[str, str] | None = None, prefix: tuple[str, ...] = (), *, from_scratch: bool = False
) -> AsyncIterator[Exchange]:
    """An exchange that waits for its request; `prefix` is a command that becomes it. Killed after the block."""
    words = ("--config", str(world.config))
    process: Exchange
    if EXCHANGE.takes(env) and not (prefix or from_scratch):
        process = await EXCHANGE.open(words, world.env | (env or {}), "/")
    else:
        process = await asyncio.create_subprocess_exec(
            *(*prefix, sys.executable, "-I", "-m", "mayfly.exchange", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=world.env | (env or {}),
            cwd="/",
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def ask(
    world: World, request: Request | bytes, env: dict[str, str] | None = None, *, from_scratch: bool = False
) -> Answer:
    """One exchange from its start to its end."""
    async with exchange(world, env, from_scratch=from_scratch) as process:
        return await answer(process, request)


async def answer(process: Exchange, request: Request | bytes = b"") -> Answer:
    """Send `request` (nothing, if `put` has sent one) and wait for the exchange to end."""
    raw = asking(request) if isinstance(request, Request) else request
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate(raw)
    assert process.returncode is not None
    return Answer(process.returncode, out, err.decode())


def asking(request: Request) -> bytes:
    """The request of a daemon that always permits a prompt."""
    return wire.request_bytes(request) + wire.YOU_MAY * 8


async def put(process: Exchange, request: Request) -> None:
    """Send the request, and do not wait for results."""
    assert process.stdin is not None
    process.stdin.write(asking(request))
    await process.stdin.drain()


async def sts_called(world: World) -> None:
    """Wait until a code has come to STS."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await world.sts.called("GetSessionToken")


async def until(holds: Callable[[], object]) -> None:
    """Wait until `holds` is true, for something that another process does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def waits_for_a_lock(pid: int) -> bool:
    """True if the process waits for another's lock on a file (proc_locks(5))."""
    return any("->" in row and f" {pid} " in row for row in Path("/proc/locks").read_text().splitlines())


async def waits_for_a_step(world: World, process: Exchange, calls: int = 0) -> None:
    """Wait until the exchange holds op.lock and sleeps, as it does until the next step, or until it has ended.

    By then `op` must have been called `calls` times.
    """
    place = Path(f"/proc/{process.pid}/wchan")

    def waits() -> bool:
        return len(world.vault.calls()) >= calls and is_locked(world) and "nanosleep" in place.read_text()

    await until(lambda: process.returncode is not None or waits())


def is_locked(world: World) -> bool:
    """True if an exchange holds op.lock."""
    try:
        with (world.run_dir / "op.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def program(path: Path, text: str) -> Path:
    """An executable file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o700)
    return path


def stand_in(world: World, text: str) -> None:
    """Replace the world's `op` by a Python program, which finds the replaced one as `REAL`."""
    real = world.op.rename(world.op.with_name("real-op"))
    program(world.op, f"#!{sys.executable} -I\nREAL = {str(real)!r}\n{text}")


def with_onepassword(world: World, text: str = "", profiles: str = SEED_TOML) -> None:
    """Write a config whose [onepassword] table has the lines `text`."""
    world.write_toml(f"[onepassword]\n{text}\n{profiles}")


def robot(world: World) -> str:
    """Make the vault one of a service account; the line of [onepassword] with its token."""
    world.vault.update(mode="service", service_token="ops_made_up")
    token = world.home / "token"
    token.write_text("ops_made_up")
    token.chmod(0o600)
    return f'token_file = "{token}"'


def key_profile(name: str, item: str = ITEM, more: str = "", vault: str = VAULT) -> str:
    where = f"op://{vault}/{item}"
    return f"""
[profiles.{name}]
access_key_id = "{where}/access_key_id"
secret_access_key = "{where}/secret_access_key"
otp = "{where}/totp"
mfa_id = "{where}/mfa_id"
{more}
"""


def role_profile(name: str, role_arn: str, source: str = "nsrc") -> str:
    return f'\n[profiles.{name}]\nsource_profile = "{source}"\nrole_arn = "{role_arn}"\n'


def alive_of(world: World) -> list[str]:
    """The command lines of all processes with this world's folder in their environment, or as their current folder."""
    mark = str(world.folder).encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            where = (place / "environ").read_bytes() + os.fsencode((place / "cwd").readlink())
            if mark in where and int(place.name) != os.getpid():
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def secrets_of(world: World) -> Iterable[str]:
    return (world.vault.secret_access_key, world.vault.totp_seed)


def as_bytes(tree: Any) -> bytes:
    return json.dumps(tree).encode() + b"\n"


def fields_of(vault: Vault) -> dict[str, str]:
    """The fields of an item with the keys of `vault`."""
    return {
        "access_key_id": vault.access_key_id,
        "secret_access_key": vault.secret_access_key,
        "totp": vault.totp_seed,
        "mfa_id": vault.mfa_id,
    }
