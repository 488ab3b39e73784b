"""The marks of coding agents: environment variables that an agent sets for the programs that it starts.

Exact names alone, and only those that people do not set for themselves: CODEX_HOME, GOOSE_PROVIDER or COPILOT_MODEL are
a person's settings, CURSOR_TRACE_ID and REPL_ID are in every terminal of an editor. This is a guard rail and no wall: a
process can shed its marks, and some agents set none for their MCP servers.

Few imports: `mayfly approve` runs this.
"""

from __future__ import annotations

from typing import NamedTuple

from mayfly.shared.text import printable


MAX_NAME_CHARACTERS = 32


class Mark(NamedTuple):
    """A variable that an agent sets, and the source that says so.

    `value` is the only value that counts; None: any but the empty one. Without `agent` the value is the agent's name.
    """

    variable: str
    value: str | None
    agent: str
    source: str


_DETECT_AGENT = "github.com/vercel/detect-agent, agents.json"
_CODEX = "github.com/openai/codex, AGENTS.md"

# The first mark of an environment names the agent.
MARKS = (
    Mark("CLAUDECODE", None, "claude-code", "code.claude.com/docs/en/env-vars"),
    Mark("CURSOR_AGENT", None, "cursor", "forum.cursor.com/t/151935"),
    Mark("CODEX_SANDBOX", None, "codex", _CODEX),
    Mark("CODEX_SANDBOX_NETWORK_DISABLED", None, "codex", _CODEX),
    Mark("CODEX_THREAD_ID", None, "codex", "github.com/openai/codex, codex-rs/protocol/src/shell_environment.rs"),
    Mark("CODEX_CI", None, "codex", _DETECT_AGENT),
    Mark(
        "GEMINI_CLI",
        "1",
        "gemini-cli",
        "github.com/google-gemini/gemini-cli, packages/core/src/services/shellExecutionService.ts",
    ),
    Mark("OPENCODE", "1", "opencode", "github.com/anomalyco/opencode, packages/opencode/src/index.ts"),
    Mark("COPILOT_CLI", "1", "copilot-cli", "github.com/kunchenguid/firstmate/pull/412 (seen, not documented)"),
    Mark("VSCODE_AGENT", None, "vscode-agent", "code.visualstudio.com, release notes of 1.121"),
    Mark("AMP_CURRENT_THREAD_ID", None, "amp", "github.com/snarktank/ralph, prompt.md"),
    Mark("GOOSE_TERMINAL", None, "goose", "github.com/block/goose, documentation/docs/guides/environment-variables.md"),
    Mark("AGENT", "goose", "goose", "github.com/block/goose, documentation/docs/guides/environment-variables.md"),
    Mark("AGENT", "amp", "amp", "github.com/jehiah/agentdetection, README.md"),
    Mark("AUGMENT_AGENT", None, "augment", _DETECT_AGENT),
    Mark("CLINE_ACTIVE", None, "cline", _DETECT_AGENT),
    Mark("ANTIGRAVITY_AGENT", None, "antigravity", _DETECT_AGENT),
    Mark("OPENCLAW_SHELL", None, "openclaw", _DETECT_AGENT),
    Mark(
        "REPLIT_MODE",
        "assistant",
        "replit-assistant",
        "github.com/ascorbic/am-i-vibing, packages/am-i-vibing/src/providers.ts",
    ),
    Mark("AI_AGENT", None, "", "github.com/vercel/detect-agent, README.md"),
)


def agent_of_environment(environment: bytes) -> str | None:
    """The agent that has marked a process with this environment (`NAME=value`, NUL between them); None: no mark.

    The name is printable and short, and may be of the process's own choosing.
    """
    variables = dict(each.partition(b"=")[::2] for each in environment.split(b"\0"))
    for mark in MARKS:
        value = variables.get(mark.variable.encode(), b"").decode(errors="replace")
        if value and value == (mark.value or value):
            return mark.agent or printable(value)[:MAX_NAME_CHARACTERS]
    return None
