"""A note for `status` about the config of this shell, which may differ from the daemon's."""

from __future__ import annotations

from shlex import quote

from mayfly.cli import daemon_calls
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid


TYPE_CHECKING = False  # typing costs `mayfly status` some ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def added(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status with a note if this shell's commands read another config than the daemon."""
    return {**status, "notes": [*_notes_of_shell(status), *status["notes"]]}


def _notes_of_shell(status: Mapping[str, Any]) -> list[str]:
    """The note, if the configs differ: then a token that this shell's commands make opens nothing."""
    theirs = daemon_calls.config_path(status)
    try:
        ours = paths.config_file()
        # After a new config.toml, the daemon itself would now find this shell's config. Then its own notes say so.
        if ours == theirs or any(str(ours) in note for note in status["notes"]) or ours.samefile(theirs):
            return []
    except (ConfigInvalid, OSError):
        return []
    return [f"this shell takes {ours}, the daemon {theirs}: export MAYFLY_CONFIG={quote(str(theirs))}"]
