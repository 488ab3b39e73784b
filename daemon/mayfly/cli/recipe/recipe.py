"""`mayfly recipe`: prints what to paste into a container engine or an agent, so that it works with a grant.

Standard output is the text to paste and nothing else; where it goes, and what else to know, is on standard error.
"""

from __future__ import annotations

import argparse

from mayfly.cli import speech, target
from mayfly.cli.durations import seconds_in
from mayfly.cli.parser import RawFormatter
from mayfly.cli.recipe.wanted import Recipe, Wanted
from mayfly.shared import grant


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
    parser.add_argument(
        "--for", dest="duration", metavar="1h", type=_duration, help="how long: 15m to 12h (default: 1h)"
    )
    narrowing = parser.add_mutually_exclusive_group()
    narrowing.add_argument("--read-only", action="store_true", help="narrow a role by AWS's ReadOnlyAccess")
    narrowing.add_argument("--view-only", action="store_true", help="narrow a role by AWS's ViewOnlyAccess")
    narrowing.add_argument(
        "--policy-arn", metavar="ARN", nargs="+", action="extend", help="narrow it by these policies"
    )
    narrowing.add_argument("--policy", metavar="FILE", help="narrow it by the policy in this file")
    parser.add_argument("--label", type=_label, help="the grant's name (default: KIND)")
    parser.add_argument("--ask", action="store_true", help="ask on the desktop before the first use")
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


def _duration(text: str) -> str:
    try:
        seconds = seconds_in(text)
    except ValueError as reason:
        raise argparse.ArgumentTypeError(str(reason)) from None
    if not grant.MIN_SECONDS <= seconds <= grant.MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"a grant lasts 15m to 12h, not {text}")
    return text


def _label(text: str) -> str:
    if not grant.is_label(text):
        what = "a label is 1 to 32 letters, digits and . _ -, of which the first is a letter or digit"
        raise argparse.ArgumentTypeError(f"{text[:64]!r}: {what}")
    return text
