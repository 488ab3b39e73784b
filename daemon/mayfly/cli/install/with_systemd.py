"""`install` and `uninstall` with systemd."""

from __future__ import annotations

import json
import os
import shutil

from collections.abc import Mapping
from pathlib import Path

from mayfly.cli import client, speech
from mayfly.cli.install import unit_files
from mayfly.config import network
from mayfly.service import files, sandbox, systemd, units
from mayfly.service.files import FileState
from mayfly.service.units import Values
from mayfly.shared import paths
from mayfly.shared.errors import MayflyError
from mayfly.shared.interpreter import isolation_flags


# Variables that a shell may have and the manager's services lack.
PASSED_ON = network.TO_AWS


def install(values: Values, *, now: bool, dry_run: bool) -> None:
    """Write the units, enable their sockets for log-in, and with `now` start them; raises systemd.Refused, Stop.

    If something stands in the way, nothing has been written. Without `now`, a running service is left alone.
    """
    texts = units.systemd(values)
    wanted = {systemd.folder() / name: files.stamped(text) for name, text in texts.items()}
    if dry_run:
        unit_files.show(wanted)
        print(f"# then: systemctl --user enable {' '.join(systemd.SOCKETS)}")
        if not paths.runtime_dir().exists():
            print(f"# and a folder for tokens and sockets: {paths.runtime_dir()}")
        return
    systemd.check_manager()
    listen = f"{values.listen[0]}:{values.listen[1]}"
    open_before = systemd.listens() if systemd.is_active(systemd.SOCKETS[0]) else None
    is_open = _is_open(values.listen, open_before, now=now)
    wanted[systemd.drop_in()] = _drop_in(texts[systemd.SERVICE], values)
    states = [files.file_state(path, text) for path, text in wanted.items()]
    is_kept = any(state.is_kept for state in states)
    changed = [path for path, text in wanted.items() if unit_files.put(path, text)]
    # systemd must read units that were edited by hand, too.
    if changed or FileState.SAME_SETTINGS in states or (now and is_kept):
        systemd.reload()
    fresh = systemd.enable()
    if not changed and not fresh and not is_kept:
        speech.say("the service is installed already: nothing is to be changed")
    elif fresh:
        speech.say(f"the service will listen on {listen} from log-in on")
    if now:
        # Units that are read under an open socket make systemd close what they no longer name, and open nothing.
        is_open = is_open and open_before == systemd.listens()
        _start(changed, is_open=is_open, listen=listen, is_configured=values.is_configured)
    elif changed and systemd.is_active(systemd.SERVICE):
        speech.hint("the running service has the old units until: mayfly install --now")
    _compare_environments()


def uninstall() -> list[Path] | None:
    """Close the sockets, end the services, remove the units; the files that are kept, or None if there were none."""
    mine = [systemd.folder() / name for name in units.SYSTEMD]
    extras = [systemd.drop_in(), systemd.environment_file()]
    there = [path for path in (*mine, *extras) if files.file_state(path) is not FileState.ABSENT]
    try:
        loaded = systemd.loaded()
    except systemd.Refused:
        if there:
            raise
        return None
    if not (there or loaded or systemd.dangling()):
        return None
    systemd.stop(loaded)
    systemd.disable([path.name for path in there if path.name in systemd.SOCKETS])
    for path in there:
        unit_files.remove(path)
    # These links enabled a unit whose file was removed earlier.
    for link in systemd.dangling():
        link.unlink()
    for left in systemd.folder().glob("mayfly*.d"):
        speech.warning(f"{left} is kept: its files are not ours")
    systemd.reload()
    systemd.forget_failures()
    shutil.rmtree(Path(systemd.variables().get("XDG_RUNTIME_DIR", "/nonexistent")) / "mayfly", ignore_errors=True)
    return [path for path in there if files.file_state(path) is not FileState.ABSENT]


def environment_file(variables: Mapping[str, str]) -> dict[Path, str]:
    """The file that gives these variables to all programs of the session, from the next log-in on."""
    lines = "".join(f'{name}="{_escaped(value)}"\n' for name, value in variables.items())
    return {systemd.environment_file(): files.stamped(lines)}


