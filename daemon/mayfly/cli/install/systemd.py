"""How `install` and `uninstall` go about systemd's units."""

from __future__ import annotations

import json
import os
import shutil

from collections.abc import Mapping
from pathlib import Path

from mayfly.cli import client, speech
from mayfly.service import files, sandbox, systemd, units
from mayfly.service.files import FileState
from mayfly.service.units import Values
from mayfly.shared import paths
from mayfly.shared.errors import MayflyError


# What a shell may have, and the manager's services then lack.
PASSED_ON = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "AWS_CA_BUNDLE", "AWS_ENDPOINT_URL_STS")


def install(values: Values, *, now: bool, dry_run: bool) -> None:
    """Put the units there, have their sockets opened at log-in, and with `now` start; raises systemd.Refused, Stop.

    Where anything stands in the way, nothing has been written. What runs is left alone unless `now`.
    """
    texts = units.systemd(values)
    wanted = {systemd.folder() / name: files.stamped(text) for name, text in texts.items()}
    if dry_run:
        show(wanted)
        print(f"# then: systemctl --user enable {' '.join(systemd.SOCKETS)}")
        if not paths.runtime_dir().exists():
            print(f"# and a folder for tokens and sockets: {paths.runtime_dir()}")
        return
    systemd.check_manager()
    listen = f"{values.listen[0]}:{values.listen[1]}"
    open_before = systemd.listens() if systemd.is_active(systemd.SOCKETS[0]) else None
    is_open = _is_open(values.listen, open_before, now=now)
    wanted[systemd.drop_in()] = _drop_in(texts[systemd.SERVICE], values)
    standings = [files.file_state(path, text) for path, text in wanted.items()]
    is_kept = any(standing.is_kept for standing in standings)
    changed = [path for path, text in wanted.items() if put(path, text)]
    # Also what was edited by hand is in force only once it has been read.
    if changed or FileState.SAME_SETTINGS in standings or (now and is_kept):
        systemd.reload()
    fresh = systemd.enable()
    if not changed and not fresh and not is_kept:
        speech.say("the service is installed already: nothing is to be changed")
    elif fresh:
        speech.say(f"the service will listen on {listen} from log-in on")
    if now:
        # Units that are read anew under an open socket close what they no longer name, and open nothing.
        is_open = is_open and open_before == systemd.listens()
        _start(changed, is_open=is_open, listen=listen, is_configured=values.is_configured)
    elif changed and systemd.is_active(systemd.SERVICE):
        speech.hint("what runs is as it was: mayfly install --now")
    _compare_environments()


def uninstall() -> list[Path] | None:
    """Close the sockets, end the services, take the units away; what is kept, or None where there was nothing."""
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
        _remove(path)
    # What enabled a unit whose file had gone before.
    for link in systemd.dangling():
        link.unlink()
    for left in systemd.folder().glob("mayfly*.d"):
        speech.warning(f"{left} is kept: what is in it is not ours")
    systemd.reload()
    systemd.forget_failures()
    shutil.rmtree(Path(systemd.variables().get("XDG_RUNTIME_DIR", "/nonexistent")) / "mayfly", ignore_errors=True)
    return [path for path in there if files.file_state(path) is not FileState.ABSENT]


def put(path: Path, text: str) -> bool:
    """Write what is to be at `path` ("": nothing), unless it is not ours to replace; whether anything changed.

    A new version's name is not anything.
    """
    standing, version = files.file_state(path, text), files.version_of(path)
    if standing is FileState.SAME_SETTINGS:
        files.write(path, text)
    if standing in {FileState.CURRENT, FileState.SAME_SETTINGS} or (standing is FileState.ABSENT and not text):
        return False
    if standing.is_kept:
        why = "it has been edited by hand" if standing is FileState.EDITED else "it is not ours"
        speech.warning(f"{path} is kept as it is: {why}")
        if path.suffix in {".service", ".socket"}:
            speech.hint(f"to change a unit: systemctl --user edit {path.name}")
        speech.hint(f"to have ours: rm '{path}' && mayfly install")
        return False
    if not text:
        _remove(path)
        return True
    files.write(path, text)
    speech.say(f"replaced {path}, of mayfly {version}" if standing is FileState.OUTDATED else f"wrote {path}")
    return True


