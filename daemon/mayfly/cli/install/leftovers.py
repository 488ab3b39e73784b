"""The files that `uninstall` leaves: sections in ~/.aws/config, tokens, the config. `--purge` removes them, too.

Laws: only files that Mayfly names are removed, and no link is followed; a folder goes if nothing else is in it.
"""

from __future__ import annotations

import os

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mayfly.cli import client, speech
from mayfly.cli.aws_config import aws_paths, sections
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import Unreadable
from mayfly.shared.grant_folder import GRANTS
from mayfly.shared.users import user_name


# Files and folders of files in the runtime folder, of this version and earlier ones.
RUNTIME_FILES = ("control.sock", "exchange.sock", "desk.sock", "op.lock", "op.prompt", "grants.json")
RUNTIME_FOLDERS = ("tokens", "prompt")

# A daemon that runs answers at once.
ANSWER_SECONDS = 5


class Leftovers(NamedTuple):
    """The profiles in ~/.aws/config, the files of the config, and the runtime folder if there is one."""

    aws_config: Path
    profiles: list[str]
    configs: list[Path]
    runtime_dir: Path | None

    def __bool__(self) -> bool:
        return bool(self.profiles or self.configs or self.runtime_dir)


def found() -> Leftovers:
    """The leftovers on this machine now."""
    aws_config = Path(aws_paths.config_file(os.environ))
    try:
        text = aws_paths.read(aws_config).decode(errors="surrogateescape")
    except (OSError, Unreadable):
        text = ""
    configs = [path for name in paths.CONFIG_NAMES if os.path.lexists(path := paths.config_dir() / name)]
    folder = paths.runtime_dir()
    return Leftovers(aws_config, list(sections.written(text).profiles), configs, folder if folder.is_dir() else None)


def check_owner(left: Leftovers) -> None:
    """Raise Stop if something of it is another user's, as root finds it with a variable of the user who called sudo."""
    places = (left.runtime_dir, *left.configs, left.aws_config if left.profiles else None)
    for place in filter(None, places):
        uid = place.lstat().st_uid
        if uid not in {os.geteuid(), 0}:
            raise speech.Stop(
                speech.FAILED,
                f"{place} belongs to {user_name(uid)}: nothing was removed",
                hints=(f"run it as {user_name(uid)}, without sudo: mayfly uninstall --purge",),
            )


def tell(left: Leftovers) -> None:
    """Tell what stays, and the commands that remove it."""
    is_served = _is_daemon_running()
    if is_served:
        speech.say("a daemon still runs, which is no service: Ctrl-C in its terminal ends it")
    if left.profiles:
        end = "" if is_served else ", which find no daemon now"
        speech.say(f"{left.aws_config} still has {', '.join(left.profiles)}{end}")
    for path in left.configs:
        speech.say(f"your config stays: {path}")
    if left.runtime_dir:
        end = "" if is_served else ", which open nothing without a daemon"
        speech.say(f"tokens stay{end}: {left.runtime_dir}")
    if left.profiles:
        speech.hint("only the profiles: mayfly aws-config --remove")
    if left:
        speech.hint("all of it: mayfly uninstall --purge")


def purge(left: Leftovers) -> int:
    """Remove it, and say so; raises Stop, and removes nothing, while a daemon runs. The exit code."""
    _check_no_daemon()
    code = speech.DONE
    if left.profiles:
        from mayfly.cli.aws_config import aws_config

        try:
            code = aws_config.remove()
        except speech.Stop as problem:
            code = speech.report(problem)
    if left.runtime_dir:
        remove_runtime_files()
    for path in left.configs:
        path.unlink()
        speech.say(f"removed {path}")
    if left.configs:
        remove_folder(paths.config_dir())
    if named := os.environ.get("MAYFLY_CONFIG"):
        speech.warning(f"{named} is kept: MAYFLY_CONFIG names it, and it may be part of something else")
    return code


def remove_runtime_files() -> None:
    """Remove tokens, sockets and what grants have left, and their folder if nothing else is in it."""
    folder = paths.runtime_dir()
    _remove_grants(folder)
    made = [folder / name for name in RUNTIME_FILES]
    inner = [folder / name for name in RUNTIME_FOLDERS if not (folder / name).is_symlink()]
    for each in inner:
        if each.is_dir():
            made += each.iterdir()
    for path in made:
        with suppress(OSError):  # the file is missing, or is a folder: then its own folder stays
            path.unlink()
    for each in inner:
        with suppress(OSError):
            each.rmdir()
    remove_folder(folder)


def _remove_grants(runtime_dir: Path) -> None:
    from mayfly.daemon.delivery import folder as folders

    with suppress(OSError):
        for grant_id in folders.left(str(runtime_dir)):
            with suppress(OSError):  # something else is in it: then it stays
                folders.remove(str(runtime_dir), grant_id)
        (runtime_dir / GRANTS).rmdir()


def remove_folder(folder: Path) -> None:
    """Remove a folder if it is empty, and say what became of it."""
    if not folder.exists():
        return
    try:
        folder.rmdir()
        speech.say(f"removed {folder}")
    except OSError:
        speech.warning(f"{folder} is kept: it has files that are not ours")


def _check_no_daemon() -> None:
    if _is_daemon_running():
        raise speech.Stop(
            speech.FAILED,
            "a daemon still runs, and would lose its tokens: nothing more is removed",
            hints=("end it (Ctrl-C in its terminal), then: mayfly uninstall --purge",),
        )


def _is_daemon_running() -> bool:
    """True if a daemon of this user answers, with any status."""
    with suppress(client.NotRunning, client.Distrusted, ConfigInvalid):
        client.ask("GET", "/status", answer_seconds=ANSWER_SECONDS)
        return True
    return False
