"""The options of a grant, as all commands that make or describe one have them."""

from __future__ import annotations

import argparse

from mayfly.cli.durations import seconds_in
from mayfly.shared import grant


def add_terms(parser: argparse.ArgumentParser, usual_label: str) -> None:
    """The options that say for how long, for what, and to whom."""
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="1h",
        type=_seconds,
        default=grant.USUAL_SECONDS,
        help="how long: 15m to 12h (default: 1h)",
    )
    _add_narrowing(parser)
    parser.add_argument("--label", type=_label, help=f"its name in lists, logs and CloudTrail (default: {usual_label})")
    parser.add_argument("--ask", action="store_true", help="ask on the desktop, once, before the first use")


def _add_narrowing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--read-only", action="store_true", help="change nothing (ReadOnlyAccess: data can be read)")
    group.add_argument("--view-only", action="store_true", help="list and describe (ViewOnlyAccess: no data is read)")
    group.add_argument(
        "--policy-arn", metavar="ARN", nargs="+", action="extend", help="no more than these managed policies allow"
    )
    group.add_argument("--policy", metavar="FILE", help="no more than this IAM policy (JSON) allows")


def _seconds(text: str) -> int:
    try:
        seconds = seconds_in(text)
    except ValueError as reason:
        raise argparse.ArgumentTypeError(str(reason)) from None
    if not grant.MIN_SECONDS <= seconds <= grant.MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"a grant lasts 15m to 12h, not {text}")
    return seconds


def _label(text: str) -> str:
    if not grant.is_label(text):
        what = "a label is 1 to 32 letters, digits and . _ -, of which the first is a letter or digit"
        raise argparse.ArgumentTypeError(f"{text[:64]!r}: {what}")
    return text
