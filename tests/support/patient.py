"""A machine on which a doctor finds nothing wrong: few programs on PATH, and a runtime folder in memory."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mayfly.demo.sts.server import EmbeddedSts
from support.nursery import MAYFLY
from support.world import Ended, World, measured, seed_tree


# Programs that tell a version, as the real ones do.
CLIENTS = {
    "aws": "aws-cli/2.36.7 Python/3.14.0 Linux/6.18 exe/x86_64",
    "python3": "botocore/1.43.117",
    "terraform": "Terraform v1.11.4",
}


# Where Linux has a file system in memory for everybody.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112


class Patient(World):
    """A world for a doctor: without the machine's own programs, and in memory."""

    def __init__(self, folder: Path, memory: Path) -> None:
        super().__init__(folder, MAYFLY)
        self.memory = memory
        self.run_dir = memory / "mayfly"
        self.programs = folder / "programs"
        self.programs.mkdir()
        for name, line in CLIENTS.items():
            self.put_program(name, f'echo "{line}"')

    @property
    def env(self) -> dict[str, str]:
        path = f"{self.op.parent}:{self.programs}"
        return super().env | {"PATH": path, "XDG_RUNTIME_DIR": str(self.memory)}

    def recover(self) -> None:
        """Undo what a test has done to this machine: everything but what the daemon has in memory."""
        shutil.rmtree(self.home)
        self.config.parent.mkdir(parents=True, mode=0o755)
        self.config.write_text(json.dumps(seed_tree()))
        self.run_dir.chmod(0o700)
        self.sts.faults.clock_skew_seconds = 0
        for name, line in CLIENTS.items():
            self.put_program(name, f'echo "{line}"')
        self.put_op("2.39.0")

    def put_op(self, version: str) -> None:
        """An `op` that tells its version and nothing else, and starts in no time."""
        self.op.write_text(f"#!/bin/sh\necho {version}\n")
        self.op.chmod(0o700)

    def put_program(self, name: str, script: str) -> Path:
        """A program on this world's PATH."""
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    async def doctor(self, *words: str, env: dict[str, str] | None = None, are_followed: bool = True) -> Diagnosis:
        """What the doctor says; coverage follows its children, which takes longer than they do, only if wanted."""
        followed = measured() if are_followed else {}
        return Diagnosis(await self.run("doctor", "--json", *words, env=followed | (env or {})))

    async def follow(self, hint: str, env: dict[str, str] | None = None) -> dict[str, str]:
        """Paste a hint into a shell with these variables; how the shell's variables differ from the world's then."""
        # The user's own PATH has more than the doctor is shown here.
        path = f"{self.op.parent}:{self.programs}:{Path(sys.executable).parent}:/usr/bin:/bin"
        told = self.folder / "variables"
        script = f"{hint}\n[ $? = 0 ] && /usr/bin/env -0 > {told}"
        ended = await self.run_program("/bin/sh", "-c", script, env=(env or {}) | {"PATH": path})
        assert 0 == ended.code, ended.err
        after = dict(pair.split("=", 1) for pair in told.read_text().split("\0") if "=" in pair)
        names = {*after, *self.env, *(env or {})} - {"PATH", "PWD", "SHLVL", "_"}
        return {name: after.get(name, "") for name in names}


class Diagnosis:
    """What a doctor said."""

    def __init__(self, ended: Ended) -> None:
        self.ended = ended
        tree = json.loads(ended.out)
        assert ["checks"] == list(tree)
        assert {("id", "state", "message", "hint")} == {tuple(check) for check in tree["checks"]}
        self.checks: dict[str, dict[str, Any]] = {check["id"]: check for check in tree["checks"]}
        assert len(tree["checks"]) == len(self.checks), "an id stands for one check"

    @property
    def unwell(self) -> dict[str, str]:
        """The state of each check that is not ok."""
        return {name: check["state"] for name, check in self.checks.items() if check["state"] != "ok"}

    def hint(self, name: str) -> str:
        return str(self.checks[name]["hint"])

    def message(self, name: str) -> str:
        return str(self.checks[name]["message"])


@asynccontextmanager
async def patient(folder: Path) -> AsyncIterator[Patient]:
    """A machine that is well, but for the daemon, which the test starts."""
    memory = Path(tempfile.mkdtemp(dir=MEMORY))
    try:
        made = Patient(folder, memory)
        async with EmbeddedSts(made.account()) as made.sts:
            yield made
    finally:
        shutil.rmtree(memory, ignore_errors=True)
