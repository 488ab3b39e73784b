"""grants.json: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
import os

from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from mayfly.daemon.grants import Grant, grants_file
from mayfly.daemon.grants.grants_file import GrantsInvalid
from mayfly.daemon.grants.table import Ask
from mayfly.shared.grant import Narrowing, subject


NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NARROW = Narrowing('{"Version": "2012-10-17"}', ("arn:aws:iam::aws:policy/ReadOnlyAccess",))
ROWS = [
    Grant(profile="nsrc", session="nsrc", id="00000001", label="a", digest=b"d" * 32, seconds=900, ends_at=NOON),
    Grant(
        profile="admin",
        session=subject("admin", "00000002"),
        id="00000002",
        label="claude",
        digest=None,
        narrowing=NARROW,
        words="read-only",
        delivery="file",
        origin="o" * 64,
        seconds=43_200,
        ends_at=NOON + timedelta(hours=12),
        ask=Ask.DENIED,
        is_held=True,
        allows_disk=True,
        uses=7,
        last_used_by="terraform",
        last_used_at=NOON,
    ),
]


@pytest.fixture(name="file")
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "grants.json"


def test_what_is_written_is_read_again(file: Path) -> None:
    """All of it; the file goes with the last grant, and where there is none there are no grants."""
    assert [] == grants_file.read()
    grants_file.write(ROWS)

    assert [attrs.asdict(row) for row in ROWS] == [attrs.asdict(row) for row in grants_file.read()]
    assert 0o100600 == file.stat().st_mode
    grants_file.write([])
    grants_file.write([])
    assert not file.exists()


MISSING = object()
KEYS = ("id", "label", "profile", "own_session", "token_sha256", "narrowing", "ends_at", "ask", "held", "uses")
ODD_VALUES = {
    "id": ("0000000G", "00000001"),
    "label": ("a b",),
    "profile": (7,),
    "seconds": (43_201, True),
    "ends_at": ("noon", None),
    "ask": ("perhaps",),
    "held": ("yes",),
    "uses": (-1,),
    "narrowing": (2, -1),
    "token_sha256": ("00", "00" * 32),
    "as": ("pigeon", "endpoint"),
}
ODD_ROWS = [(key, MISSING) for key in KEYS] + [(key, value) for key, values in ODD_VALUES.items() for value in values]


@pytest.mark.parametrize(("key", "value"), ODD_ROWS)
def test_a_grant_that_is_not_ours_is_invalid(file: Path, key: str, value: object) -> None:
    """One odd value, and nothing of the file is believed: no traceback, and no half of the grants."""
    grants_file.write(ROWS)
    tree = json.loads(file.read_text())
    if value is MISSING:
        del tree["grants"][1][key]
    else:
        tree["grants"][1][key] = value
    file.write_text(json.dumps(tree))

    with pytest.raises(GrantsInvalid, match="is no list of grants"):
        grants_file.read()


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", 2), ("grants", 7), ("grants", [7]), ("narrowings", [["{}", [7]]]), ("narrowings", 7)],
)
def test_a_document_that_is_not_ours_is_invalid(file: Path, key: str, value: object) -> None:
    """Such as that of a later version."""
    grants_file.write(ROWS)
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))

    with pytest.raises(GrantsInvalid, match="is no list of grants"):
        grants_file.read()


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[]", b"null", b"7", b"[" * 5000])
def test_a_file_that_is_no_document_is_invalid(file: Path, content: bytes) -> None:
    """Half a file, or anything else."""
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(GrantsInvalid, match="is no list of grants"):
        grants_file.read()


def test_a_file_of_others_or_of_another_kind_is_invalid(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open to others, a link, a folder, a pipe, and one that is too large: nothing is waited for."""
    grants_file.write(ROWS)
    file.chmod(0o640)
    with pytest.raises(GrantsInvalid, match="open to others"):
        grants_file.read()
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")
    with pytest.raises(GrantsInvalid):
        grants_file.read()
    file.unlink()
    file.mkdir()
    with pytest.raises(GrantsInvalid):
        grants_file.read()
    file.rmdir()
    os.mkfifo(file, 0o600)
    with pytest.raises(GrantsInvalid, match="is a pipe"):
        grants_file.read()
    file.unlink()
    grants_file.write(ROWS)
    monkeypatch.setattr(grants_file, "MAX_BYTES", 64)
    with pytest.raises(GrantsInvalid, match="larger than 64 bytes"):
        grants_file.read()
