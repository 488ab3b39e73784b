"""What coverage sees in a nest's children: they write it down in no time, and the nest adds it up at its end.

Else each of them would make a database of its own, which takes as long as a short command.
"""

from __future__ import annotations

import marshal
import os
import shutil
import tempfile

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import coverage


_Arcs = dict[str, set[tuple[int, int]]]


class _Notes:
    """Stands where coverage has its data, in a child."""

    def __init__(self) -> None:
        # Coverage shows it in its own repr.
        self._filename = str(Path(tempfile.mkdtemp(prefix="mayfly-nest-")))
        self._arcs: _Arcs = {}

    def add_arcs(self, arcs: dict[str, Iterable[tuple[int, int]]]) -> None:
        for name, pairs in arcs.items():
            self._arcs.setdefault(name, set()).update(pairs)

    def add_file_tracers(self, tracers: dict[str, str]) -> None:
        """No file of ours has one."""

    def write(self) -> None:
        if self._arcs:
            draft = Path(self._filename, f"{os.getpid()}.draft")
            draft.write_bytes(marshal.dumps(self._arcs))
            draft.rename(draft.with_suffix(".notes"))

    def all(self) -> _Arcs:
        """What every child has written; the folder is gone then."""
        arcs: _Arcs = defaultdict(set)
        for notes in Path(self._filename).glob("*.notes"):
            for name, pairs in marshal.loads(notes.read_bytes()).items():
                arcs[name] |= pairs
        shutil.rmtree(self._filename)
        return arcs


_notes = _Notes() if coverage.Coverage.current() else None


def take_notes() -> None:
    """In a child: from now on what coverage saves goes into a file of notes."""
    followed = coverage.Coverage.current()
    if followed and followed._collector and _notes:
        followed._data_to_close.clear()
        followed._data = followed._collector.covdata = _notes  # type: ignore[assignment]


def add_up() -> None:
    """In the nest: save what its children have written down."""
    followed = coverage.Coverage.current()
    if followed and _notes:
        followed.get_data().add_arcs(_notes.all())
        followed.save()
