"""Who types: a coding agent is recognised by the marks that it gives its children.

A guard rail and no wall: a process of the same user can shed its marks.
"""

from __future__ import annotations

from collections.abc import Mapping

from mayfly.cli import speech


MARKS = ("CLAUDECODE", "AI_AGENT", "CURSOR_AGENT")


def agent_of(environ: Mapping[str, str]) -> str | None:
    """The mark of the agent that started this process; None where no agent is recognised."""
    return next((name for name in MARKS if environ.get(name)), None)


def refuse_agents(environ: Mapping[str, str]) -> None:
    """Raise Stop where an agent would say yes to itself."""
    if mark := agent_of(environ):
        text = f"a coding agent started this ({mark} is set), and only a person may approve"
        raise speech.Stop(speech.HUMAN_MUST_ACT, text, hints=("run it in a terminal of your own",))
