"""What is installed: the package with its units, completions and man pages, by two names, from a wheel or an sdist."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile

from pathlib import Path

import pytest

import mayfly


ROOT = Path(mayfly.__file__).parents[2]
NAME = f"mayflyd-{mayfly.__version__}"


def build(source: Path, to: Path) -> Path:
    """Build sdist and wheel of the tree at `source`; the folder that they are in."""
    line = [sys.executable, "-m", "hatchling", "build", "-d", str(to)]
    done = subprocess.run(line, cwd=source, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return to


def members(folder: Path) -> dict[str, bytes]:
    """The files of the wheel in a folder."""
    with zipfile.ZipFile(folder / f"{NAME}-py3-none-any.whl") as wheel:
        return {name: wheel.read(name) for name in wheel.namelist()}


@pytest.fixture(name="dist", scope="module")
def _dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def test_the_wheel_has_all_that_an_installation_needs(dist: Path) -> None:
    """Units, completions, man pages; the command by its own name and by the distribution's, which `uvx` looks for."""
    files = members(dist)
    entry_points = files[f"{NAME}.dist-info/entry_points.txt"].decode()
    metadata = files[f"{NAME}.dist-info/METADATA"].decode()

    assert {"mayfly = mayfly.__main__:main", "mayflyd = mayfly.__main__:main"} <= {*entry_points.splitlines()}
    assert f"\nVersion: {mayfly.__version__}\n" in metadata
    wanted = [
        "mayfly/cli/completion/mayfly.bash",
        "mayfly/cli/completion/mayfly.zsh",
        "mayfly/cli/completion/mayfly.fish",
        "mayfly/service/units/systemd/mayfly.service",
        f"{NAME}.data/data/share/man/man1/mayfly.1",
        f"{NAME}.data/data/share/man/man5/mayfly.toml.5",
    ]
    assert [] == [name for name in wanted if name not in files]
    assert [] == [name for name in files if name.startswith(("tests/", "docs/")) or "__pycache__" in name]


def test_an_index_shows_a_readme_without_dead_links(dist: Path) -> None:
    """The README is whole, but for links into the repository, of which the text is left."""
    shown = members(dist)[f"{NAME}.dist-info/METADATA"].decode().partition("\n\n")[2]
    links = re.findall(r"\]\(([^)]*)\)", shown)

    assert [] == [link for link in links if not link.startswith(("https://", "#"))]
    assert "docs/getting-started.md has it for a shell plugin's item" in shown
    assert "\n## " in shown
    assert "![" not in shown


def test_the_sdist_builds_the_same_wheel(dist: Path, tmp_path: Path) -> None:
    """Who builds from the sdist, as Homebrew and distributions do, gets the files of the wheel."""
    with tarfile.open(dist / f"{NAME}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    again = build(tmp_path / NAME, tmp_path / "again")

    assert members(dist) == members(again)
