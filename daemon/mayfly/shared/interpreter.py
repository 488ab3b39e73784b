"""The flags that start this interpreter again, for a process of ours: as isolated as its installation allows."""

from __future__ import annotations

import site
import sys

from pathlib import Path

from mayfly.shared import pathnames


def isolation_flags() -> tuple[str, ...]:
    """The flags for `python -m mayfly…`: `-I`, or, if mayfly is installed by `pip install --user`, what it consists of
    except `-s`.

    `-I` is `-E` (no PYTHON* variables), `-P` (not the current folder) and `-s` (not the user's site-packages).
    """
    return ("-E", "-P") if _needs_user_site() else ("-I",)


def link_user_site(home: Path) -> None:
    """Let an interpreter whose HOME is `home`, an empty folder of ours, find an installation by `pip install --user`.

    A link, because `-E` ignores PYTHONUSERBASE. Does nothing for another installation, or one beside our own HOME.
    """
    if not _needs_user_site():
        return
    folder = Path(site.getusersitepackages())
    if folder.is_relative_to(Path(pathnames.home())):
        link = home / folder.relative_to(Path(pathnames.home()))
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link.symlink_to(folder)


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
