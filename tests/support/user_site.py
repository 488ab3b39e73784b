"""An installation by `pip install --user`: mayfly in the user's site-packages, and an interpreter that sees them."""

from __future__ import annotations

import subprocess
import sys

from pathlib import Path

import mayfly


def base_python() -> str:
    """The interpreter outside of any virtual environment, which has a user's site-packages."""
    return str(getattr(sys, "_base_executable", sys.executable))


def install_for_user(home: Path, *, editable: bool) -> None:
    """Put mayfly and all that it needs into the user's site-packages, as `pip install --user` does."""
    asked = "import site; print(site.getusersitepackages())"
    told = subprocess.run([base_python(), "-c", asked], env={"HOME": str(home)}, capture_output=True, check=True)
    folder = Path(told.stdout.decode().strip())
    folder.mkdir(parents=True)
    package = Path(mayfly.__file__).parent
    for path in sys.path:
        for entry in Path(path).glob("*") if path.endswith("site-packages") else ():
            if entry.suffix != ".pth" and entry.name != package.name:
                (folder / entry.name).symlink_to(entry)
    if editable:
        (folder / "mayfly.pth").write_text(f"{package.parent}\n")
    else:
        (folder / "mayfly").symlink_to(package)
