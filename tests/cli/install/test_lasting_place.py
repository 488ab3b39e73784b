"""`mayfly install` makes no service of a program that a cache may lose."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly.cli import speech
from mayfly.cli.install import lasting_place


def folder(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("variable", ["UV_CACHE_DIR", "XDG_CACHE_HOME"], ids=["uv's cache", "the user's caches"])
def test_an_environment_in_a_named_cache_is_refused(tmp_path: Path, variable: str) -> None:
    """`uvx mayflyd` and `pipx run mayflyd` run there."""
    cache = tmp_path / "somewhere"
    with pytest.raises(speech.Stop) as caught:
        lasting_place.check(folder(cache / "archive-v0/Xy1"), {variable: str(cache)})

    assert speech.WRONG_USAGE == caught.value.exit_code
    expected = f"this mayfly is in a cache, {cache}, and may be gone tomorrow: a service needs one that stays"
    assert (expected,) == caught.value.errors
    assert "uv tool install mayflyd   (or: pipx install mayflyd)" == caught.value.hints[0]


def test_a_tagged_folder_above_is_a_cache(tmp_path: Path) -> None:
    """Caches are marked by CACHEDIR.TAG."""
    prefix = folder(tmp_path / "pipx/.cache/abc")
    (tmp_path / "pipx/.cache/CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    with pytest.raises(speech.Stop):
        lasting_place.check(prefix, {})


def test_an_ordinary_environment_stays(tmp_path: Path) -> None:
    """A tag in the environment itself is `uv venv`'s, which keeps it out of backups."""
    prefix = folder(tmp_path / "tools/mayflyd")
    (prefix / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    lasting_place.check(prefix, {})
