"""The folder of the tokens and the sockets, as texts; `paths` has them as `Path`.

Standard library only, without pathlib, because every command starts here. Importing this file creates and reads
nothing.
"""

from __future__ import annotations

import os
import stat
import sys

from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.pathnames import expanded, normal
from mayfly.shared.trust import check_private, others_can_add, trust_problems
from mayfly.shared.users import could_be_anyone, daemon_uid, user_name


# sun_path of sockaddr_un without the last zero byte (unix(7); macOS: sys/un.h).
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107
# For an OSError without errno: Python's for a Unix socket's path of more bytes.
SOCKET_PATH_TOO_LONG = "its name is too long: set MAYFLY_RUNTIME_DIR to a folder with a shorter one"


def runtime_dir() -> str:
    """The folder of the tokens and the sockets; it may not exist yet."""
    named = os.environ.get("MAYFLY_RUNTIME_DIR")
    if named:
        return expanded(named)
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    if session.startswith("/"):
        return normal(f"{session}/mayfly")
    # cron and su set no XDG_RUNTIME_DIR, and must find the tokens of the log-in session.
    usual = f"/run/user/{os.getuid()}"
    if os.path.isdir(usual) and os.stat(usual).st_uid == os.getuid():
        return f"{usual}/mayfly"
    if sys.platform == "darwin":
        return expanded("~/Library/Application Support/mayfly/run")
    return expanded("~/.local/state/mayfly/run")


def make_runtime_dir() -> str:
    """The runtime folder, made 0700 where it is missing; raises ConfigInvalid where it is not this user's alone."""
    folder = runtime_dir()
    try:
        _make(folder)
        facts = os.lstat(folder)
    except OSError as reason:
        hint = "choose another folder: export MAYFLY_RUNTIME_DIR=/a/folder, also where the daemon starts"
        raise ConfigInvalid(f"{folder}: cannot be made: {reason.strerror}", hint=hint) from None
    if stat.S_ISDIR(facts.st_mode) and facts.st_uid != daemon_uid() and not could_be_anyone(facts.st_uid):
        # The folder may be /tmp, so the advice is neither to remove it nor to chown it.
        owner = user_name(facts.st_uid)
        raise ConfigInvalid(f"{folder} belongs to {owner}: choose another folder for MAYFLY_RUNTIME_DIR")
    _check_way(folder)
    return check_private(folder, 0o700)


def _make(folder: str) -> None:
    if os.path.islink(folder) or _is_there(folder):
        return
    # Another user could replace a folder that is made in their folder. In a sticky folder they could only make it
    # first, which the check of the folder finds.
    _check_way(folder, missing_counts=False)
    missing = [folder]
    while not _is_there(parent := os.path.dirname(missing[-1])):
        missing.append(parent)
    for place in reversed(missing):
        # 0700 also for the parents: the XDG base directory specification asks for it.
        make_dir(place)


def _is_there(path: str) -> bool:
    """Raises OSError if nobody can tell."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def make_dir(path: str) -> None:
    """Make the folder, 0700, unless it is there; raises OSError."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def _check_way(path: str, *, missing_counts: bool = True) -> None:
    """Raise ConfigInvalid where another user could put something else at `path`."""
    if problems := trust_problems(path, missing_counts=missing_counts):
        raise ConfigInvalid(*problems)


def control_socket() -> str:
    """Where the daemon listens for its own user's commands."""
    return f"{runtime_dir()}/control.sock"


def trusted_control_socket() -> str:
    """The same path, where no other user can put a socket of theirs today; raises ConfigInvalid.

    In a sticky folder another user may make a missing runtime folder first. So check who is at the other end.
    """
    _check_way(runtime_dir(), missing_counts=False)
    return control_socket()


def lasting_control_socket() -> str:
    """The same path, for programs that do not ask who is at the other end; raises ConfigInvalid.

    They may come later, so no other user may be able to make the runtime folder first.
    """
    folder = runtime_dir()
    _check_way(folder, missing_counts=False)
    if problems := trust_problems(folder):
        raise ConfigInvalid(*(f"{line}: start the daemon first, which makes it: mayfly serve" for line in problems))
    if others_can_add(folder):
        raise ConfigInvalid(f"{folder} is writable by others: choose another folder for MAYFLY_RUNTIME_DIR")
    return control_socket()


def exchange_socket() -> str:
    """Where systemd starts an exchange for each connection."""
    return f"{runtime_dir()}/exchange.sock"


def desk_socket() -> str:
    """Where the desk answers, if it is a service of its own."""
    return f"{runtime_dir()}/desk.sock"
