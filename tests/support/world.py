"""The world of a test: a home, a vault behind a stand-in `op`, an embedded STS, and real `mayfly` processes in it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import signal
import socket
import sys

from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mayfly.daemon.log_events import UNLISTED
from mayfly.demo.op.vault import ITEM, VAULT, Vault
from mayfly.demo.sts.server import Account, EmbeddedSts, Role, User

from .following import VARIABLES, following


if TYPE_CHECKING:
    from support.nursery import Hatchling, Nursery


SEED_ACCOUNT = "058264411872"
PATIENCE_SECONDS = 30

# Where a machine's umask lets the group write (002), the daemon would refuse what tests put up.
os.umask(0o022)


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Reply(NamedTuple):
    """An HTTP answer, as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def seed_tree() -> dict[str, Any]:
    """The config of the one-account shape."""
    where = f"op://{VAULT}/{ITEM}"
    return {
        "aws": {
            "org_id": "nsrc",
            "name": ITEM,
            "access_key_id": f"{where}/access_key_id",
            "secret_access_key": f"{where}/secret_access_key",
            "otp": f"{where}/totp",
            "mfa_id": f"{where}/mfa_id",
        }
    }


SEED_TOML = f"""
[profiles.nsrc]
access_key_id = "op://{VAULT}/{ITEM}/access_key_id"
secret_access_key = "op://{VAULT}/{ITEM}/secret_access_key"
otp = "op://{VAULT}/{ITEM}/totp"
mfa_id = "op://{VAULT}/{ITEM}/mfa_id"
"""
# Nobody waits for the next one-time password: for tests of the way to a client, not of the login.
WITHOUT_CODES = "".join(
    line for line in SEED_TOML.splitlines(keepends=True) if "totp" not in line and "mfa" not in line
)


