"""The MFA device's serial: by option, by a field of the item, by `~/.aws/config`, by AWS, or by the person."""

from __future__ import annotations

import argparse
import os

from collections.abc import Sequence
from typing import NamedTuple

from mayfly.cli import speech
from mayfly.cli.init.asking import OnePasswordCli
from mayfly.cli.init.items import Item
from mayfly.cli.init.picks import Picked, Picker
from mayfly.cli.init.talk import Talk
from mayfly.config import values
from mayfly.config.sts_endpoint import followed_endpoint
from mayfly.config.values import is_loopback_url
from mayfly.shared.errors import AwsError


EXAMPLE = "arn:aws:iam::123456789012:mfa/NAME"


class Serial(NamedTuple):
    """The value of `mfa_id` in the config, and its source."""

    value: str
    source: str


def arguments(parser: argparse.ArgumentParser) -> None:
    """The option that answers for the person."""
    parser.add_argument("--mfa-id", metavar="ARN", help=f"the MFA device ({EXAMPLE}), if neither item nor AWS tell it")


def check(given: argparse.Namespace) -> None:
    """Raise Stop for an option that names no MFA device, before anybody is asked."""
    if given.mfa_id and (reason := problem(given.mfa_id)):
        raise speech.Stop(speech.WRONG_USAGE, f"--mfa-id {reason}")


class Signer(NamedTuple):
    """The access key by which AWS is asked, and the region that tells the partition."""

    key: Picked
    secret: Picked
    region: str


def find(
    given: argparse.Namespace,
    picker: Picker,
    op: OnePasswordCli,
    talk: Talk,
    signer: Signer,
    items: Sequence[Item],
    known: str,
) -> Serial:
    """The serial; `known` is that of `~/.aws/config`, or "". Raises Stop if nobody tells it."""
    if given.mfa_id:
        return Serial(given.mfa_id, "")
    if picked := picker.serial(*items):
        return Serial(picked.reference, picked.field.shown)
    if known and problem(known) is None:
        return Serial(known, "from ~/.aws/config")
    return _by_aws(op, talk, signer)


def problem(text: str) -> str | None:
    """Why the config would not take it for an MFA device, or None."""
    try:
        values.mfa_device(text)
    except ValueError as reason:
        return str(reason)
    return None


def _by_aws(op: OnePasswordCli, talk: Talk, signer: Signer) -> Serial:
    """The device that AWS names. If AWS names several or none, the one that the person names."""
    devices: list[str] = []
    reason = _reason_not_to_ask()
    if reason is None:
        speech.say("neither the item nor ~/.aws/config names the MFA device: asking AWS (ListMFADevices)")
        try:
            devices = op.mfa_serials(signer.key.item.overview, signer.key.field, signer.secret.field, signer.region)
            reason = "AWS knows no MFA device of this user that gives one-time passwords"
        except AwsError as error:
            reason = error.sentence()
    if len(devices) == 1:
        speech.say(f"AWS names {devices[0]}")
        return Serial(devices[0], "from AWS")
    if not talk.asks:
        raise _stop(devices, reason)
    if devices:
        return Serial(talk.choose("MFA devices of this user:", devices, str), "from AWS")
    speech.warning(reason)
    return Serial(talk.ask(f"ARN of the MFA device, like {EXAMPLE}", None, "--mfa-id ARN", problem), "")


def _reason_not_to_ask() -> str | None:
    """Why AWS is not asked: the endpoint that the environment names is not followed, or STS is a stand-in."""
    named, sts = os.environ.get("AWS_ENDPOINT_URL_IAM"), os.environ.get("AWS_ENDPOINT_URL_STS")
    if named and not followed_endpoint(named, "iam"):
        return "AWS_ENDPOINT_URL_IAM is not followed: it names neither this machine nor AWS"
    if not named and sts and followed_endpoint(sts) and is_loopback_url(sts):
        return "AWS is not asked: AWS_ENDPOINT_URL_STS is on this machine, and AWS_ENDPOINT_URL_IAM is not set"
    return None


def _stop(devices: list[str], reason: str) -> speech.Stop:
    if devices:
        hints = tuple(f"--mfa-id {device}" for device in devices)
        return speech.Stop(speech.WRONG_USAGE, "AWS knows several MFA devices of this user: say which", hints=hints)
    return speech.Stop(
        speech.WRONG_USAGE,
        f"which MFA device gives the codes? {reason}",
        hints=(f"nothing was written: name it by --mfa-id {EXAMPLE}   (IAM console > Security credentials)",),
    )
