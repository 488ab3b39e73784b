"""`mayfly recipe cursor`: an MCP server with a grant, for Cursor.

The format: cursor.com/docs/mcp (`.cursor/mcp.json` in a project, `~/.cursor/mcp.json` for all projects).
"""

from __future__ import annotations

from mayfly.cli.recipe.mcp import hints, servers
from mayfly.cli.recipe.wanted import Recipe, Wanted


def recipe(wanted: Wanted) -> Recipe:
    """An mcp.json."""
    return Recipe(
        servers(wanted, type="stdio"), ("add it to .cursor/mcp.json, or to ~/.cursor/mcp.json", *hints(wanted))
    )
