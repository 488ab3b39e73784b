"""The hint at the next item with an access key."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly.cli.init import further
from mayfly.cli.init.items import Overview


LISTED = [Overview(name, name, "v", "Private", "API_CREDENTIAL") for name in ("aws-one", "aws-two")]


@pytest.mark.parametrize(("count", "rest"), [(1, " --item op://v/aws-one   # "), (2, "   # 2 more items look as if ")])
def test_the_next_command_can_be_pasted_in_every_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, count: int, rest: str
) -> None:
    """A config that was given relative to the current folder is named by its whole path."""
    monkeypatch.chdir(tmp_path)
    further.hint(LISTED[:count], None, "mine.toml")

    said = capsys.readouterr().err
    assert said.startswith(f"mayfly: hint: another access key? mayfly init --config {tmp_path}/mine.toml{rest}")