# Below what kernels give to a program that names no port (Linux: from 32768 on), and each pytest worker has its own:
# nobody takes one between our look and the daemon's bind.
_PORTS_EACH = 2_000
_FIRST_PORT = 12_000 + _PORTS_EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_some_ports = itertools.cycle(range(_FIRST_PORT, _FIRST_PORT + _PORTS_EACH))
# Two runs on one machine do not start at the same place.
_some_ports = itertools.islice(_some_ports, os.getpid() % _PORTS_EACH, None)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, nor will but who asked here."""
    return next(filter(_is_free, _some_ports))


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False


def measured() -> dict[str, str]:
    """What has coverage follow a process that is started from scratch: it costs more than the start itself."""
    return dict(VARIABLES) if following.processes else {}


class World:
    """Everything a `mayfly` needs, made anew for each test. The daemon under test is always a real process."""

    def __init__(self, folder: Path, nursery: Nursery | None = None) -> None:
        """Without a nursery, every process starts from scratch."""
        self.folder = folder
        self._nursery = nursery
        self.home = folder / "home"
        self.run_dir = folder / "run"
        self.home.mkdir(mode=0o700)
        self.vault = Vault()
        self.op = self.vault.install(folder / "op")
        self.port = free_port()
        self.config = self.home / ".config/mayfly/config.json"
        self.config.parent.mkdir(parents=True)
        self.config.write_text(json.dumps(seed_tree()))
        self.sts: EmbeddedSts

    def account(self, *roles: Role) -> Account:
        user = User(
            name="carmas",
            user_id="AIDAEXAMPLEUSERID00001",
            access_key_id=self.vault.access_key_id,
            secret_access_key=self.vault.secret_access_key,
            mfa_serial=self.vault.mfa_id,
            totp_seed=self.vault.totp_seed,
        )
        return Account(account_id=SEED_ACCOUNT, users=(user,), roles=roles)

    @property
    def env(self) -> dict[str, str]:
        """The environment of this world's processes: nothing of the machine's but what programs need to run."""
        kept = {name: os.environ[name] for name in ("LANG", "LD_LIBRARY_PATH") if name in os.environ}
        return kept | {
            "PATH": f"{self.op.parent}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.home),
            "MAYFLY_RUNTIME_DIR": str(self.run_dir),
            "MAYFLY_LISTEN": f"127.0.0.1:{self.port}",
            "AWS_ENDPOINT_URL_STS": self.sts.url if hasattr(self, "sts") else "http://127.0.0.1:1",
            "AWS_EC2_METADATA_DISABLED": "true",
            # Nobody out there is spoken to, and to read the machine's certificates takes each process 60 ms.
            "SSL_CERT_FILE": os.devnull,
        }

    def write_toml(self, text: str = SEED_TOML) -> Path:
        """Replace the config by a TOML one."""
        self.config.unlink(missing_ok=True)
        self.config = self.config.with_name("config.toml")
        self.config.write_text(text)
        return self.config

    def token(self, profile: str = "nsrc") -> str:
        return (self.run_dir / "tokens" / profile).read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def run(self, *argv: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> Ended:
        """Run `mayfly ARGV` to its end."""
        if not self._nursery or not self._nursery.takes(env):
            followed = measured() | (env or {})
            return await self.run_program(sys.executable, "-m", "mayfly", *argv, env=followed, stdin=stdin)
        async with asyncio.timeout(PATIENCE_SECONDS):
            process = await self._nursery.open(argv, self.with_env(env), str(self.home))
            out, err = await process.communicate(stdin)
        return Ended(await process.wait(), out.decode(), err.decode())

    def with_env(self, env: dict[str, str] | None) -> dict[str, str]:
        """The world's environment with `env` laid over it; an empty value takes one away."""
        return {name: value for name, value in (self.env | (env or {})).items() if value}

    async def run_program(self, *argv: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> Ended:
        """Run any program in this world to its end; `env` is laid over the world's, an empty value takes one away."""
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self.with_env(env),
            cwd=self.home,
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    @asynccontextmanager
    async def serve(
        self,
        *argv: str,
        env: dict[str, str] | None = None,
        from_scratch: bool = False,
        prefix: tuple[str, ...] = (),
        descriptors: int | None = None,
    ) -> AsyncIterator[Served]:
        """A daemon that is ready, for as long as the block lasts; `prefix` is a command that becomes it.

        It may have so many `descriptors`, if it comes from the nursery.
        """
        log = self.folder / "daemon.log"
        with log.open("ab") as stream, Path(os.devnull).open("rb") as nothing:  # noqa: ASYNC230 - does not block
            log_start = stream.tell()
            process: Process | Hatchling
            if self._nursery and self._nursery.takes(env) and not from_scratch and not prefix:
                streams = (nothing.fileno(), stream.fileno(), stream.fileno())
                started = ("serve", *argv), self.with_env(env), str(self.home), streams
                process = self._nursery.start(*started, descriptors=descriptors)
            else:
                # One from scratch is looked at as it is: how much memory it takes, what it imports.
                followed = {} if from_scratch else measured()
                process = await asyncio.create_subprocess_exec(
                    *(*prefix, sys.executable, "-m", "mayfly", "serve", *argv),
                    stdin=nothing,
                    stderr=stream,
                    env=self.with_env(followed | (env or {})),
                    cwd=self.home,
                    start_new_session=True,
                )
        served = Served(self, process, log, log_start)
        try:
            await served.ready()
            yield served
        finally:
            await served.end()

    async def get(self, path: str = "/credentials/nsrc", *headers: str, token: str | None = None) -> Reply:
        """GET by a raw socket, with the profile's token unless another (or "") is given."""
        given = self.token(path.rpartition("/")[2]) if token is None else token
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers, "Connection: close"]
        if given:
            lines.append(f"Authorization: {given}")
        return await self.send("\r\n".join([*lines, "", ""]).encode())

    async def send(self, raw: bytes) -> Reply:
        """Send any bytes. Returns what comes back until the other side closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(raw)
            async with asyncio.timeout(PATIENCE_SECONDS):
                return parse_reply(await reader.read())
        finally:
            writer.close()


class Served:
    """A running daemon."""

    def __init__(self, world: World, process: Process | Hatchling, log: Path, log_start: int) -> None:
        self.world = world
        self.process = process
        self._log = log
        # A second daemon's log goes on where the first one's ended.
        self._log_start = log_start

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log_text(self) -> str:
        return self._log.read_bytes()[self._log_start :].decode()

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """The log's events, all or those called `name`."""
        rows = [json.loads(line) for line in self.log_text.splitlines() if line.startswith("{")]
        return [row for row in rows if not name or row["event"] == name]

    async def event(self, name: str, times: int = 1) -> dict[str, Any]:
        """The `times`-th event called `name`, as soon as it is there."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found := self.events(name)) < times:
                await asyncio.sleep(0.02)
        return found[times - 1]

    async def stage(self, *names: str, profile: str = "") -> None:
        """An exchange (the one for `profile`) has told that it has reached one of these stages."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(
                row["stage"] in names and (not profile or profile in row["profiles"])
                for row in self.events("exchange.stage_reached")
            ):
                await asyncio.sleep(0.02)

    async def ready(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self.events("daemon.started"):
                if self.process.returncode is not None:
                    raise AssertionError(f"mayfly serve ended with {self.process.returncode}: {self.log_text}")
                await asyncio.sleep(0.02)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, if it still runs, and return the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await self.process.wait()
        unlisted = [row for row in self.events() if "unlisted" in row or row["event"] == UNLISTED]
        assert [] == unlisted, "an event or a field is missing in mayfly.daemon.log_events"
        return code


def parse_reply(raw: bytes) -> Reply:
    """The last answer in `raw`: interim ones are passed over."""
    rest = raw
    while rest.startswith(b"HTTP/1.1 100 "):
        rest = rest.partition(b"\r\n\r\n")[2]
    head, _, body = rest.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    return Reply(int(first.split()[1]) if first else 0, headers, body, raw)


def which(name: str) -> str:
    """The program of that name beside our interpreter (aws), or on PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else str(shutil.which(name))
