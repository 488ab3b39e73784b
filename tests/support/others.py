"""Another user of this machine, played by root: who it is, and a Python that it can run."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys

from pathlib import Path

import attrs
import pytest

import mayfly


ME = 4242
OTHER = 4243
AS_ME = ("setpriv", f"--reuid={ME}", f"--regid={ME}", "--clear-groups", "--")

by_root = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")),
    reason="other users are played by root only, with util-linux",
)

# The package and what it needs, for an interpreter that has neither.
PACKAGE = {
    "PYTHONPATH": os.pathsep.join(str(Path(module.__file__ or "").parents[1]) for module in (mayfly, attrs)),
    "PATH": "/usr/bin:/bin",
}


@functools.cache
def python() -> str:
    """An interpreter that ME can run; the tests' own may be in root's home."""
    wanted = sys.version_info[:2]
    works = f'exec "$0" -c "import sys; sys.exit(sys.version_info[:2] != {wanted})"'
    for candidate in (sys.executable, shutil.which(f"python{wanted[0]}.{wanted[1]}", path="/usr/bin:/usr/local/bin")):
        tried = [*AS_ME, "sh", "-c", works, candidate or "false"]
        if subprocess.run(tried, capture_output=True, check=False).returncode == 0:
            return str(candidate)
    pytest.skip("no interpreter that another user may run")
