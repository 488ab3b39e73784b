"""A vault, and a stand-in `op` for it."""

from __future__ import annotations

import os
import signal

from collections.abc import Iterator
from pathlib import Path

import pytest

from mayfly.demo.op.vault import Vault
from support.op import Op


@pytest.fixture(name="vault")
def _vault() -> Vault:
    return Vault()


@pytest.fixture(name="op")
def _op(vault: Vault, tmp_path: Path) -> Iterator[Op]:
    """An `op` in a folder whose name a shell would split, expand and unquote."""
    yield Op(vault.install(tmp_path / "it's a $folder"))
    for pid in vault.state().get("daemons", []):
        os.kill(pid, signal.SIGKILL)
