"""The parts of the daemon's seal that this machine supports for an ordinary user: tried once, by `mayfly install`.

Some kernels and containers allow no user namespaces, or no mounts in them. systemd would then end the service with
226/NAMESPACE or 218/CAPABILITIES before it runs. So the install writes a drop-in that takes back the unsupported parts,
and says so.
"""

from __future__ import annotations

import os
import re

from collections.abc import Iterator, Sequence
from pathlib import Path

from mayfly.service import systemd
from mayfly.shared import programs
from mayfly.shared.run_program import run
from mayfly.shared.text import failure_words


PROBE_SECONDS = 30

# Directives that need the same thing of the kernel, each with the value that takes it back. First the groups that most
# often fail.
_PROC = {"ProtectProc": "default", "ProcSubset": "all"}
# systemd mounts over each hidden path what user-runtime-dir@.service has made: without a log-in it is missing.
_HIDDEN = {"InaccessiblePaths": ""}
_MOUNTS = {
    "TemporaryFileSystem": "",
    "BindPaths": "",
    "BindReadOnlyPaths": "",
    "ReadOnlyPaths": "",
    "ProtectSystem": "no",
    "ProtectHome": "no",
    "PrivateTmp": "no",
    "PrivateDevices": "no",
    "PrivateMounts": "no",
    # systemd mounts separate message queues for it.
    "PrivateIPC": "no",
    "ProtectControlGroups": "no",
    "ProtectKernelLogs": "no",
    "ProtectKernelModules": "no",
    "ProtectKernelTunables": "no",
}
_NETWORK = {"PrivateNetwork": "no"}
_USERS = {"PrivateUsers": "no", "CapabilityBoundingSet": "~", "ProtectClock": "no", "ProtectHostname": "no"}
_CALLS = {
    "RestrictAddressFamilies": "",
    "RestrictNamespaces": "no",
    "RestrictRealtime": "no",
    "RestrictSUIDSGID": "no",
    "LockPersonality": "no",
    "MemoryDenyWriteExecute": "no",
    "SystemCallArchitectures": "",
    "SystemCallFilter": "",
}
GROUPS = (_PROC, _HIDDEN, _MOUNTS, _NETWORK, _USERS, _CALLS)


def missing(unit: str, command: Sequence[str]) -> dict[str, str]:
    """The directives of `unit` with which this machine cannot run `command`, each with the value that takes it back.

    Raises systemd.Refused if systemd cannot run the command without the seal either.
    """
    seal = list(directives(unit))
    problem = ""
    for groups in _candidates():
        left_out = {name: value for group in groups for name, value in group.items()}
        problem = _problem([text for name, text in seal if name not in left_out], command)
        if not problem:
            return {name: value for name, value in left_out.items() if name in dict(seal)}
    raise systemd.Refused(f"systemd cannot run {command[0]} as a service of yours: {problem}")


def _candidates() -> Iterator[tuple[dict[str, str], ...]]:
    """What to leave out, the least first: nothing, one group, then more and more groups."""
    yield ()
    yield from ((group,) for group in GROUPS)
    yield from (GROUPS[:count] for count in range(2, len(GROUPS) + 1))


def directives(unit: str) -> Iterator[tuple[str, str]]:
    """The unit's sealing directives: each name, and the whole line in the form that `systemd-run -p` takes."""
    sealing = {name for group in GROUPS for name in group} | {"NoNewPrivileges", "SystemCallErrorNumber"}
    runtime_dir = systemd.variables().get("XDG_RUNTIME_DIR", "")
    for name, value in re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE):
        if name in sealing:
            yield name, f"{name}={value.replace('%t', runtime_dir).replace('%U', str(os.getuid()))}"


def drop_in(left_out: dict[str, str]) -> str:
    """The text of the drop-in that takes these directives back."""
    lines = (f"{name}={value}" for name, value in left_out.items())
    return "\n".join(("# What this machine does not support in an ordinary user's service.", "[Service]", *lines, ""))


def _problem(seal: Sequence[str], command: Sequence[str]) -> str:
    """The reason why a service with these directives cannot run the command; "" if it can."""
    options = [word for text in seal for word in ("-p", text)]
    try:
        ended = run(
            (
                systemd.program("systemd-run"),
                "--user",
                "--wait",
                "--quiet",
                "--collect",
                *options,
                "--",
                *command,
            ),
            seconds=PROBE_SECONDS,
            environ=systemd.variables(),
            folder=Path("/"),
        )
    except programs.NotFound as reason:
        raise systemd.Refused(str(reason)) from None
    except OSError as reason:
        raise systemd.Refused(f"systemd-run cannot be run: {failure_words(reason)}") from None
    return "" if ended.exit_code == 0 else ended.stderr.strip() or f"it ends with {ended.exit_code}"
