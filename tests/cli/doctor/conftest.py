"""The machines of the doctor's tests: one for each test, and one with a daemon for a whole module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.patient import Patient, patient


@pytest.fixture(name="patient")
async def _patient(tmp_path: Path) -> AsyncIterator[Patient]:
    """A machine that is well; no daemon runs yet."""
    async with patient(tmp_path) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="ward")
async def _ward(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Patient]:
    """A machine with a daemon, for tests that each do something to it; a test begins with `recover`."""
    async with patient(tmp_path_factory.mktemp("ward")) as made, made.serve():
        yield made
