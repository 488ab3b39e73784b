"""The flags that start this interpreter again, for a process of ours: as isolated as its installation allows."""

from __future__ import annotations

import site
import sys

from pathlib import Path


def isolation_flags() -> tuple[str, ...]:
    """The flags for `python -m mayfly…`: `-I`, or, if mayfly is installed by `pip install --user`, what it consists of
    except `-s`.

    `-I` is `-E` (no PYTHON* variables), `-P` (not the current folder) and `-s` (not the user's site-packages).
    """
    return ("-E", "-P") if _needs_user_site() else ("-I",)


def _needs_user_site() -> bool:
    """True if mayfly, or anything that it has imported, comes from the user's site-packages."""
    if not site.ENABLE_USER_SITE:
        return False
    folder = Path(site.getusersitepackages())
    files = [module.__file__ for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
    return any(Path(file).is_relative_to(folder) for file in files if file) or _is_linked_from(folder)


def _is_linked_from(folder: Path) -> bool:
    """True if a .pth file there names the folder of mayfly, as `pip install --user --editable` does."""
    ours = str(Path(__file__).parents[2])
    try:
        return any(ours in link.read_text(errors="replace").splitlines() for link in folder.glob("*.pth"))
    except OSError:
        return False
