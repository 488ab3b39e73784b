"""Where AWS's own files are. A `~` in a variable is the home, as for the SDKs."""

from __future__ import annotations

import os

from typing import TYPE_CHECKING

from mayfly.shared.files import read_plain_file
from mayfly.shared.pathnames import expanded


if TYPE_CHECKING:
    from collections.abc import Mapping

    from mayfly.shared.pathnames import AnyPath

# A profile takes some hundred bytes.
MAX_BYTES = 16 * 1024 * 1024


def config_file(environ: Mapping[str, str]) -> str:
    """The path of `~/.aws/config`."""
    return _expanded(environ.get("AWS_CONFIG_FILE") or "~/.aws/config")


def credentials_file(environ: Mapping[str, str]) -> str:
    """The path of `~/.aws/credentials`."""
    return _expanded(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")


def to_change(path: str) -> str:
    """The path of one of these files for a program that changes it; raises ConfigInvalid if its home is not known.

    An SDK would then look into a folder called ~ in its current one, where nobody expects a file of ours.
    """
    return expanded(path) if path.startswith("~") else path


def _expanded(path: str) -> str:
    return os.path.expanduser(path)


def read(path: AnyPath) -> bytes:
    """All bytes of one of these files; raises OSError or files.Unreadable, for a pipe, a device or a huge file too."""
    return read_plain_file(path, MAX_BYTES)
