"""Whether this installation stays where it is: a service that points into a cache ends when the cache is emptied."""

from __future__ import annotations

import os
import sys

from collections.abc import Mapping
from pathlib import Path

from mayfly.cli import speech
from mayfly.shared import pathnames


# What a cache directory has in it, by the cachedir specification (bford.info/cachedir): uv's and pipx's have it.
_TAG = "CACHEDIR.TAG"


def check(prefix: Path = Path(sys.prefix), environ: Mapping[str, str] = os.environ) -> None:
    """Raise Stop if the environment at `prefix` is in a cache, as `uvx` and `pipx run` make them."""
    cache = _cache_around(prefix, environ)
    if cache is not None:
        raise speech.Stop(
            speech.WRONG_USAGE,
            f"this mayfly is in a cache, {cache}, and may be gone tomorrow: a service needs one that stays",
            hints=("uv tool install mayflyd   (or: pipx install mayflyd)", "mayfly install --now"),
        )


def _cache_around(prefix: Path, environ: Mapping[str, str]) -> Path | None:
    """The cache that `prefix` is in. A tag in `prefix` itself does not count: `uv venv` puts one into every .venv."""
    named = [environ.get("UV_CACHE_DIR"), environ.get("XDG_CACHE_HOME")]
    home = Path(pathnames.home())
    caches = {Path(value) for value in named if value} | {home / ".cache", home / "Library/Caches"}
    for folder in prefix.parents:
        if folder in caches or (folder / _TAG).is_file():
            return folder
    return None
