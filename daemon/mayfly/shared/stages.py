"""What an exchange waits for: its stages, as it tells them to the daemon, and the daemon to commands.

Law: a stage is true while it lasts. `op` and `approve` last while `op` runs, `approve` only where it has to ask a
person: the app has authorized no `op` for ten minutes. (`op` does not tell when the prompt is answered.) `aws` lasts
while a call of STS is under way, `touch` and `command` while an `otp_command` runs.
"""

from __future__ import annotations

from typing import Any

import attrs


# Another exchange has the right to run op.
TURN = "turn"
# A connection to STS is tried, before anybody is asked.
CONNECT = "connect"
# A one-time password is sent once: the next one is waited for.
CODE = "code"
# op runs. It may need nobody: a service account's, or one that the app has authorized in the last minutes.
OP = "op"
# op runs, and asks a person.
APPROVE = "approve"
# otp_command runs, and may need a person: a touch of a security key.
TOUCH = "touch"
# otp_command runs, and needs nobody.
COMMAND = "command"
# STS is called.
AWS = "aws"

STAGES = (TURN, CONNECT, CODE, OP, APPROVE, TOUCH, COMMAND, AWS)

# The daemon's own stages, for sessions that no exchange is getting yet.
START = "start"

_KEYS = {"version", "stage", "profiles", "left_seconds"}
_MOST_SECONDS = 24 * 3600


@attrs.frozen(kw_only=True)
class Stage:
    """What is waited for on behalf of `profiles`; `left_seconds` until it is over, where that is known."""

    name: str
    profiles: tuple[str, ...]
    left_seconds: float | None = None


def stage_tree(stage: Stage, version: int) -> dict[str, Any]:
    """A stage as a JSON object."""
    return {
        "version": version,
        "stage": stage.name,
        "profiles": list(stage.profiles),
        "left_seconds": stage.left_seconds,
    }


def parse_stage(tree: dict[str, Any], version: int) -> Stage:
    """The inverse of `stage_tree`; raises ValueError for anything else."""
    names, left = tree.get("profiles"), tree.get("left_seconds")
    is_named = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if tree.keys() != _KEYS or tree["version"] != version or tree["stage"] not in STAGES or not is_named:
        raise ValueError("not a stage")
    if left is not None and (type(left) not in {int, float} or not 0 <= left <= _MOST_SECONDS):
        raise ValueError("not a time to wait")
    return Stage(name=tree["stage"], profiles=tuple(names or ()), left_seconds=left)
