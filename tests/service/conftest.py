"""What every test of the service can ask for."""

from __future__ import annotations

import os

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.notify import NotifyListener


@pytest.fixture(name="listener", params=["path", "abstract"])
def _listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NotifyListener]:
    found = NotifyListener(str(tmp_path / "notify") if request.param == "path" else f"@mayfly-test-{os.getpid()}")
    yield found
    found.close()
