"""`mayfly recipe`: prints what to paste into a container engine or an agent, so that it works with a grant.

Standard output is the text to paste and nothing else; where it goes, and what else to know, is on standard error.
"""

from __future__ import annotations

import argparse

from mayfly.cli import speech, target
from mayfly.cli.grant import options, order
from mayfly.cli.parser import RawFormatter
from mayfly.cli.recipe.wanted import Recipe, Wanted


# The words after `--` are not parsed; they come as `given.command`.
TAKES_COMMAND = True
COMMAND_MAY_BE_MISSING = True

CONTAINERS = ("compose", "docker", "podman", "devcontainer", "kind")
AGENTS = ("claude-code", "codex", "cursor", "mcp")
KINDS = (*CONTAINERS, *AGENTS)
# A socket is for containers.
AGENTS_DELIVERIES = ("endpoint", "file", "env")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.usage = (
        "mayfly recipe KIND PROFILE [--for 1h] [--read-only | --view-only | --policy-arn ARN ... | --policy FILE]\n"
        "                     [--label L] [--ask] [--as endpoint|file|env] [--docker-desktop] [--config FILE]\n"
        "                     [-- CMD ...]"
    )
    parser.add_argument("kind", choices=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("profile", metavar="PROFILE", help="the profile whose credentials are granted")
    options.add_terms(parser, "KIND")
    parser.add_argument(
        "--as", dest="delivery", choices=AGENTS_DELIVERIES, help="for an agent: how it gets the credentials"
    )
    parser.add_argument(
        "--docker-desktop", action="store_true", help="for containers of Docker Desktop (on macOS: always)"
    )
    parser.epilog = """\
CMD: what gets the credentials: an image and its arguments, or an MCP server. Without it, an example.

  mayfly recipe claude-code admin --read-only --for 12h -- uvx awslabs.aws-api-mcp-server@latest
  mayfly recipe compose admin --read-only -- amazon/aws-cli s3 ls >compose.yaml

Standard output is what to paste, and no token is in it. Where it goes is said on standard error.
"""
    parser.formatter_class = RawFormatter


def run(given: argparse.Namespace) -> int:
    """Print the recipe."""
    if given.delivery and given.kind in CONTAINERS:
        text = f"--as is for {', '.join(AGENTS)}: in {given.kind} a relay brings the credentials"
        raise speech.Stop(speech.WRONG_USAGE, text)
    order.check(argparse.Namespace(**vars(given) | {"token_file": False}))
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
