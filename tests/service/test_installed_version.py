"""The version on disk, beside the running one."""

from __future__ import annotations

from pathlib import Path

from mayfly.service.installed_version import InstalledVersion


def test_a_version_on_disk_is_noticed(tmp_path: Path) -> None:
    """A changed version in the package's file is noticed; a broken or missing file changes nothing."""
    path = tmp_path / "__init__.py"
    installed = InstalledVersion(path, "1.0")
    told = [installed.other_than_running()]
    for text in ('__version__ = "1.0"\n', "broken", '__version__ = "1.1"\n'):
        path.write_text(text)
        told.append(installed.other_than_running())
    path.unlink()
    told.append(installed.other_than_running())

    assert [None, None, None, "1.1", "1.1"] == told
