"""1Password's desktop app: whether it runs, and whether it is set to answer `op`.

The sockets are from users' reports (op's system calls, the app's log); the settings file is from public repositories.
On macOS both are in a folder that other programs are asked about, so it is left alone.
"""

from __future__ import annotations

import json
import os
import sys

from collections.abc import Iterator
from pathlib import Path

from mayfly.cli.doctor.check import Check, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.shared import pathnames
from mayfly.shared.files import Unreadable, read_plain_file


UNIX_SOCKETS = Path("/proc/net/unix")
SOCKET_NAMES = ("1Password-BrowserSupport.sock", "s.sock")
SETTING = "developers.cliSharedLockState.enabled"
MAX_BYTES = 1024 * 1024


def running(facts: Facts, *, is_known: bool) -> Check:
    """By the sockets on which the app listens. `is_known` False: `op` is a script, which may reach another app."""
    if sys.platform == "darwin":
        return not_known("op.app", "the sockets of the app are not looked for on macOS")
    if not is_known:
        return not_known("op.app", "op is a script, which runs another program")
    found = next(sockets(facts), "")
    if found:
        return ok("op.app", f"1Password's app listens ({found})")
    return warning("op.app", "1Password's app does not seem to run: it listens nowhere", "1password --silent &")


def integration(facts: Facts) -> Check:
    """By the app's settings."""
    if sys.platform == "darwin":
        return not_known("op.integration", "the app's settings are not looked at on macOS")
    path = _config_home(facts) / "1Password/settings/settings.json"
    try:
        tree = json.loads(read_plain_file(path, MAX_BYTES))
    except (OSError, Unreadable, ValueError, RecursionError):
        return not_known("op.integration", "the app's settings cannot be read here")
    if isinstance(tree, dict) and tree.get(SETTING) is True:
        return ok("op.integration", "the app answers op")
    menu = "1Password > Settings > Developer > Integrate with 1Password CLI"
    return warning("op.integration", f"the app does not answer op: turn on {menu}", "1password &")


def sockets(facts: Facts) -> Iterator[str]:
    """The names of the app's sockets of this user, as far as this network namespace has them (unix(7))."""
    folder = facts.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    ours = {f"{folder}/{name}": name for name in SOCKET_NAMES}
    try:
        lines = os.fsdecode(UNIX_SOCKETS.read_bytes()).splitlines()
    except OSError:
        return
    for line in lines:
        name = line.split(None, 7)[7:][:1]
        if name and name[0] in ours:
            yield ours[name[0]]
        elif name and name[0].startswith((f"@/tmp/1Password-{os.getuid()}/", "@1PASSWORD_SDK")):
            yield name[0]


def _config_home(facts: Facts) -> Path:
    base = facts.environ.get("XDG_CONFIG_HOME", "")
    return Path(base) if base.startswith("/") else Path(pathnames.home()) / ".config"
