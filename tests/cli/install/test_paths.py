"""`install` and paths with odd characters: no path can write a line of its own into a unit."""

from __future__ import annotations

import sys

from pathlib import Path

import pytest

from mayfly.cli.main import main
from support.world import SEED_TOML


ODD = ["a\rb", "a\nExecStart=evil", "a\x1b[31mb", "a\x85b", "a\u2028b", "a\u202eb", "a\udcffb"]


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with a config, and programs that record that they were run."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    for name in ("XDG_CONFIG_HOME", "MAYFLY_CONFIG", "MAYFLY_LISTEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))
    (tmp_path / "bin").mkdir()
    for name in ("op", "systemctl", "launchctl"):
        program(tmp_path / "bin" / name)
    (tmp_path / "mayfly.toml").write_text(SEED_TOML)
    return tmp_path


def program(path: Path) -> None:
    path.write_text(f"#!/bin/sh\n/bin/touch '{path.parent.parent}/was-run'\n")
    path.chmod(0o755)


def before_and_after(home: Path, *argv: str) -> tuple[int, set[Path], set[Path]]:
    """The exit code of `install`, and the files before and after it."""
    before = set(home.rglob("*"))
    return main(["install", *argv]), before, set(home.rglob("*"))


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("what", ["config", "op", "units", "runtime folder", "home"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_a_path_that_cannot_be_printed_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str, odd: str, platform: str
) -> None:
    """In one line, and before anything is written or run: systemd would take its line end for a directive's."""
    monkeypatch.setattr(sys, "platform", platform)
    config = home / "mayfly.toml"
    folder = home / odd
    folder.mkdir()
    if what == "config":
        config = config.rename(folder / "mayfly.toml")
    elif what == "op":
        (home / "bin/op").rename(folder / "op")
        monkeypatch.setenv("PATH", f"{home}/bin:{folder}")
    elif what == "units":
        monkeypatch.setenv("HOME" if platform == "darwin" else "XDG_CONFIG_HOME", str(folder))
    elif what == "runtime folder":
        monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(folder))
    else:
        monkeypatch.setenv("HOME", str(folder))

    option = "--launchctl-setenv" if platform == "darwin" else "--environment-d"
    code, before, after = before_and_after(home, "--config", str(config), option, "nsrc")
    out, err = capsys.readouterr()

    shown = "".join(letter if letter.isprintable() else "?" for letter in folder.name)
    assert (2, "", before) == (code, out, after)
    assert err.startswith(f"mayfly: error: {home}/{shown}")
    assert err.endswith(": has characters that no unit may have: rename it\n")
    assert 1 == err.count("\n")
