"""What a command line asks of the daemon for a grant, checked as far as it can be here.

The daemon and the exchange check all of it again; here a person gets the sentence at once.
"""

from __future__ import annotations

import argparse
import json
import os

from typing import Any

from mayfly.cli import speech
from mayfly.shared import grant


# The daemon knows the policies that these words stand for, in the role's partition.
READ_ONLY = "read-only"
VIEW_ONLY = "view-only"

ENDPOINT, FILE, ENV, SOCKET = DELIVERIES = ("endpoint", "file", "env", "socket")

# The label of a grant without a command.
SHELLS_LABEL = "shell"

# White space is removed before AWS's limit is checked. A file that is longer than this is no policy.
_MAX_FILE_BYTES = 256 * 1024


def body(given: argparse.Namespace, profile: str) -> bytes:
    """The body of `POST /grants`; raises Stop for an order that cannot be met."""
    check(given)
    return json.dumps(
        {
            "profile": profile,
            "label": given.label or label_of(given.command),
            "seconds": given.seconds,
            "narrowing": narrowing(given),
            "as": given.delivery,
            "ask": given.ask,
            "token_file": given.token_file,
            "allow_disk": given.allow_disk,
            "held": bool(given.command),
        }
    ).encode()


def check(given: argparse.Namespace) -> None:
    """Raise Stop for options of which one excludes another."""
    if given.delivery == ENV and given.seconds > grant.USUAL_SECONDS:
        text = "--as env gives one session, which cannot be renewed: an hour at most"
        raise _refused(text, "--for 1h, or another --as, which is renewed")
    if given.token_file and given.delivery in {ENV, FILE}:
        raise _refused(f"--as {given.delivery} has no token", "leave out --token-file")


def label_of(command: list[str]) -> str:
    """A label of the command's name: what a label cannot have becomes a dash."""
    return grant.label_from(os.path.basename(command[0]) if command else "", SHELLS_LABEL)


def narrowing(given: argparse.Namespace) -> dict[str, Any]:
    """The narrowing as the daemon takes it; raises Stop."""
    if given.read_only or given.view_only:
        return _narrowing(READ_ONLY if given.read_only else VIEW_ONLY)
    if given.policy_arn:
        return _narrowing(arns=_arns(given.policy_arn))
    if given.policy is not None:
        return _narrowing(policy=_policy(given.policy))
    return _narrowing()


def is_met(given: argparse.Namespace, told: str) -> bool:
    """True if the daemon's words on a grant are those of the narrowing that was asked for."""
    wanted = narrowing(given)
    return told.startswith(wanted["words"]) if wanted["words"] else bool(told) or not any(wanted.values())


def _narrowing(words: str | None = None, *, policy: str | None = None, arns: list[str] | None = None) -> dict[str, Any]:
    return {"words": words, "policy": policy, "policy_arns": arns or []}


def _arns(given: list[str]) -> list[str]:
    from mayfly.config.assume_role import policy_arn

    arns = list(dict.fromkeys(given))
    if len(arns) > grant.MAX_POLICY_ARNS:
        raise _refused(f"--policy-arn: {len(arns)} ARNs: AWS takes {grant.MAX_POLICY_ARNS} at most")
    for arn in arns:
        try:
            policy_arn(arn)
        except ValueError as reason:
            raise _refused(f"--policy-arn {arn[:64]}: {reason}") from None
    if sum(map(len, arns)) > grant.MAX_POLICY_CHARACTERS:
        raise _refused(f"--policy-arn: AWS takes {grant.MAX_POLICY_CHARACTERS} characters of ARNs together at most")
    return arns


def _policy(path: str) -> str:
    """The session policy in a file, without its white space."""
    from mayfly.config.assume_role import policy, shortest_policy

    text = _text(path)
    try:
        # So that a long file with much white space is judged by what AWS counts.
        return policy(shortest_policy(text))
    except ValueError as reason:
        example = '{"Version": "2012-10-17", "Statement": [...]}'
        raise _refused(f"--policy {path}: {reason}", f"put a policy into the file, as: {example}") from None


def _text(path: str) -> str:
    from mayfly.shared import files

    try:
        return files.read_plain_file(path, _MAX_FILE_BYTES).decode()
    except files.Unreadable as reason:
        raise _refused(f"--policy {path}: {reason}", "name a plain file") from None
    except OSError as reason:
        raise _refused(f"--policy {path}: cannot be read: {reason.strerror}") from None
    except ValueError:
        raise _refused(f"--policy {path}: is no text in UTF-8") from None


def _refused(text: str, *hints: str) -> speech.Stop:
    return speech.Stop(speech.WRONG_USAGE, text, hints=hints)
