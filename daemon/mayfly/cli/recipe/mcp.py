"""`mayfly recipe mcp`: an MCP server with a grant, for any client that reads `mcpServers`.

The format: modelcontextprotocol.io/docs/develop/connect-local-servers.
"""

from __future__ import annotations

import json
import sys

from pathlib import Path

from mayfly.cli.recipe.wanted import Recipe, Wanted


# A program that is started from a desktop does not have the PATH of your shell.
PATH_HINT = f"if it does not find mayfly, write its path: {Path(sys.executable).with_name('mayfly')}"


def recipe(wanted: Wanted) -> Recipe:
    """The JSON that most clients read."""
    return Recipe(servers(wanted), ("add it to the client's list of MCP servers", *hints(wanted)))


def hints(wanted: Wanted) -> tuple[str, ...]:
    """Notes for the owner of such a client."""
    return (wanted.ending[0].lower() + wanted.ending[1:], PATH_HINT)


def servers(wanted: Wanted, **more: str) -> str:
    """`mcpServers` with one server, which has `more` keys."""
    server = more | {"command": "mayfly", "args": list(wanted.mcp)}
    return json.dumps({"mcpServers": {"aws": server}}, indent=2) + "\n"
