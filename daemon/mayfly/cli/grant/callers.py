"""Recognises a command that an agent runs: by the marks in its own environment, on Linux also in its ancestors'.

A guard rail and no wall: a process of the same user can shed its marks.
"""

from __future__ import annotations

from mayfly.cli import speech
from mayfly.shared import ancestry


def refuse_agents() -> None:
    """Raise Stop where an agent would say yes to itself."""
    if agent := ancestry.own_agent():
        text = f"this runs for a coding agent ({agent.name}), and only a person may approve"
        raise speech.Stop(speech.HUMAN_MUST_ACT, text, hints=("run it in a terminal of your own",))
