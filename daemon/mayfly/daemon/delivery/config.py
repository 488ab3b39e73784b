"""The config of a grant by file: its `[default]` prints the credentials' file.

A process that can write this config chooses what runs on the host. So the config is not in the folder that is mounted.
"""

from __future__ import annotations

from pathlib import Path

from mayfly.shared.config_words import Unquotable, quoted
from mayfly.shared.errors import GrantRefused


# There on every system that follows the FHS, and on macOS. NixOS has it on the PATH alone.
_CAT = "/bin/cat"


def config_text(credentials_path: str) -> bytes:
    """The text; raises GrantRefused for a path that some SDK would misread."""
    try:
        path = quoted(credentials_path)
    except Unquotable:
        raise GrantRefused(
            f"{credentials_path!r} has characters that cannot stand in an AWS config",
            hint="set MAYFLY_RUNTIME_DIR to a folder with a plainer name",
        ) from None
    cat = _CAT if Path(_CAT).exists() else "cat"
    return f"[default]\ncredential_process = {cat} {path}\n".encode()
