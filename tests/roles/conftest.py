"""A clock that a test can move."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchange.kit import Clock


@pytest.fixture(name="clock")
def _clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)
