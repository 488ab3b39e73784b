"""The kit for tests of `otp_command`: a program that gives the codes of a device, as a security key does.

`Authenticator` writes the program; its `runs` tell with what each run was started, and what was there at that time.
`on_command` and `without_mfa` are profiles. For a second code let a `Clock` rule the world, and give its variables.
"""

from __future__ import annotations

import json
import sys

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mayfly.demo.op.vault import ITEM, VAULT
from support.exchange import program
from support.world import World


_TEXT = """#!{python} -I
import json, os, sys, time
from mayfly.demo import totp
code = totp.code_of({seed!r}, totp.step_at(time.time()))
row = {{
    "argv": sys.argv[1:],
    "environ": dict(os.environ),
    "cwd": os.getcwd(),
    "stdin": sys.stdin.read(),
    "is_session_leader": os.getsid(0) == os.getpid(),
    "code": code,
}}
with open({log!r}, "a") as file:
    print(json.dumps(row), file=file)
{script}
"""


class Authenticator:
    """A program that prints the present code of the device of `seed`, by default the world's.

    `script` is the Python that prints `code`; `variables` put the program on a clock of the test's.
    """

    def __init__(
        self,
        world: World,
        variables: Mapping[str, str] | None = None,
        script: str = 'print("", code)',
        *,
        seed: str = "",
        name: str = "keyman",
    ) -> None:
        folder = world.folder / name
        self._log = folder / "runs"
        text = _TEXT.format(
            python=sys.executable, seed=seed or world.vault.totp_seed, log=str(self._log), script=script
        )
        inner = program(folder / "inner.py", text)
        exports = "".join(f"export {key}={value}\n" for key, value in (variables or {}).items() if key != "PATH")
        self.path = program(folder / name, f'#!/bin/sh\n{exports}exec {inner} "$@"\n')

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []


def on_command(name: str, command: Path | str, *more: str, item: str = ITEM, mfa_id: str = "") -> str:
    """A profile whose codes come from a command; its `mfa_id` is that of the item, unless another one is given."""
    where = f"op://{VAULT}/{item}"
    lines = (f'otp_command = ["{command}", "code", "AWS"]', f'mfa_id = "{mfa_id or f"{where}/mfa_id"}"', *more)
    return without_mfa(name, *lines, item=item)


def without_mfa(name: str, *more: str, item: str = ITEM) -> str:
    """A profile with keys and nothing else, but for the lines in `more`."""
    where = f"op://{VAULT}/{item}"
    keys = (f'access_key_id = "{where}/access_key_id"', f'secret_access_key = "{where}/secret_access_key"')
    return "\n".join([f"\n[profiles.{name}]", *keys, *more, ""])
