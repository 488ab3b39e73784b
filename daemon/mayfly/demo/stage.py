"""The demo's stage: a private folder with a home in it, the vault, the STS, and a real `mayfly serve`.

Law: no process and no file outlives the `async with`, and nothing outside the folder is read or written.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from mayfly.demo import fixtures
from mayfly.demo.op.vault import Vault
from mayfly.demo.sts.faults import Faults
from mayfly.demo.sts.server import EmbeddedSts
from mayfly.shared.interpreter import link_user_site


START_SECONDS = 20
END_SECONDS = 15
LOG_LINES = 200

Event = Mapping[str, Any]


class Failed(Exception):
    """The demo has failed; `log` has the daemon's last lines."""

    def __init__(self, reason: str, log: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.log = log


class Stage:
    """Everything that runs during the demo. Made by `stage`."""

    def __init__(self, folder: Path, vault: Vault, sts: EmbeddedSts) -> None:
        self.folder = folder
        self.vault = vault
        self.sts = sts
        self.config = folder / "home/.config/mayfly/config.json"
        self.address = f"127.0.0.1:{fixtures.free_port()}"
        self.daemon: asyncio.subprocess.Process
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._log: deque[str] = deque(maxlen=LOG_LINES)

    @property
    def own_variables(self) -> dict[str, str]:
        """The variables that connect another terminal's `mayfly` and SDKs to this stage."""
        return {
            "MAYFLY_RUNTIME_DIR": str(self.folder / "run"),
            "MAYFLY_CONFIG": str(self.config),
            "MAYFLY_LISTEN": self.address,
            "AWS_ENDPOINT_URL_STS": self.sts.url,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    @property
    def env(self) -> dict[str, str]:
        """The environment of every process on the stage."""
        path = f"{self.folder}/vault/bin:{os.environ.get('PATH', os.defpath)}"
        return fixtures.neutral(os.environ) | self.own_variables | {"PATH": path, "HOME": str(self.folder / "home")}

    async def mayfly(self, *argv: str) -> str:
        """The output of `mayfly ARGV`. Raises Failed if it fails."""
        return await self.run("-m", "mayfly", *argv, env=self.env)

    async def terminal(self) -> dict[str, str]:
        """The environment of a terminal after `eval "$(mayfly env nsrc)"`."""
        changes = json.loads(await self.mayfly("env", "nsrc", "--shell", "json"))
        return {name: value for name, value in (self.env | changes).items() if value is not None}

    async def run(self, *argv: str, env: Mapping[str, str], stdin: bytes = b"") -> str:
        """The output of our Python with `argv`. Raises Failed if it fails."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            cwd=self.folder / "home",
            start_new_session=True,
        )
        try:
            out, err = await process.communicate(stdin)
        finally:
            await _end(process)
        if process.returncode:
            raise self.failed(f"{' '.join(argv[1:3])} failed: {err.decode().strip()}")
        return out.decode().rstrip()

    async def serve(self, life: AsyncExitStack) -> float:
        """Start the daemon, to be ended with `life`; returns the seconds until it listened."""
        began = time.perf_counter()
        self.daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mayfly", "serve"),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=self.env,
            cwd=self.folder / "home",
            start_new_session=True,  # so that Ctrl-C reaches the demo alone
        )
        reading = asyncio.create_task(self._read_log())
        life.callback(reading.cancel)
        life.push_async_callback(_end, self.daemon)
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while (await self.events.get())["event"] not in {"daemon.started", "daemon.ended"}:
                    pass
        if self.daemon.returncode is not None or self.daemon.stderr is None or self.daemon.stderr.at_eof():
            raise self.failed("mayfly serve did not start")
        return time.perf_counter() - began

    def failed(self, reason: str) -> Failed:
        """A failure, with the daemon's last lines."""
        return Failed(reason, tuple(self._log))

    async def _read_log(self) -> None:
        assert self.daemon.stderr is not None  # noqa: S101 - for mypy: made with a pipe
        while line := await self.daemon.stderr.readline():
            text = line.decode(errors="replace").rstrip()
            self._log.append(text)
            with suppress(ValueError):
                self.events.put_nowait(json.loads(text))
        await self.daemon.wait()
        self.events.put_nowait({"event": "daemon.ended"})


@asynccontextmanager
async def stage(faults: Faults, *, prompt_seconds: float) -> AsyncIterator[Stage]:
    """The stage without its daemon. Every prompt is approved after `prompt_seconds`."""
    with tempfile.TemporaryDirectory(prefix="mayfly-demo-", dir=fixtures.temporary_folder()) as name:
        folder, vault = Path(name), Vault()
        async with EmbeddedSts(fixtures.account_of(vault), faults=faults) as sts:
            built = Stage(folder, vault, sts)
            built.config.parent.mkdir(mode=0o700, parents=True)
            link_user_site(folder / "home")
            built.config.write_text(json.dumps(fixtures.seed_config(vault), indent=2) + "\n")
            vault.install(folder / "vault")
            vault.update(prompt={"delay_s": prompt_seconds})
            yield built


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask a process to end. If it does not, kill it and everything in its session."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
