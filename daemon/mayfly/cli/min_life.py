"""`--min-life`: how long credentials must live, for `login` and `exec`."""

from __future__ import annotations

import argparse


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option, as a number of seconds; 0 if it is left out."""
    parser.add_argument(
        "--min-life",
        metavar="6h",
        type=_seconds,
        default=0,
        help="credentials that live so long: at once if there are any, else by asking now",
    )


def _seconds(text: str) -> int:
    from mayfly.cli.durations import seconds_in

    try:
        return seconds_in(text)
    except ValueError as reason:
        raise argparse.ArgumentTypeError(str(reason)) from None
