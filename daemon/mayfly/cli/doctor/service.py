"""The service: installed, running, of this version, its units as they should be, and sealed as far as it can be."""

from __future__ import annotations

import re
import sys

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from mayfly import __version__
from mayfly.cli import speech
from mayfly.cli.doctor.check import Check, failure, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.service import files, launchd, systemd, units
from mayfly.service.files import FileState
from mayfly.shared.errors import MayflyError


NO_SERVICE = "mayfly is no service here: it ends with its terminal"
RESTART = "systemctl --user restart mayfly.service"


def checks(facts: Facts) -> Iterator[Check]:
    """By the service manager of this platform."""
    if sys.platform == "darwin":
        yield _agent(facts)
    elif not systemd.is_here():
        yield ok("service.installed", "there is neither systemd nor launchd here: start 'mayfly serve' yourself")
    else:
        yield from _of_systemd(facts)


def start_command() -> str:
    """The command that starts the daemon here."""
    if sys.platform == "darwin":
        return "mayfly install --now"
    with suppress(systemd.Refused):
        if systemd.is_here():
            systemd.check_manager()
            version = files.version_of(systemd.folder() / systemd.SERVICE)
            if version != __version__:
                return "mayfly install --now"
            return RESTART if systemd.is_active(systemd.SERVICE) else f"systemctl --user start {_started()}"
    return "mayfly serve"


def _started() -> str:
    return f"{systemd.SOCKETS[0]} {systemd.SERVICE}"


def holds_port() -> bool:
    """True if systemd's or launchd's socket of ours is open, which holds the port also without a daemon."""
    with suppress(systemd.Refused):
        return sys.platform == "darwin" or (systemd.is_here() and systemd.is_active(systemd.SOCKETS[0]))
    return False


def _agent(facts: Facts) -> Check:
    path = launchd.agent()
    if not path.exists():
        return warning("service.installed", NO_SERVICE, "mayfly install --now")
    if not launchd.is_loaded():
        return failure("service.running", f"launchd has not loaded {path}", "mayfly install --now")
    if facts.config and not _is_current(path, _launchd_text(facts)):
        return warning("service.units", f"{path} is not what this version would write", "mayfly install --now")
    return ok("service.installed", str(path))


def _launchd_text(facts: Facts) -> str:
    from mayfly.cli.install import install

    return files.stamped(units.launchd(install.values_in_force(facts.given_config, warns=False)), "<!-- {} -->")


def _is_current(path: Path, text: str) -> bool:
    return files.file_state(path, text) in {FileState.CURRENT, FileState.SAME_SETTINGS}


def _of_systemd(facts: Facts) -> Iterator[Check]:
    unit = systemd.folder() / systemd.SERVICE
    is_absent, problem = files.file_state(unit) is FileState.ABSENT, _manager_problem()
    if is_absent and problem:
        yield ok("service.installed", "systemd's user manager does not run here: start 'mayfly serve' yourself")
    elif is_absent:
        yield warning("service.installed", NO_SERVICE, "mayfly install --now")
    else:
        version = files.version_of(unit)
        yield ok("service.installed", f"by mayfly {version}" if version else f"{unit} is not ours")
        if problem:
            yield failure("service.running", f"systemd's user manager does not answer: {problem}")
            return
        yield from (_running(facts), _units(facts), _seal(), _environment(facts))


def _manager_problem() -> str:
    try:
        systemd.check_manager()
    except systemd.Refused as reason:
        return str(reason)
    return ""


def _running(facts: Facts) -> Check:
    closed = [name for name in systemd.SOCKETS if not systemd.is_active(name)]
    if closed:
        hint = f"systemctl --user start {' '.join(closed)}"
        return failure("service.running", f"{', '.join(closed)}: not open, so no request starts the daemon", hint)
    if facts.status is not None and facts.text("service") != "systemd":
        pid = facts.status.get("pid")
        return warning("service.running", f"the daemon that answers was started by hand (pid {pid}), not by systemd")
    if not systemd.is_active(systemd.SERVICE):
        return ok("service.running", "the sockets are open: the first request starts the daemon")
    text = systemd.status_text()
    if facts.status is None:
        return failure(
            "service.running", f"the service runs, and does not serve: {text or 'it does not say why'}", RESTART
        )
    return ok("service.running", text or "it runs")


def _units(facts: Facts) -> Check:
    """Each unit against what this version would write for the config in force."""
    try:
        wanted = _wanted(facts)
    except (MayflyError, speech.Stop) as reason:
        return not_known("service.units", str(reason))
    states = {path: files.file_state(path, files.stamped(text)) for path, text in wanted.items()}
    kept = [path for path, state in states.items() if state.is_kept]
    stale = [path for path, state in states.items() if state in {FileState.OUTDATED, FileState.ABSENT}]
    if stale:
        names = ", ".join(path.name for path in stale)
        return warning("service.units", f"not as this version would write them: {names}", "mayfly install --now")
    if kept:
        names = ", ".join(path.name for path in kept)
        hint = f"rm {' '.join(quote(str(path)) for path in kept)} && mayfly install --now"
        return warning("service.units", f"edited by hand, or not ours, so no upgrade reaches them: {names}", hint)
    return ok("service.units", f"as mayfly {__version__} writes them")


def _wanted(facts: Facts) -> dict[Path, str]:
    from mayfly.cli.install import install

    values = install.values_in_force(facts.given_config, warns=False)
    return {systemd.folder() / name: text for name, text in units.systemd(values).items()}


def _seal() -> Check:
    text = files.body_of(systemd.drop_in())
    left_out = re.findall(r"^(\w+)=", text, re.MULTILINE)
    if left_out:
        what = f"this machine cannot seal the daemon off as it should; left out: {', '.join(left_out)}"
        return warning("service.seal", what)
    return ok("service.seal", "the daemon is sealed off")


def _environment(facts: Facts) -> Check:
    """Variables of the way to AWS that this shell has and the manager's services lack."""
    from mayfly.cli.install.with_systemd import missing_variables

    missing = missing_variables(facts.environ)
    if missing:
        hint = f"systemctl --user import-environment {' '.join(missing)}"
        return warning("service.environment", f"the service does not have this shell's {', '.join(missing)}", hint)
    return ok("service.environment", "the service has the settings of this shell that lead to AWS")
