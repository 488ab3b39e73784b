"""A real sshd on 127.0.0.1, with keys and a configuration of its own, and what a shell by `mayfly ssh` says."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from support.world import PATIENCE_SECONDS, World, free_port


PROGRAM = shutil.which("sshd") or "/usr/sbin/sshd"
needs_sshd = pytest.mark.skipif(
    not Path(PROGRAM).exists() and not os.environ.get("MAYFLY_REQUIRE_ALL_TESTS"),
    reason="needs sshd, Debian's package openssh-server",
)


class Sshd:
    """An sshd that lets this user in, and calls itself `there`.

    `options` are for ssh. `home` is the user's home there, and `tmp` the user's runtime folder.
    """

    def __init__(self, folder: Path, *lines: str) -> None:
        """More `lines` of sshd_config win over ours."""
        self.folder = folder
        self.home, self.tmp = folder / "home", folder / "tmp"
        for made in (folder, self.home, self.tmp):
            made.mkdir(mode=0o700, parents=True)
        self.port = free_port()
        self.options = ("-F", str(folder / "ssh_config"))
        self._lines = lines
        self.log = folder / "log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it takes connections."""
        for name in ("host", "user"):
            words = ("-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
            assert 0 == await (await asyncio.create_subprocess_exec("ssh-keygen", *words)).wait()
        (self.folder / "sshd_config").write_text(self._server_config())
        (self.folder / "ssh_config").write_text(self._client_config())
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {(self.folder / 'host.pub').read_text()}")
        if os.getuid() == 0:
            # As the package's service does.
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # noqa: PTH103 - does not block
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(PROGRAM, "-D", "-e", "-f", str(self.folder / "sshd_config")),
                stdin=asyncio.subprocess.DEVNULL,
                stderr=log,
                env={"PATH": os.defpath},
                start_new_session=True,
            )
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "Server listening" not in self.log.read_text():
                assert self._process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.02)

    async def end(self) -> None:
        """End it, and its connections."""
        assert self._process
        for pid in [*self.children(), self._process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        await self._process.wait()

    def children(self) -> list[int]:
        """The processes of its connections."""
        assert self._process
        return _descendants(self._process.pid)

    def token_files(self) -> list[Path]:
        return list(self.tmp.iterdir())

    def _server_config(self) -> str:
        return "\n".join(
            (
                *self._lines,
                f"Port {self.port}",
                "ListenAddress 127.0.0.1",
                f"HostKey {self.folder}/host",
                f"AuthorizedKeysFile {self.folder}/user.pub",
                "PidFile none",
                "StrictModes no",
                "UsePAM no",
                "PasswordAuthentication no",
                f"SetEnv HOME={self.home} XDG_RUNTIME_DIR={self.tmp} AWS_PROFILE=missing AWS_ACCESS_KEY_ID=theirs",
                "",
            )
        )

    def _client_config(self) -> str:
        return "\n".join(
            (
                "Host there",
                "HostName 127.0.0.1",
                f"Port {self.port}",
                f"UserKnownHostsFile {self.folder}/known",
                "GlobalKnownHostsFile /dev/null",
                f"IdentityFile {self.folder}/user",
                "IdentitiesOnly yes",
                "BatchMode yes",
                "",
            )
        )


@asynccontextmanager
async def sshd(folder: Path, *lines: str) -> AsyncIterator[Sshd]:
    """A running one."""
    made = Sshd(folder, *lines)
    await made.start()
    try:
        yield made
    finally:
        await made.end()


class Shell:
    """A `mayfly ssh` without a terminal: its shell reads lines. `tmp` is its folder for temporary files, here."""

    def __init__(self, process: asyncio.subprocess.Process, tmp: Path) -> None:
        self.process = process
        self.tmp = tmp

    async def says(self, line: str) -> str:
        """What a line for the shell prints."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{line}\necho; echo =$?=\n".encode())
        async with asyncio.timeout(PATIENCE_SECONDS):
            found = await self.process.stdout.readuntil(b"\n=0=\n")
        return found.decode().removesuffix("\n=0=\n").rstrip("\n")

    async def ended(self, line: str = "") -> tuple[int | None, str]:
        """Its exit code, and what it says on standard error."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, err = await self.process.communicate(line.encode())
        return self.process.returncode, err.decode()


@asynccontextmanager
async def shell(world: World, there: Sshd, *options: str) -> AsyncIterator[Shell]:
    """A shell by `mayfly ssh OPTIONS nsrc there`."""
    with tempfile.TemporaryDirectory() as tmp:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mayfly", "ssh", *options, "nsrc", "there", "--", *there.options),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=world.env | {"TMPDIR": tmp},
            cwd=world.home,
        )
        try:
            yield Shell(process, Path(tmp))
        finally:
            # The end of its standard input ends the shell, and with it all the rest.
            if process.returncode is None:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await process.communicate(b"")


def _descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [*_descendants(int(child)), int(child)]
    return found
