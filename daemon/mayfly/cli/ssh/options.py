"""ssh's options: those that a user gives after `--`, and the configuration that ssh has with them."""

from __future__ import annotations

import getopt
import os
import re
import socket
import subprocess

from collections.abc import Sequence
from contextlib import suppress
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
_WILDCARDS = {"", "*"}


class Options(NamedTuple):
    """Options for each ssh of ours."""

    words: list[str]

    def with_needed(self, effective: dict[str, list[str]]) -> list[str]:
        """The options, and what changes the configuration in effect into what we need. ssh takes the first of two."""
        needed = [f"-o{name}={value}" for name, value in _NEEDED.items() if effective.get(name, [value]) != [value]]
        if effective.get("serveraliveinterval") == ["0"]:
            needed.append(f"-oServerAliveInterval={_ALIVE_SECONDS}")
        return [*needed, *self.words]


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
        # Without a command, ForkAfterAuthentication would be an error; with one, RemoteCommand.
        [*("ssh", "-G", "-oRemoteCommand=none"), *words, "--", host, "true"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
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
        if bound and _is_wildcard(bound[1]):
            text = f"a forward that all can reach on that host is refused (-R or RemoteForward): {forward}"
            raise _refused(text, "leave out its address: -R 8080:localhost:80")


def _is_wildcard(host: str) -> bool:
    """True for every address, also as `0` or `0::0`."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError, ValueError):
            packed = socket.inet_aton(host) if family is socket.AF_INET else socket.inet_pton(family, host)
            return not any(packed)
    return host in _WILDCARDS


def _refused(text: str, *hints: str) -> speech.Stop:
    return speech.Stop(speech.WRONG_USAGE, text, hints=hints)
