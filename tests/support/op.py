"""What the tests of the stand-in `op` share: how they run it, and a template."""

from __future__ import annotations

import os
import re
import subprocess
import time

from collections.abc import Callable
from pathlib import Path

from mayfly.demo.op.vault import ITEM, VAULT, Vault
from support.nursery import OP
from support.world import PATIENCE_SECONDS, measured


REFERENCE = f"op://{VAULT}/{ITEM}/access_key_id"
DISMISSED = "error initializing client: authorization prompt dismissed, please try again"
PREFIX = re.compile(r"\[ERROR\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")


class Op:
    """The stand-in that a vault has installed at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, *argv: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start it by its shim, in its own session, with pipes."""
        return subprocess.Popen(
            [self.path, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"HOME": "/", "PATH": os.defpath} | measured() | environment,
            start_new_session=True,
        )

    def run(self, *argv: str, stdin: str = "", **environment: str) -> tuple[int, bytes, str]:
        """The exit code, stdout, and stderr without its time, of the program that the shim runs."""
        folder = self.path.parent.parent
        files = {"FAKE_OP_STATE": str(folder / "state.json"), "FAKE_OP_LOG": str(folder / "op.log")}
        code, stdout, stderr = OP.run(argv, {"HOME": "/", "PATH": os.defpath} | files | environment, stdin.encode())
        return code, stdout, PREFIX.sub("", stderr.decode())

    def ask(self, *argv: str, stdin: str = "", **environment: str) -> str:
        """The stdout of a call that succeeds."""
        code, stdout, stderr = self.run(*argv, stdin=stdin, **environment)
        assert (0, "") == (code, stderr)
        return stdout.decode()

    def refused(self, *argv: str, stdin: str = "", **environment: str) -> tuple[str, int]:
        """The message and exit code of a call that fails, and prints nothing on stdout."""
        code, stdout, stderr = self.run(*argv, stdin=stdin, **environment)
        assert b"" == stdout
        return stderr.removesuffix("\n"), code


def template(vault: Vault) -> str:
    """The template of a login: key, secret and code, a line each."""
    references = vault.references()
    references["otp"] += "?attribute=otp"
    lines = ("access_key_id", "secret_access_key", "otp")
    return "".join(f"{{{{ {references[name]} }}}}\n" for name in lines)


def until(holds: Callable[[], object]) -> None:
    """Wait for something that another process does; fail after `PATIENCE_SECONDS`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