def environment_file(variables: Mapping[str, str]) -> dict[Path, str]:
    """The file by which every program of the session finds these variables, from the next log-in on."""
    lines = "".join(f'{name}="{_escaped(value)}"\n' for name, value in variables.items())
    return {systemd.environment_file(): files.stamped(lines)}


def show(wanted: Mapping[Path, str]) -> None:
    """Print what would be written, and what stands there."""
    for path, text in wanted.items():
        print(f"# {path}: {files.file_state(path, text).value}\n{text}")


def _drop_in(unit: str, values: Values) -> str:
    """What this machine cannot do of the unit's seal, as a drop-in; "" if it can do everything."""
    folder = Path(systemd.variables().get("XDG_RUNTIME_DIR", "/nonexistent")) / "mayfly"
    folder.mkdir(mode=0o700, exist_ok=True)
    left_out = sandbox.missing(unit, [values.python, "-I", "-m", "mayfly", "--version"])
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
    # A service without a config is not ready before there is one, however long that takes.
    systemd.start(anew=anew, service_anew=is_older, is_awaited=is_configured)
    speech.say(
        f"serving on {listen}" if is_configured else f"listening on {listen}, and serving once there is a config"
    )


def _are_files_gone() -> bool:
    """Whether a socket is open whose file somebody has removed: nobody reaches it any more."""
    folder = Path(systemd.variables().get("XDG_RUNTIME_DIR", "/nonexistent")) / "mayfly"
    places = zip(systemd.SOCKETS, (paths.control_socket(), paths.exchange_socket(), paths.desk_socket()), strict=True)
    return any(not (folder / place.name).exists() and systemd.is_active(name) for name, place in places)


def _is_open(address: tuple[str, int], open_now: set[str] | None, *, now: bool) -> bool:
    """Whether our own socket, which has `open_now`, listens there already.

    Raises Stop where somebody else's does, or, unless `now`, where ours would have to move.
    """
    from mayfly.cli.holders import holder

    shown, who = f"{address[0]}:{address[1]}", holder(address[1])
    if open_now is not None and shown in open_now:
        # Or it was moved there under an open socket, and nobody has opened it yet.
        return who is not None
    is_theirs = files.file_state(systemd.folder() / systemd.SOCKETS[0]).is_kept
    if open_now is not None and not now and not is_theirs:
        raise speech.Stop(
            speech.FAILED,
            f"the service runs, and listens elsewhere than on {shown}: nothing is written",
            hints=("to move it there, and have it forget its sessions: mayfly install --now",),
        )
    if who and not _is_our_daemon(shown):
        if not now:
            speech.warning(f"{shown} is taken by {who}: the service cannot listen there before that ends")
            return False
        raise speech.Stop(
            speech.FAILED,
            f"{shown} is taken by {who}",
            hints=('end it, or choose another port in the config: listen = "127.0.0.1:PORT"',),
        )
    return False


def _is_our_daemon(shown: str) -> bool:
    """Whether the service's own daemon listens there, though its socket unit has been moved elsewhere meanwhile."""
    try:
        status = json.loads(client.ask("GET", "/status").body)
    except (client.NotRunning, client.Distrusted, MayflyError, ValueError):
        return False
    return isinstance(status, dict) and (status.get("service"), status.get("address")) == ("systemd", shown)


def _compare_environments() -> None:
    """The manager's services do not have what only this shell has."""
    theirs = systemd.environment()
    missing = [name for name in PASSED_ON if os.environ.get(name) and os.environ[name] != theirs.get(name)]
    if missing:
        speech.warning(f"the service does not have this shell's {', '.join(missing)}")
        speech.hint(f"until log-out: systemctl --user import-environment {' '.join(missing)}")
        speech.hint(f"for good: put them into {systemd.environment_file().parent}/")


def _remove(path: Path) -> None:
    if files.file_state(path) is FileState.FOREIGN:
        speech.warning(f"{path} is kept: it is not ours")
        return
    path.unlink(missing_ok=True)
    speech.say(f"removed {path}")
    if path == systemd.drop_in() and not any(path.parent.iterdir()):
        path.parent.rmdir()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
