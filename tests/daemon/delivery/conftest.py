"""A runtime folder for grants."""

from __future__ import annotations

import tempfile

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(name="runtime")
def _runtime() -> Iterator[Path]:
    """0700, with a short path: a socket's has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="mayfly-") as folder:
        yield Path(folder)