def _drop_in(unit: str, values: Values) -> str:
    """The drop-in that turns off those parts of the unit's seal that this machine cannot do; "" if it can do all."""
    folder = Path(systemd.variables().get("XDG_RUNTIME_DIR", "/nonexistent")) / "mayfly"
    folder.mkdir(mode=0o700, exist_ok=True)
    left_out = sandbox.missing(unit, [values.python, *isolation_flags(), "-m", "mayfly", "--version"])
    if not left_out:
        return ""
    speech.warning(f"this machine cannot seal the service off as it should; left out: {', '.join(left_out)}")
    return files.stamped(sandbox.drop_in(left_out))


def _start(changed: list[Path], *, is_open: bool, listen: str, is_configured: bool) -> None:
    is_older = any(path.name == systemd.SERVICE or path == systemd.drop_in() for path in changed)
    is_other = any(path.suffix == ".socket" for path in changed)
    anew = systemd.is_active(systemd.SOCKETS[0]) and (not is_open or is_other or _are_files_gone())
    if anew:
        speech.say("the sockets are opened anew: the daemon forgets its sessions")
    # A service without a config becomes ready only when there is one, so its start is not waited for.
    systemd.start(anew=anew, service_anew=is_older, is_awaited=is_configured)
    speech.say(
        f"serving on {listen}" if is_configured else f"listening on {listen}, and serving once there is a config"
    )


def _are_files_gone() -> bool:
    """True if a socket is open and its file has been removed: no client can reach it."""
    folder = Path(systemd.variables().get("XDG_RUNTIME_DIR", "/nonexistent")) / "mayfly"
    places = zip(systemd.SOCKETS, (paths.control_socket(), paths.exchange_socket(), paths.desk_socket()), strict=True)
    return any(not (folder / place.name).exists() and systemd.is_active(name) for name, place in places)


def _is_open(address: tuple[str, int], open_now: set[str] | None, *, now: bool) -> bool:
    """True if our own socket listens at `address` already; `open_now` are the addresses of our open sockets.

    Raises Stop if another process listens there, or, without `now`, if our open socket would have to move.
    """
    from mayfly.cli.ports import holder

    shown, who = f"{address[0]}:{address[1]}", holder(address[1])
    if open_now is not None and shown in open_now:
        # False if the unit was moved there under an open socket, and has not been opened yet.
        return who is not None
    is_theirs = files.file_state(systemd.folder() / systemd.SOCKETS[0]).is_kept
    if open_now is not None and not now and not is_theirs:
        raise speech.Stop(
            speech.FAILED,
            f"the service runs, and does not listen on {shown}: nothing is written",
            hints=("to move it there, and have it forget its sessions: mayfly install --now",),
        )
    if who and not _is_our_daemon(shown):
        if not now:
            speech.warning(f"{shown} is taken by {who}: the service cannot listen there before that process ends")
            return False
        raise speech.Stop(
            speech.FAILED,
            f"{shown} is taken by {who}",
            hints=('end it, or choose another port in the config: listen = "127.0.0.1:PORT"',),
        )
    return False


def _is_our_daemon(shown: str) -> bool:
    """True if the service's own daemon listens there, although its socket unit names another address now."""
    try:
        status = json.loads(client.ask("GET", "/status").body)
    except (client.NotRunning, client.Distrusted, MayflyError, ValueError):
        return False
    return isinstance(status, dict) and (status.get("service"), status.get("address")) == ("systemd", shown)


def _compare_environments() -> None:
    """Warn of variables that this shell has and the manager's services lack."""
    if missing := missing_variables(os.environ):
        speech.warning(f"the service does not have this shell's {', '.join(missing)}")
        speech.hint(f"until log-out: systemctl --user import-environment {' '.join(missing)}")
        speech.hint(f"for good: put them into {systemd.environment_file().parent}/")


def missing_variables(environ: Mapping[str, str]) -> list[str]:
    """The variables that lead to AWS in `environ` and that the manager's services lack, or have otherwise."""
    managers = systemd.environment()
    return [name for name in PASSED_ON if environ.get(name) and environ[name] != managers.get(name)]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
