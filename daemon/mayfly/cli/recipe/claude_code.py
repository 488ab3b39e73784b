"""`mayfly recipe claude-code`: an MCP server with a grant, and Claude Code itself with one.

`claude mcp add NAME -- COMMAND`: code.claude.com/docs/en/mcp. `awsCredentialExport` in settings.json, whose output may
have the form of credential_process: code.claude.com/docs/en/amazon-bedrock. Its sandbox on Linux lets commands reach
neither loopback nor Unix sockets (claude-code#28018): there only a file gets through.
"""

from __future__ import annotations

from mayfly.cli.recipe.wanted import Recipe, Wanted, shell


def recipe(wanted: Wanted) -> Recipe:
    """Lines for a shell."""
    server = shell("claude", "mcp", "add", "--transport", "stdio", "aws", "--", "mayfly", *wanted.mcp)
    text = f"""\
# An MCP server with a grant of its own. {wanted.ending}
{server}

# Or Claude Code and all that it starts, with a grant (in its sandbox on Linux only a file is reached: add --as file):
{shell("mayfly", *wanted.grant(), "claude")}

# Claude Code's own calls to Bedrock, with the profile's own credentials, in ~/.claude/settings.json:
#   "awsCredentialExport": "{shell("mayfly", "credential-process", *wanted.config, wanted.profile)}"
"""
    return Recipe(text)
