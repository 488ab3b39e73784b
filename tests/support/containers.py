"""Real containers, by podman and runc, without an image: what they run is this machine's own, mounted to be read.

They have no network but `lo`, or the one of another container; another user; no capability; and a root file system that
nobody writes.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile

from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from .relays import FILE
from .world import PATIENCE_SECONDS, World


# A user id that the machine does not know.
USER = 4711
NO_NETWORK = "none"
# Where a sidecar's relay listens, and where it sees the folder with the socket `s`.
PORT = 9170
INSIDE = "/run/mayfly"

PODMAN = (shutil.which("podman") or "podman", "--runtime", shutil.which("runc") or "runc", "--log-level", "error")

_TRY_SECONDS = 60
_TOP = ("bin", "sbin", "lib", "lib64")
_SYSTEM = ("/usr", "/etc/alternatives", "/etc/ssl", *map(str, Path("/etc").glob("java-*")))
# As this machine's own, which a sandbox may forbid to raise.
_LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
_numbers = itertools.count(1)


def missing() -> str:
    """What this machine lacks for containers; "" if nothing."""
    lacking = [name for name in ("podman", "runc") if not shutil.which(name)]
    if sys.platform != "linux" or os.getuid() != 0 or lacking:
        return f"containers need root, on Linux, and {' and '.join(lacking) or 'podman and runc'}"
    return ""


@functools.cache
def forbidden() -> str:
    """Why this machine runs no container, although it has all for it; "" if it runs one.

    A machine that is a container itself may not, and no package mends that.
    """
    with tempfile.TemporaryDirectory() as folder:
        tried = Containers(Path(folder)).argv("true")
        try:
            subprocess.run(tried, capture_output=True, text=True, check=True, timeout=_TRY_SECONDS)
        except subprocess.CalledProcessError as reason:
            return f"podman cannot run a container here: {reason.stderr.strip()}"
        except subprocess.TimeoutExpired:
            return f"podman has not run a container after {_TRY_SECONDS} s"
    return ""


class Containers:
    """The containers of one test; `folder` gets their root file system, which is empty but for names."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "rootfs"
        for name in ("usr", "etc", "proc", "sys", "dev", "tmp", "run"):
            (self._root / name).mkdir(parents=True)
        self._shared = [path for path in _SYSTEM if Path(path).exists()]
        for name in _TOP:
            own = Path("/", name)
            if own.is_symlink():
                (self._root / name).symlink_to(own.readlink())
            elif own.exists():
                self._shared.append(str(own))

    def argv(
        self,
        *command: str,
        name: str = "",
        network: str = NO_NETWORK,
        mounts: Mapping[str, Path] | None = None,
        paths: Iterable[Path | str] = (),
        env: Iterable[str] = (),
    ) -> list[str]:
        """The command line that runs `command` in a container.

        `mounts` are what it sees, by the path there; `paths` it sees where they are; all is read-only. `env` are names
        of variables, or `NAME=VALUE`.
        """
        options = (
            *("--rm", "--interactive", f"--name={name or self.new_name()}", f"--network={network}"),
            *(f"--user={USER}:{USER}", "--cap-drop=all", "--security-opt=no-new-privileges", "--read-only"),
            *(f"--volume={what}:{where}:ro" for where, what in (mounts or {}).items()),
            *(f"--env={one}" for one in env),
        )
        return [*PODMAN, "run", *options, *self.image(*paths), *command]

    def image(self, *paths: Path | str) -> list[str]:
        """The last options of `podman run`, in the place of an image; `paths` are seen where they are, read-only."""
        seen = dict.fromkeys(map(str, (*self._shared, *paths)))
        return [*_LIMITS, *(f"--volume={path}:{path}:ro" for path in seen), "--rootfs", str(self._root)]

    @staticmethod
    def new_name() -> str:
        return f"mayfly-test-{os.getpid()}-{next(_numbers)}"

    @asynccontextmanager
    async def running(
        self,
        *command: str,
        network: str = NO_NETWORK,
        mounts: Mapping[str, Path] | None = None,
        paths: Iterable[Path | str] = (),
        env: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[str, Process]]:
        """A container's name and process, whose streams are pipes; it is gone with the block.

        Of `env` nothing is in a command line.
        """
        name = self.new_name()
        argv = self.argv(*command, name=name, network=network, mounts=mounts, paths=paths, env=env or ())
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=os.environ | (env or {})
        )
        try:
            yield name, process
        finally:
            if process.returncode is None:
                await _removed(name)
                await process.communicate()


class Client:
    """A program in a container that says a line for each that it reads, in its time."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def ask(self) -> None:
        assert self.process.stdin
        self.process.stdin.write(b"\n")

    async def answer(self) -> str:
        """Its next line; raises AssertionError, with what it wrote to standard error, if it has ended."""
        assert self.process.stdout
        line = await self.process.stdout.readline()
        if not line:
            assert self.process.stderr
            raise AssertionError((await self.process.stderr.read()).decode())
        return line.decode().rstrip("\n")


async def granted(world: World) -> tuple[Path, str]:
    """The folder to mount, and the token, of a grant by socket."""
    variables = json.loads((await world.run("grant", "nsrc", "--as", "socket", "--shell", "json")).out)
    return Path(variables["MAYFLY_SOCKET"]).parent, variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"]


@asynccontextmanager
async def sidecar(engine: Containers, folder: Path) -> AsyncIterator[tuple[str, Process]]:
    """A container with a relay to the socket `s` in `folder`: its name, whose network others share, and its process."""
    relay = ("-I", "/relay.py", "--listen", f"127.0.0.1:{PORT}", "--to", f"unix:{INSIDE}/s")
    mounts = {INSIDE: folder, "/relay.py": FILE}
    async with engine.running("/usr/bin/python3", *relay, mounts=mounts) as (name, process):
        assert process.stderr
        assert f"mayfly: relaying 127.0.0.1:{PORT} to unix:{INSIDE}/s\n" == (await process.stderr.readline()).decode()
        yield name, process


async def connections(relay: str) -> int:
    """How many clients are connected to the relay in the container of that name."""
    # TCP's state 01: established. Its clients' ends have the port in the other column.
    grep = ("grep", "-c", f": 0100007F:{PORT:04X} [0-9A-F:]* 01 ", "/proc/net/tcp")
    looker = await asyncio.create_subprocess_exec(*PODMAN, "exec", relay, *grep, stdout=PIPE)
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, _ = await looker.communicate()
    return int(out)


async def _removed(name: str) -> None:
    remover = await asyncio.create_subprocess_exec(
        *PODMAN, "rm", "--force", "--time=0", name, stdout=DEVNULL, stderr=DEVNULL
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        await remover.wait()


def python() -> tuple[Path, ...]:
    """What a container must see to run our interpreter with its libraries."""
    return tuple({Path(sys.prefix), Path(sys.base_prefix)} - {Path("/usr")})
