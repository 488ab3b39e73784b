"""The state of a unit's file."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mayfly import __version__
from mayfly.service import files
from mayfly.service.files import FileState


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=50))
def test_a_stamped_text_is_recognised(text: str) -> None:
    """A stamped text is known as ours; with any change before the stamp it counts as edited."""
    body = text + "\n"
    stamped = files.stamped(body)
    found, stamp = files._split(stamped)

    assert body == found
    assert stamp is not None
    assert stamp[2] == files._digest(found)
    assert stamp[2] != files._digest(found + "x")


def test_every_state_is_recognised(tmp_path: Path) -> None:
    """Absent, the same, of another version, edited, foreign, a link: each state is recognised."""
    wanted, path = files.stamped("[Unit]\n"), tmp_path / "unit"
    assert FileState.ABSENT is files.file_state(path, wanted)
    files.write(path, wanted)
    assert FileState.CURRENT is files.file_state(path, wanted)
    assert 0o600 == path.stat().st_mode & 0o777
    path.write_text(files.stamped("[Unit]\nOld=\n", version="0.0.1"))
    assert (FileState.OUTDATED, "0.0.1") == (files.file_state(path, wanted), files.version_of(path))
    path.write_text(files.stamped("[Unit]\n", version="0.0.1"))
    assert FileState.OTHER_VERSION is files.file_state(path, wanted)
    path.write_text(wanted + "\n")
    assert not files.file_state(path, wanted).is_kept
    path.write_text(wanted + "Mine=\n")
    assert (FileState.EDITED, __version__) == (files.file_state(path, wanted), files.version_of(path))
    path.write_text(wanted.replace("Unit", "Mine"))
    assert FileState.EDITED is files.file_state(path, wanted)
    path.write_text("[Unit]\n")
    assert (FileState.FOREIGN, None) == (files.file_state(path, wanted), files.version_of(path))
    path.write_bytes(b"\xff")
    assert FileState.FOREIGN is files.file_state(path, wanted)
    path.unlink()
    path.symlink_to("/dev/null")
    assert FileState.FOREIGN is files.file_state(path, wanted)
