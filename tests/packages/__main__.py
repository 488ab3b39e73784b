"""Builds the wheel and the sdist, and installs each by pip, pipx and uv in a clean home; then runs what was installed.

Reaches the registry that pip is set up for: what cannot be fetched is skipped with the reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from collections.abc import Callable
from pathlib import Path

import mayfly


ROOT = Path(__file__).parents[2]
NAME = f"mayflyd-{mayfly.__version__}"
WHEEL, SDIST = f"{NAME}-py3-none-any.whl", f"{NAME}.tar.gz"
MINUTES_EACH = 5


class Failed(Exception):
    """A step ended with an error; the text is what it said."""


class Machine:
    """A home in which nothing is installed yet, and the tools in an environment beside it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.dist = folder / "dist"
        self._tools = folder / "tools"

    def run(self, *line: str, cwd: Path | None = None) -> str:
        """Run a program in the home; its output. Raises Failed."""
        done = subprocess.run(
            line,
            env=self._environ(),
            cwd=cwd or self.home,
            capture_output=True,
            text=True,
            timeout=60 * MINUTES_EACH,
            check=False,
        )
        if done.returncode:
            raise Failed(f"{' '.join(line)}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return done.stdout

    def tool(self, name: str) -> str:
        """The path of a tool, installed on first use."""
        if not self._tools.exists():
            self.run(sys.executable, "-m", "venv", str(self._tools))
        place = self._tools / "bin" / name
        if not place.exists():
            self.run(str(self._tools / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", name)
        return str(place)

    def _environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAYFLY_", "VIRTUAL_ENV"))}
        return kept | {
            "HOME": str(self.home),
            "PATH": f"{self.home}/.local/bin:{os.environ['PATH']}",
            "PIPX_DEFAULT_PYTHON": sys.executable,
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            "XDG_CACHE_HOME": str(self.home / ".cache"),
        }


def with_pip(machine: Machine) -> None:
    """`pip install` of the sdist into an environment of its own."""
    place = machine.home / "venv"
    machine.run(sys.executable, "-m", "venv", str(place))
    machine.run(str(place / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", str(machine.dist / SDIST))
    _look(machine, str(place / "bin/mayfly"))
    for page in ("man1/mayfly.1", "man5/mayfly.toml.5"):
        if not (place / "share/man" / page).is_file():
            raise Failed(f"{page} is not there")


def with_pipx(machine: Machine) -> None:
    """`pipx install`, then `pipx run`."""
    pipx = machine.tool("pipx")
    machine.run(pipx, "install", str(machine.dist / WHEEL))
    _look(machine, str(machine.home / ".local/bin/mayfly"))
    machine.run(pipx, "run", "--spec", str(machine.dist / WHEEL), "mayflyd", "demo", "--once")


def with_uv(machine: Machine) -> None:
    """`uvx mayflyd demo`, where `install` is refused because the cache may be emptied; then `uv tool install`."""
    uv = machine.tool("uv")
    uvx = (uv, "tool", "run", "--from", str(machine.dist / WHEEL), "mayflyd")
    machine.run(*uvx, "demo", "--once")
    if "is in a cache" not in _failure(machine, *uvx, "install", "--dry-run"):
        raise Failed("uvx mayflyd install does not say that it is in a cache")
    # Only now: uvx takes an installed tool before it makes an environment in its cache.
    machine.run(uv, "tool", "install", str(machine.dist / WHEEL))
    _look(machine, str(machine.home / ".local/bin/mayfly"))


def _failure(machine: Machine, *line: str) -> str:
    """What a program says that must fail."""
    try:
        machine.run(*line)
    except Failed as reason:
        return str(reason)
    raise Failed(f"{' '.join(line)} did not fail")


def _look(machine: Machine, program: str) -> None:
    """What was installed answers, completes and plays the demo."""
    if f"mayfly {mayfly.__version__}\n" != (told := machine.run(program, "--version")):
        raise Failed(f"--version printed {told!r}")
    if "complete" not in machine.run(program, "completion", "bash"):
        raise Failed("the completion is missing")
    machine.run(program, "demo", "--once")


def main() -> int:
    """Run all; 1 if one failed."""
    failures = 0
    for way in (with_pip, with_pipx, with_uv):
        failures += not _is_well(way)
    return 1 if failures else 0


def _is_well(way: Callable[[Machine], None]) -> bool:
    with tempfile.TemporaryDirectory(prefix="mayfly-packages-") as folder:
        machine = Machine(Path(folder))
        name = way.__name__.removeprefix("with_")
        try:
            machine.run(sys.executable, "-m", "hatchling", "build", "-d", str(machine.dist), cwd=ROOT)
            way(machine)
        except (Failed, subprocess.TimeoutExpired) as reason:
            cannot_fetch = any(word in str(reason) for word in ("No matching distribution", "Could not find a version"))
            print(f"{name}: {'skipped' if cannot_fetch else 'failed'}: {reason}")
            return cannot_fetch
        print(f"{name}: installed, and runs")
        return True


sys.exit(main())
