"""The text of the units: templates from `systemd/` and `launchd/`, filled in for this user and machine."""

from __future__ import annotations

import os
import re
import unicodedata

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import attrs

from mayfly.service.files import settings_of
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.interpreter import isolation_flags


SYSTEMD = (
    "mayfly.socket",
    "mayfly.service",
    "mayfly-exchange.socket",
    "mayfly-exchange@.service",
    "mayfly-desk.socket",
    "mayfly-desk.service",
)
LAUNCHD = "io.mayfly.daemon.plist"

# Services do not have the PATH of a shell.
PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
MAC_PATH = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")

_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - only compared with, nothing is written there
_RUNTIME = ("/run",)
_PLACEHOLDER = re.compile(r"@([A-Z_]+)@")
# Unicode's categories: control, format (with the bidi marks), surrogate, line separator, paragraph separator.
_UNFIT = {"Cc", "Cf", "Cs", "Zl", "Zp"}


@attrs.frozen(kw_only=True)
class Values:
    """The values for the templates.

    `python`: the interpreter that has this package. `listen`: host and port. `config`: its path, if it is not the
    default one. `is_configured`: False if there is no config yet, for which the service would wait. `op_folders`: the
    folders of `op` that are not on a service's PATH. `home`, `runtime_dir` and `log`: for launchd, which expands no
    variables.
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
    """The text of every unit by its name; raises ConfigInvalid for a path that cannot be written into a unit."""
    config = f" --config {quoted(values.config)}" if values.config else ""
    filling = {
        "PYTHON": quoted(values.python),
        "ISOLATION": " ".join(isolation_flags()),
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
        "PYTHON": _xml(values.python),
        "ISOLATION": "".join(f"<string>{flag}</string>" for flag in isolation_flags()),
        "HOST": values.listen[0],
        "PATH": _xml(":".join(dict.fromkeys((*values.op_folders, *MAC_PATH)))),
        "PORT": str(values.listen[1]),
        "HOME": _xml(values.home),
        "RUNTIME_DIR": _xml(values.runtime_dir),
        "LOG": _xml(values.log),
        "CONFIG_ARGUMENTS": "".join(f"<string>{_xml(word)}</string>" for word in given),
    }
    return filled(template("launchd", LAUNCHD), filling)


def template(kind: str, name: str) -> str:
    """The text of a template: from the package, or from the top of the repository in an editable installation."""
    inside = Path(__file__).parent / "units" / kind / name
    return (inside if inside.exists() else Path(__file__).parents[3] / kind / name).read_text()


def filled(text: str, filling: Mapping[str, str]) -> str:
    """`text` with every @PLACEHOLDER@ replaced."""
    return _PLACEHOLDER.sub(lambda found: filling[found[1]], text)


def is_from_template(template_text: str, body: str) -> bool:
    """True if `body` is this template filled in with any values; comments do not count."""
    fixed = _PLACEHOLDER.split(settings_of(template_text))[::2]
    return re.fullmatch(".*".join(map(re.escape, fixed)), settings_of(body)) is not None


def quoted(word: str) -> str:
    """One word of a command line, quoted for systemd (systemd.service(5), "Command lines")."""
    if "$" in word:
        raise ConfigInvalid(f"{word!r} cannot stand in a systemd unit: give it a path without '$'")
    plain = _checked(word).replace("%", "%%")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]+", plain):
        return plain
    inner = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inner}"'


def _xml(word: str) -> str:
    """A text of a property list."""
    return escape(_checked(word))


def _checked(word: str) -> str:
    """`word`; raises ConfigInvalid if it has characters that a unit's reader does not see as they are.

    A line break begins a new directive; control and bidi characters hide from a person what systemd reads; a surrogate
    stands for bytes that are no text, and cannot be written.
    """
    if any(unicodedata.category(letter) in _UNFIT for letter in word):
        raise ConfigInvalid(f"{word!r} cannot stand in a unit: give it a path without control characters")
    return word


def _is_under(folders: Sequence[str], values: Values) -> bool:
    """True if the interpreter, the home or the config lies in one of the folders, and so would be hidden with it."""
    places = (values.python, values.home, values.config)
    found = {path for place in places if place for path in (Path(place), Path(os.path.realpath(place)))}
    return any(path.is_relative_to(folder) for path in found for folder in folders)
