"""The places: config, runtime folder, tokens, sockets, and whether they can be trusted.

stdlib only: every command starts here. Nothing is made on import, and nothing is read but modes and owners.
"""

from __future__ import annotations

import os
import stat
import sys

from collections.abc import Iterator
from pathlib import Path

from mayfly.shared.errors import ConfigInvalid


PORT_BASE = 9170
MACOS_ADMIN_GID = 80
MAX_HOST = 32
CONFIG_NAMES = ("config.toml", "config.json")


def config_file(given: str | None = None) -> Path:
    """The config in force: given, `$MAYFLY_CONFIG`, or the first that exists in the usual folder.

    Raises ConfigInvalid where there is none.
    """
    named = given or os.environ.get("MAYFLY_CONFIG")
    if named:
        return _expanded(named)
    folder = config_dir()
    for name in CONFIG_NAMES:
        if os.path.exists(folder / name):  # noqa: PTH110 - Path's own raises where the folder may not be entered
            return folder / name
    raise ConfigInvalid(
        f"{folder}/config.toml: no config yet (config.json neither): see the README's 'with your own account', "
        "or try 'mayfly demo'"
    )


def _expanded(named: str) -> Path:
    try:
        return Path(named).expanduser().absolute()
    except RuntimeError:
        raise ConfigInvalid(f"{named}: there is no such user's home") from None


def config_dir() -> Path:
    """`$XDG_CONFIG_HOME/mayfly`, by default `~/.config/mayfly`, on macOS too."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "mayfly"


def runtime_dir() -> Path:
    """The folder of the tokens and the sockets; it may not exist yet."""
    named = os.environ.get("MAYFLY_RUNTIME_DIR")
    if named:
        return _expanded(named)
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    if session.startswith("/"):
        return Path(session) / "mayfly"
    # cron and su start without XDG_RUNTIME_DIR, and must find the tokens of the log-in all the same.
    usual = Path(f"/run/user/{os.getuid()}")
    if usual.is_dir() and usual.stat().st_uid == os.getuid():
        return usual / "mayfly"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/mayfly/run"
    return Path.home() / ".local/state/mayfly/run"


def make_runtime_dir() -> Path:
    """The runtime folder, made 0700 where it is missing; raises ConfigInvalid where it is not ours alone."""
    folder = runtime_dir()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as reason:
        raise ConfigInvalid(f"{folder}: cannot be made: {reason.strerror}") from None
    facts = folder.lstat()
    if stat.S_ISDIR(facts.st_mode) and facts.st_uid != os.getuid():
        # To remove it would be as wrong as to use it: it may be /tmp.
        owner = user_name(facts.st_uid)
        raise ConfigInvalid(f"{folder} belongs to {owner}: choose another folder for MAYFLY_RUNTIME_DIR")
    return check_private(folder, 0o700)


def check_private(path: Path, mode: int) -> Path:
    """`path`, if it is a real file or folder of ours that nobody else may enter; else ConfigInvalid."""
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        raise ConfigInvalid(f"{path} is a symbolic link: remove it")
    if facts.st_uid != os.getuid():
        raise ConfigInvalid(f"{path} belongs to {user_name(facts.st_uid)}: remove it")
    if facts.st_mode & 0o077:
        raise ConfigInvalid(f"{path} is open to others: chmod {mode:o} {_quoted(path)}")
    return path


def trust_problems(path: Path) -> list[str]:
    """Why another user could change what stands at `path`; empty if none can.

    The file, what it links to, and every folder and link on the way must belong to this user or root and be writable by
    nobody else; a sticky folder (/tmp) is fine, because there only the owner of an entry can replace it. So is what
    macOS's administrators may write, as Homebrew's folders: they may do anything as root.
    """
    problems = []
    owners = {0, os.getuid(), *_roots_other_names()}
    for place, facts in _way_to(path.absolute()):
        if facts.st_uid not in owners:
            problems.append(f"{place} belongs to {user_name(facts.st_uid)}: chown it, or move the file")
        sticky = stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX
        loose = 0o002 if sys.platform == "darwin" and facts.st_gid == MACOS_ADMIN_GID else 0o022
        # A link's own mode says nothing.
        if facts.st_mode & loose and not sticky and not stat.S_ISLNK(facts.st_mode):
            problems.append(f"{place} is writable by others: chmod go-w {_quoted(place)}")
    return list(dict.fromkeys(problems))


# user_namespaces(7): whoever has no number of his own inside shows as this one.
OVERFLOW_UID = 65534


def _roots_other_names(uid_map: Path = Path("/proc/self/uid_map")) -> set[int]:
    """What root's files seem to belong to in a user namespace without a root, as that of the sealed daemon.

    There others' files look the same; so the exchange, which is outside, looks again before it does anything.
    """
    try:
        ranges = [[int(word) for word in line.split()] for line in uid_map.read_text().splitlines()]
    except OSError:
        return set()
    return set() if any(inside == 0 for inside, _, _ in ranges) else {OVERFLOW_UID}


# As many as Linux follows (path_resolution(7)).
LINKS_MAX = 40


def _way_to(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Whatever decides where `path` leads, from the root on, as far as it can be seen."""
    at, ahead, links = Path(path.anchor), list(reversed(path.parts)), 0
    while ahead and links <= LINKS_MAX:
        name = ahead.pop()
        at = at.parent if name == ".." else at / name
        try:
            facts = at.lstat()
        except OSError:
            return
        yield at, facts
        if stat.S_ISLNK(facts.st_mode):
            links += 1
            ahead += reversed(at.readlink().parts)
            at = at.parent


def _quoted(path: Path) -> str:
    """A path that can be pasted."""
    from shlex import quote

    return quote(str(path))


def user_name(uid: int) -> str:
    """The user's name, or the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def control_socket() -> Path:
    """Where the daemon listens for its own user's commands."""
    return runtime_dir() / "control.sock"


def exchange_socket() -> Path:
    """Where systemd starts an exchange for whoever connects."""
    return runtime_dir() / "exchange.sock"


def desk_socket() -> Path:
    """Where the desk answers, if it is a service of its own."""
    return runtime_dir() / "desk.sock"


def default_address() -> tuple[str, int]:
    """A port per user, so that two users of a machine do not collide."""
    return "127.0.0.1", PORT_BASE + os.getuid() % 1000


def parse_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:PORT` as a pair; raises ValueError for any other host or a port out of range.

    It repeats only what has the look of an address: anything else might be a secret in the wrong place.
    """
    host, _, port = text.rpartition(":")
    if not (host and len(host) <= MAX_HOST and port.isascii() and port.isdigit() and len(port) <= 6):
        raise ValueError("must be 127.0.0.1:PORT: mayfly listens nowhere else")
    if host != "127.0.0.1":
        raise ValueError(f"{text!r} is not on 127.0.0.1: mayfly listens nowhere else")
    if int(port) > 65535:
        raise ValueError(f"{text!r} has no port between 0 and 65535")
    return host, int(port)


def listen_address(given: str | None, configured: str | None) -> tuple[str, int]:
    """The address in force: given, `$MAYFLY_LISTEN`, configured, or this user's own port."""
    named = given if given is not None else os.environ.get("MAYFLY_LISTEN") or configured
    return default_address() if named is None else parse_address(named)
