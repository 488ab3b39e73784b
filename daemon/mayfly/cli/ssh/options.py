"""ssh's options: those that a user gives after `--`, and the configuration that ssh has with them."""

from __future__ import annotations

import getopt
import os
import re
import subprocess

from collections.abc import Sequence
from typing import NamedTuple

from mayfly.cli import speech


# ssh(1), OpenSSH 10. Those with a colon take a value.
_LETTERS = "1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYy"
# These make another kind of connection, or ask ssh about itself.
_OTHER_KINDS = frozenset("fGMNnOQSsTtVW")

# What ssh_config(5) may hold for a host, and what we need instead.
_NEEDED = {"sessiontype": "default", "stdinnull": "no", "forkafterauthentication": "no"}
# A connection that is dead is noticed after three of these. By default ssh would wait for hours.
_ALIVE_SECONDS = 30

# Hosts to which a server binds a forwarded port when it is to be reached from everywhere.
_WILDCARDS = {"", "*", "0.0.0.0", "::"}  # noqa: S104 - refused


class Options(NamedTuple):
    """Options for each ssh of ours."""

    words: list[str]

    def more(self, effective: dict[str, list[str]]) -> list[str]:
        """Options in addition, so that the configuration in effect becomes what we need."""
        more = [f"-o{name}={value}" for name, value in _NEEDED.items() if effective.get(name, [value]) != [value]]
        if effective.get("serveraliveinterval") == ["0"]:
            more.append(f"-oServerAliveInterval={_ALIVE_SECONDS}")
        return more


def parse(words: Sequence[str]) -> Options:
    """The user's options; raises Stop for those that have no place here."""
    try:
        found, rest = getopt.getopt(list(words), _LETTERS)
    except getopt.GetoptError as reason:
        raise _refused(f"ssh's options: {reason}") from None
    if rest:
        raise _refused(f"{rest[0]}: only ssh's options follow --", "run the command in the shell that opens")
    for option, _ in found:
        if option[1:] in _OTHER_KINDS:
            raise _refused(f"ssh's option {option} has no place here", "leave it out")
    return Options([option + value for option, value in found])


def effective(words: Sequence[str], host: str) -> dict[str, list[str]]:
    """The configuration that ssh has for `host` with these options: values by lowercase names.

    Raises Stop if ssh does not take them, or if a forwarded port could be reached from everywhere.
    """
    done = subprocess.run(
        [*("ssh", "-G"), *words, "--", host], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    said = os.fsdecode(done.stderr).strip()
    if done.returncode:
        raise _refused(f"ssh takes neither these options nor this host: {said or done.returncode}")
    found: dict[str, list[str]] = {}
    for line in os.fsdecode(done.stdout).splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    _refuse_wildcards(found)
    return found


def _refuse_wildcards(found: dict[str, list[str]]) -> None:
    if found.get("gatewayports", ["no"]) != ["no"]:
        text = "ssh is told to let others use forwarded ports (-g, or GatewayPorts in its configuration)"
        raise _refused(text, "leave it out; where a config file has it: -- -o GatewayPorts=no")
    for forward in found.get("remoteforward", []):
        # `[*]:8080 [localhost]:80`, `8080 [localhost]:80`, `/a/socket [localhost]:80`
        bound = re.match(r"\[(.*)\]:\d+ ", forward)
        if bound and bound[1] in _WILDCARDS:
            text = f"a forward that all can reach on that host is refused (-R or RemoteForward): {forward}"
            raise _refused(text, "leave out its address: -R 8080:localhost:80")


def _refused(text: str, *hints: str) -> speech.Stop:
    return speech.Stop(speech.WRONG_USAGE, text, hints=hints)
