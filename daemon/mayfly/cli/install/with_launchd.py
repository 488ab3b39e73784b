"""`install` and `uninstall` with launchd. We have not run this on a Mac: see docs/service.md."""

from __future__ import annotations

import os

from contextlib import suppress
from pathlib import Path
from shlex import quote

from mayfly.cli import speech
from mayfly.cli.install import leftovers
from mayfly.cli.install.unit_files import put
from mayfly.config import network
from mayfly.service import files, launchd, units
from mayfly.service.files import FileState
from mayfly.service.units import Values
from mayfly.shared import paths


COMMENT = "<!-- {} -->"


def install(values: Values, *, now: bool, dry_run: bool) -> None:
    """Write the agent's property list, and with `now` have launchd load and start it; raises Stop."""
    text = files.stamped(units.launchd(values), COMMENT)
    if dry_run:
        print(f"<!-- {launchd.agent()} -->\n{text}")
        return
    launchd.log_file().parent.mkdir(parents=True, exist_ok=True)
    # launchd creates the sockets, but not their folder.
    paths.make_runtime_dir()
    is_kept = files.file_state(launchd.agent(), text).is_kept
    is_changed = put(launchd.agent(), text)
    if not is_changed and not is_kept:
        speech.say("the agent is installed already: nothing is to be changed")
    if now:
        if is_changed and launchd.is_loaded():
            _must(launchd.bootout())
        if not launchd.is_loaded():
            _must(launchd.bootstrap())
        _must(launchd.kickstart())
        speech.say(f"serving on {values.listen[0]}:{values.listen[1]}")
    else:
        speech.say(f"the agent will listen on {values.listen[0]}:{values.listen[1]} from log-in on")
    _compare_environments()


def uninstall() -> list[Path] | None:
    """Unload the agent and remove it; the files that are kept, or None if there was no agent."""
    path = launchd.agent()
    state = files.file_state(path)
    if launchd.is_loaded():
        _must(launchd.bootout())
    if state is FileState.ABSENT:
        return None
    if state is FileState.FOREIGN:
        speech.warning(f"{path} is kept: it is not ours")
        return [path]
    path.unlink()
    speech.say(f"removed {path}")
    _remove_traces()
    return []


def _compare_environments() -> None:
    """Warn of variables that this shell has and launchd's services lack."""
    names = [name for name in network.TO_AWS if os.environ.get(name)]
    missing = [name for name in names if launchd.getenv(name) != os.environ[name]]
    if missing:
        speech.warning(f"the agent does not have this shell's {', '.join(missing)}")
        settings = "; ".join(f'launchctl setenv {name} "${name}"' for name in missing)
        speech.hint(f"until log-out: {settings}; launchctl kickstart -k {launchd.service()}")


def _remove_traces() -> None:
    """Remove the log, the tokens and the sockets, and their folders if nothing else is in them."""
    log, runtime_dir = launchd.log_file(), paths.runtime_dir()
    with suppress(OSError):
        log.unlink()
    leftovers.remove_folder(log.parent)
    leftovers.remove_runtime_files()
    if runtime_dir.parent.name == "mayfly":  # ~/Library/Application Support/mayfly
        with suppress(OSError):
            runtime_dir.parent.rmdir()


def _must(problem: str) -> None:
    if problem:
        lines = [f"launchctl: {line}" for line in problem.splitlines()]
        raise speech.Stop(speech.FAILED, *lines, hints=(f"plutil -lint {quote(str(launchd.agent()))}",))
