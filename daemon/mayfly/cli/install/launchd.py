"""How `install` and `uninstall` go about launchd's agent. Not run on a Mac by us: see docs/service.md."""

from __future__ import annotations

from pathlib import Path

from mayfly.cli import speech
from mayfly.cli.install.systemd import put
from mayfly.service import files, launchd, units
from mayfly.service.files import FileState
from mayfly.service.units import Values
from mayfly.shared import paths


COMMENT = "<!-- {} -->"


def install(values: Values, *, now: bool, dry_run: bool) -> None:
    """Put the agent there, and with `now` have launchd take it over; raises Stop."""
    text = files.stamped(units.launchd(values), COMMENT)
    if dry_run:
        print(f"<!-- {launchd.agent()} -->\n{text}")
        return
    launchd.log_file().parent.mkdir(parents=True, exist_ok=True)
    # launchd makes sockets, and no folders for them.
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


def uninstall() -> list[Path] | None:
    """Have launchd forget the agent, and take it away; what is kept, or None where there was none."""
    path = launchd.agent()
    standing = files.file_state(path)
    if launchd.is_loaded():
        _must(launchd.bootout())
    if standing is FileState.ABSENT:
        return None
    if standing is FileState.FOREIGN:
        speech.warning(f"{path} is kept: it is not ours")
        return [path]
    path.unlink()
    speech.say(f"removed {path}")
    return []


def _must(problem: str) -> None:
    if problem:
        raise speech.Stop(speech.FAILED, f"launchctl: {problem}", hints=(f"plutil -lint '{launchd.agent()}'",))
