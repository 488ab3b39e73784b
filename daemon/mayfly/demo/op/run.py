"""`op run -- CMD`: a command with the references in its environment resolved.

Law: what was resolved is masked wherever the command prints it, unless that is switched off.
"""

from __future__ import annotations

import os
import subprocess

from pathlib import Path

from mayfly.demo.op import authentication as op_login
from mayfly.demo.op import references as op_vault
from mayfly.demo.op.messages import OpError
from mayfly.demo.op.references import Reference


TYPE_CHECKING = False  # typing costs 4 ms of every call
if TYPE_CHECKING:
    from mayfly.demo.op.call import Call

_MASK = b"<concealed by 1Password>"


def run(call: Call) -> tuple[bytes, bytes, int]:
    """Return the command's stdout, stderr and exit code."""
    environment = dict(call.environment) | _from_file(call.arguments.text("env-file"))
    references = {n: Reference(v) for n, v in environment.items() if v.startswith("op://")}
    op_login.log_in(call)
    secrets = {n: op_vault.resolve(call, r, reading=False) for n, r in references.items()}
    command = call.arguments.words
    try:
        done = subprocess.run(command, env=environment | secrets, capture_output=True, check=False)
    except (OSError, IndexError):
        # Go's own words
        name = command[0] if command else ""
        raise OpError(f'exec: "{name}": executable file not found in $PATH') from None
    hidden = [] if call.arguments.on("no-masking") else list(filter(None, secrets.values()))
    return _masked(done.stdout, hidden), _masked(done.stderr, hidden), done.returncode


def _from_file(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("=") for line in lines if "=" in line]
    return {name: os.path.expandvars(value.strip("\"'")) for name, _, value in pairs}


def _masked(output: bytes, secrets: list[str]) -> bytes:
    for secret in secrets:
        output = output.replace(secret.encode(), _MASK)
    return output
