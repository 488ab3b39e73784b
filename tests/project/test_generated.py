"""Files that are made from the code say what the code does."""

from __future__ import annotations

import shutil
import subprocess

from pathlib import Path

import pytest

from tests.generate.files import ROOT, generated

from mayfly.cli.main import COMMANDS


GENERATED = generated()
PAGES = sorted(path for path in GENERATED if path.suffix in {".1", ".5"})


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_generated_is_current(path: Path) -> None:
    """Completions, man pages and tables of keys are in the repository, and `make generate` would change none."""
    assert GENERATED[path] == path.read_text(encoding="utf-8"), "run: make generate"


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_man_pages_are_sound(page: Path) -> None:
    """groff has nothing to warn about, and the page names every command or key."""
    done = subprocess.run(["groff", "-man", "-Tascii", "-P-cbou", "-ww", page], capture_output=True, check=True)

    assert b"" == done.stderr
    shown = " ".join(done.stdout.decode().replace("-", "").split())
    wanted = [f"mayfly {name}" for name, _, _ in COMMANDS] if page.suffix == ".1" else ["role_arn", "token_command"]
    assert [] == [word for word in wanted if word.replace("-", "") not in shown]
