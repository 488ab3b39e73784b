"""An embedded STS for each test, whose clock only the test moves."""

import os

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mayfly.demo.sts.server import EmbeddedSts
from support.sts import ACCOUNT, Clock


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="sts")
async def _sts(clock: Clock) -> AsyncIterator[EmbeddedSts]:
    async with EmbeddedSts(ACCOUNT, clock=clock) as sts:
        yield sts
