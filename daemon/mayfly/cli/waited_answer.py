"""The daemon's answer to one request; `waiting`, which tells what it waits for, is imported only if it is late."""

from __future__ import annotations

from mayfly.cli import client, daemon_calls


TYPE_CHECKING = False  # typing costs every `aws` command some ms through credential-process
if TYPE_CHECKING:
    from typing import Any


def waited_answer(call: client.Call, profile: str, **telling: Any) -> bytes:
    """The body of the answer to `call`, which is about `profile`; while it is late, what it waits for is told.

    `telling`: the options of `Waiting`. Raises Stop for any answer but a 200.
    """
    if not daemon_calls.is_answered(call):
        from mayfly.cli.waiting import Waiting

        for _ in Waiting({profile: call}, quiet_seconds=0, **telling):
            pass
    return daemon_calls.answer(call, profile)
