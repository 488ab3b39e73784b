"""`mayfly recipe`: prints what to paste into a container engine or an agent, so that it works with a grant.

Standard output is the text to paste and nothing else; where it goes, and what else to know, is on standard error.
"""

from __future__ import annotations

import argparse

from mayfly.cli import speech, target
from mayfly.cli.grant import options
from mayfly.cli.recipe.wanted import Recipe, Wanted


# The words after `--` are not parsed; they come as `given.command`.
TAKES_COMMAND = True
COMMAND_MAY_BE_MISSING = True

KINDS = ("compose", "docker", "podman", "devcontainer", "kind", "claude-code", "codex", "cursor", "mcp")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.usage = (
        "mayfly recipe KIND PROFILE [--for 1h] [--read-only | --view-only | --policy-arn ARN ... | --policy FILE]\n"
        "                     [--label L] [--ask] [--docker-desktop] [--config FILE] [-- CMD ...]"
    )
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("profile", metavar="PROFILE", help="the profile whose credentials are granted")
    options.add_terms(parser, "KIND")
    parser.add_argument(
        "--docker-desktop", action="store_true", help="for containers of Docker Desktop (on macOS: always)"
    )
    parser.epilog = (
        "CMD: what gets the credentials: an image and its arguments, or an MCP server. Without it, an example."
    )


def run(given: argparse.Namespace) -> int:
    """Print the recipe."""
    chosen = target.find(given.config, given.profile)
    found = _recipe(given.kind, Wanted.of(given, chosen))
    speech.print_file(found.text)
    for text in found.hints:
        speech.hint(text)
    return speech.DONE


def _recipe(kind: str, wanted: Wanted) -> Recipe:
    # Only the file that is wanted is imported.
    name = f"mayfly.cli.recipe.{kind.replace('-', '_')}"
    module = __import__(name, fromlist=["recipe"])
    found: Recipe = module.recipe(wanted)
    return found
