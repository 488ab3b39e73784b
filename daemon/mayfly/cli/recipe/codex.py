"""`mayfly recipe codex`: an MCP server with a grant, for Codex.

The format: developers.openai.com/codex/mcp and docs/config.md of github.com/openai/codex (`[mcp_servers.NAME]` with
`command`, `args`, `env_vars`, and `startup_timeout_sec`, which is 10 if left out).
"""

from __future__ import annotations

from mayfly.cli.recipe.wanted import Recipe, Wanted, quoted


def recipe(wanted: Wanted) -> Recipe:
    """A table for config.toml."""
    text = f"""\
[mcp_servers.aws]
command = "mayfly"
args = {quoted(list(wanted.mcp))}
# Codex passes on few variables; these say where your config and your daemon are, where you have set them.
env_vars = ["MAYFLY_CONFIG", "MAYFLY_LISTEN", "MAYFLY_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"]
# {wanted.ending}
# The first start may wait for you at 1Password's prompt.
startup_timeout_sec = 120
"""
    return Recipe(
        text,
        (
            "add it to ~/.codex/config.toml",
            "commands in Codex's sandbox reach neither the network nor a socket: give them a grant with --as file",
        ),
    )
