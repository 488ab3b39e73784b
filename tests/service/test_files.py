"""The state of a unit's file."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert FileState.SAME_SETTINGS is files.file_state(path, wanted)
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


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        (
            "# Some words.\n[Socket]\nBacklog=9\n",
            "# Other words,\n# and more.\n\n[Socket]\nBacklog=9\n",
            FileState.SAME_SETTINGS,
        ),
        ("<!-- Some words. -->\n<a/>\n", "  <!-- Other words. -->\n<a/>\n", FileState.SAME_SETTINGS),
        ("[Socket]\n# Backlog=9\n", "[Socket]\nBacklog=9\n", FileState.OUTDATED),
        ("[Socket]\nBacklog=9\n", "[Socket]\nBacklog=9 # now\n", FileState.OUTDATED),
    ],
)
def test_a_file_with_other_comments_is_not_outdated(tmp_path: Path, old: str, new: str, state: FileState) -> None:
    """A unit whose comments alone differ has the same settings: nothing needs to be opened or started anew."""
    path = tmp_path / "unit"
    path.write_text(files.stamped(old))

    assert state is files.file_state(path, files.stamped(new))
