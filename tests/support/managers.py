"""A world with a real `systemd --user`: a service that is installed there runs as on a user's machine."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mayfly

from support.world import PATIENCE_SECONDS, Ended, World, measured


SCRIPT = Path(__file__).with_name("user-systemd")
REPOSITORY = Path(mayfly.__file__).parents[2]
ROOT = 0
# A user id that no machine has. It stands for an ordinary user, who has no capabilities.
SOMEBODY = 54321

FETCH = """
import sys, urllib.request
asked = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.argv[2]})
print(urllib.request.urlopen(asked).read().decode())
"""

UNIT_NAMES = (
    "mayfly-desk.service",
    "mayfly-desk.socket",
    "mayfly-exchange.socket",
    "mayfly-exchange@.service",
    "mayfly.service",
    "mayfly.socket",
)
SERVICES = ("mayfly.service", "mayfly-exchange@.service", "mayfly-desk.service")


def missing() -> str:
    """The reason why no manager can run on this machine; "" if one can."""
    if os.getuid() != 0:
        return "needs root, to make a user manager of its own"
    if not Path("/lib/systemd/systemd").exists():
        return "needs systemd (Debian: apt-get install systemd)"
    return ""


class UserManager:
    """A running manager of the user `uid`, with the actions of that user."""

    def __init__(self, world: World, uid: int, inside: int, python: Path) -> None:
        self.world = world
        self.uid = uid
        self.python = python
        self._inside = inside
        self.units = world.home / ".config/systemd/user"

    @property
    def runtime_dir(self) -> Path:
        """The user's runtime folder, as the test sees it."""
        return self.seen(f"/run/user/{self.uid}")

    def seen(self, path: str) -> Path:
        """A path inside the manager's mount namespace, as the test sees it."""
        return Path(f"/proc/{self._inside}/root{path}")

    @property
    def inside(self) -> tuple[str, ...]:
        """The words in front of a command that is to run inside the manager's namespaces, as root."""
        return ("nsenter", f"--target={self._inside}", "--mount", "--pid", f"--wdns={self.world.home}")

    async def run(self, *argv: str, env: dict[str, str] | None = None) -> Ended:
        """Run a program as in the user's terminal. `env` adds variables; an empty value removes one."""
        followed = {} if self.uid else measured()
        mine = (
            self.world.env
            | followed
            | {"XDG_RUNTIME_DIR": f"/run/user/{self.uid}", "MAYFLY_RUNTIME_DIR": ""}
            | (env or {})
        )
        become = ("setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups") if self.uid else ()
        process = await asyncio.create_subprocess_exec(
            *(*self.inside, *become, *argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in mine.items() if value},
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, err = await process.communicate()
        return Ended(process.returncode or 0, out.decode(), err.decode())

    async def mayfly(self, *argv: str, env: dict[str, str] | None = None) -> Ended:
        return await self.run(str(self.python), "-I", "-m", "mayfly", *argv, env=env)

    async def fetch(self, profile: str = "nsrc") -> dict[str, Any]:
        """The credentials, fetched by a program of the user."""
        ended = await self.run(
            *(str(self.python), "-I", "-c", FETCH, f"{self.world.url}/credentials/{profile}", self.world.token(profile))
        )
        assert 0 == ended.code, ended.err
        return dict(json.loads(ended.out))

    async def systemctl(self, *words: str) -> str:
        """The output of `systemctl --user`, which must succeed."""
        ended = await self.run("systemctl", "--user", *words)
        assert 0 == ended.code, ended.err
        return ended.out.strip()

    async def property(self, unit: str, name: str) -> str:
        return await self.systemctl("show", f"--property={name}", "--value", unit)

    async def main_pid(self, unit: str = "mayfly.service") -> int:
        return int(await self.property(unit, "MainPID"))

    async def until(self, unit: str, name: str, *wanted: str) -> str:
        """Wait until a unit's property has one of these values; returns the value."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := await self.property(unit, name)) not in wanted:
                await asyncio.sleep(0.05)
        return found

    async def anew(self, before: int) -> int:
        """Wait until another process than `before` serves as the daemon; returns its pid."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := await self.main_pid()) in {0, before}:
                await asyncio.sleep(0.05)
        await self.until("mayfly.service", "ActiveState", "active")
        return found

    async def install(self, *argv: str) -> Ended:
        """`mayfly install`; the services' standard error goes to files, which `log` reads."""
        self.lay_over("99-log", "StandardError=append:{log}")
        ended = await self.mayfly("install", *argv)
        assert 0 == ended.code, ended.err
        return ended

    def lay_over(self, name: str, *lines: str, units: tuple[str, ...] = SERVICES) -> None:
        """Write a drop-in with these lines of [Service] for each unit. Takes effect at the next daemon-reload."""
        for unit in units:
            log = self.world.folder / f"{unit}.log"
            text = "\n".join(("[Service]", *lines)).replace("{log}", str(log)) + "\n"
            place = self.units / f"{unit}.d" / f"{name}.conf"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.world.own(self.uid)

    def log(self, unit: str = "mayfly.service") -> str:
        path = self.world.folder / f"{unit}.log"
        return path.read_text() if path.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        """The daemon's events of that name so far."""
        rows = [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]
        return [row for row in rows if row["event"] == name]


class SystemdWorld(World):
    """A world in which users can log in to a systemd manager."""

    manager: UserManager

    @property
    def env(self) -> dict[str, str]:
        return super().env | {"XDG_CONFIG_HOME": str(self.home / ".config")}

    def own(self, uid: int) -> None:
        """Give everything in this world to the user."""
        for place in (self.folder, *self.folder.rglob("*")):
            os.chown(place, uid, uid, follow_symlinks=False)

    def token(self, profile: str = "nsrc") -> str:
        return (self.manager.runtime_dir / "mayfly/tokens" / profile).read_text()

    @asynccontextmanager
    async def log_in(self, uid: int = ROOT, python: Path | None = None) -> AsyncIterator[UserManager]:
        """The user's manager, from log-in to log-out. `python` runs the commands; default: this interpreter."""
        self.own(uid)
        needed = dict.fromkeys(map(str, (sys.base_prefix, sys.prefix, REPOSITORY, self.folder)))
        hidden = {"MAYFLY_RUNTIME_DIR", "MAYFLY_LISTEN", "XDG_CONFIG_HOME"}
        process = await asyncio.create_subprocess_exec(
            *(str(SCRIPT), str(uid), *needed),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={name: value for name, value in self.env.items() if name not in hidden}
            | {"MANAGER_LOG": str(self.folder / "manager.log")},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert b"ready\n" == await process.stdout.readline()
            self.manager = UserManager(self, uid, _first_inside(process.pid), python or Path(sys.executable))
            yield self.manager
        finally:
            process.stdin.close()
            await process.wait()


def _first_inside(script: int) -> int:
    """The first process inside the namespaces: the grandchild of the script."""
    unshare = _only_child(script)
    return _only_child(unshare)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def unit_facts(folder: Path) -> dict[str, tuple[int, int]]:
    """The inode and the time of each file, which change if it is written again."""
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}
