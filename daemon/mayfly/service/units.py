"""The units, from their templates: kept once, in `systemd/` and `launchd/`, and filled in for this user and machine."""

from __future__ import annotations

import re

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import attrs

from mayfly.shared.errors import ConfigInvalid


SYSTEMD = (
    "mayfly.socket",
    "mayfly.service",
    "mayfly-exchange.socket",
    "mayfly-exchange@.service",
    "mayfly-desk.socket",
    "mayfly-desk.service",
)
LAUNCHD = "io.mayfly.daemon.plist"

# Where services look for programs. A shell's own PATH is not theirs.
PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
MAC_PATH = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")

_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - it is asked whether something lies there, and nothing is put there
_RUNTIME = ("/run",)
_HOLE = re.compile(r"@([A-Z_]+)@")


@attrs.frozen(kw_only=True)
class Values:
    """What is filled in: the interpreter that has this package, where to listen, the config if it is not the usual one.

    `is_configured`: whether there is a config at all, which the service would wait for.

    `op_folders` are where `op` was found, as far as services do not look there by themselves; `home`, `runtime_dir` and
    `log` are for launchd, which expands nothing.
    """

    python: str
    listen: tuple[str, int]
    home: str
    config: str | None = None
    is_configured: bool = True
    op_folders: tuple[str, ...] = ()
    runtime_dir: str = ""
    log: str = ""


def systemd(values: Values) -> dict[str, str]:
    """Every unit's text by its name; raises ConfigInvalid for a path that systemd could not be told."""
    config = f" --config {quoted(values.config)}" if values.config else ""
    filling = {
        "PYTHON": quoted(values.python),
        "LISTEN": f"{values.listen[0]}:{values.listen[1]}",
        "CONFIG_ARGUMENTS": config,
        "PATH": quoted(f"PATH={':'.join((*values.op_folders, *PATH))}"),
        "PRIVATE_TMP": "no" if _is_under(_TEMPORARY, values) else "yes",
        "HIDDEN": "%t" if _is_under(_RUNTIME, values) else "/run",
    }
    return {name: filled(template("systemd", name), filling) for name in SYSTEMD}


def launchd(values: Values) -> str:
    """The agent's property list."""
    given = ["--config", values.config] if values.config else []
    filling = {
        "PYTHON": escape(values.python),
        "HOST": values.listen[0],
        "PATH": escape(":".join(dict.fromkeys((*values.op_folders, *MAC_PATH)))),
        "PORT": str(values.listen[1]),
        "HOME": escape(values.home),
        "RUNTIME_DIR": escape(values.runtime_dir),
        "LOG": escape(values.log),
        "CONFIG_ARGUMENTS": "".join(f"<string>{escape(word)}</string>" for word in given),
    }
    return filled(template("launchd", LAUNCHD), filling)


def template(kind: str, name: str) -> str:
    """A template's text: from inside the package, or from the top of the repository where it is installed editable."""
    inside = Path(__file__).parent / "units" / kind / name
    return (inside if inside.exists() else Path(__file__).parents[3] / kind / name).read_text()


def filled(text: str, filling: Mapping[str, str]) -> str:
    """`text` with every @HOLE@ filled."""
    return _HOLE.sub(lambda hole: filling[hole[1]], text)


def is_of(template_text: str, body: str) -> bool:
    """Whether a unit was made of this template, whatever it was filled in with."""
    plain = _HOLE.split(template_text)[::2]
    return re.fullmatch(".*".join(map(re.escape, plain)), body) is not None


def quoted(word: str) -> str:
    """One word of a command line, as systemd reads it (systemd.service(5), "Command lines")."""
    if "\n" in word or "$" in word:
        raise ConfigInvalid(f"{word!r} cannot stand in a systemd unit: give it a path without '$'")
    plain = word.replace("%", "%%")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", plain):
        return plain
    inner = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _is_under(folders: Sequence[str], values: Values) -> bool:
    """Whether anything that the daemon must find lies in one of the folders, where it would be hidden with them."""
    places = (values.python, values.home, values.config)
    found = {path for place in places if place for path in (Path(place), Path(place).resolve())}
    return any(path.is_relative_to(folder) for path in found for folder in folders)
