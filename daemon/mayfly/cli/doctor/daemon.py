"""The daemon as it reports on itself: running, of this version, with this config; and each profile's last error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from mayfly import __version__
from mayfly.cli import daemon_calls, speech
from mayfly.cli.doctor import service
from mayfly.cli.doctor.check import FAILURE, WARNING, Check, command_in, failure, of_advice, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.cli.durations import format_duration


def checks(facts: Facts) -> Iterator[Check]:
    """Without a daemon the first check is the only one."""
    if facts.status is None:
        yield _down(facts)
        return
    yield ok("daemon.running", f"mayfly {facts.text('version')}, pid {facts.status.get('pid')}")
    yield _version(facts)
    yield _config(facts)
    yield from _notes(facts)
    for row in facts.profiles:
        yield _profile(row)


def _down(facts: Facts) -> Check:
    if facts.daemon_advice:
        return of_advice("daemon.running", facts.daemon_problem, facts.daemon_advice)
    if facts.config_file is None:
        return failure("daemon.running", f"{facts.daemon_problem}: it needs a config first")
    return failure("daemon.running", facts.daemon_problem, service.start_command())


def _version(facts: Facts) -> Check:
    running = facts.text("version")
    if running == __version__:
        return ok("daemon.version", f"the same as this command's ({__version__})")
    hint = "systemctl --user restart mayfly.service" if facts.text("service") == "systemd" else ""
    return failure("daemon.version", f"mayfly {running} runs, and this command is {__version__}: start it anew", hint)


def _config(facts: Facts) -> Check:
    try:
        theirs = daemon_calls.config_path(facts.status or {})
    except (speech.Stop, KeyError, AttributeError):
        return warning("daemon.config", "the daemon does not say which config it has")
    if facts.config_file is None or not facts.config_file.exists() or _is_same(theirs, facts.config_file):
        return ok("daemon.config", str(theirs))
    hint = facts.in_shell({"MAYFLY_CONFIG": str(theirs)})
    return warning("daemon.config", f"the daemon has {theirs}, this shell {facts.config_file}", hint)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one == other or one.samefile(other)
    except OSError:
        return False


def _notes(facts: Facts) -> Iterator[Check]:
    if notes := facts.lines("notes"):
        hint = next(filter(None, map(_command, notes)), "")
        yield warning("daemon.notes", "\n".join(notes), hint)
    else:
        yield ok("daemon.notes", "the daemon has nothing to say")
    if detours := facts.lines("detours"):
        yield ok("daemon.detours", "\n".join(detours))


def _command(note: str) -> str:
    """The command in a note, in quotes or behind its last mark."""
    return command_in(note) or command_in(note.rpartition("; ")[2]) or command_in(note.rpartition(": ")[2])


def _profile(row: Mapping[str, Any]) -> Check:
    name = f"session.{row['profile']}"
    error, left = row.get("last_error"), row.get("expires_in_seconds")
    seconds = left if isinstance(left, int | float) else 0
    if isinstance(error, dict):
        message = f"{error.get('message')} ({error.get('code')})"
        state = WARNING if seconds > 0 else FAILURE
        return of_advice(
            name, message, str(error.get("hint") or f"'mayfly login {quote(str(row['profile']))}'"), state=state
        )
    if seconds > 0:
        return ok(name, f"credentials for another {format_duration(seconds)}")
    return ok(name, "no credentials yet: the first request gets them")
