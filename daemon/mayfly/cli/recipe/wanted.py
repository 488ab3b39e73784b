"""What a recipe is made of, and the words that several of them share."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from pathlib import Path
from typing import NamedTuple

from mayfly.cli import relay
from mayfly.cli.durations import format_duration, seconds_in
from mayfly.cli.target import Target
from mayfly.shared.grant import USUAL_SECONDS


# The relay's port. Each container has ports of its own.
PORT = 9170
SOCKET = "/run/mayfly/s"
TOKEN_FILE = "/run/secrets/mayfly"  # noqa: S105 - a path

RELAY_IMAGE = "python:3-alpine"
# Has an exit code of 0 once the relay listens: SDKs that are refused do not all ask again.
LISTENS = ("grep", "-q", f":{PORT:04X}", "/proc/net/tcp")

# Examples that need nothing but credentials.
CONTAINER = ("amazon/aws-cli", "sts", "get-caller-identity")
MCP_COMMAND = ("uvx", "awslabs.aws-api-mcp-server@latest")

# What an engine forbids.
SELINUX = "SELinux: label=disable lets a container connect to the socket; a relabelled mount (:z) does not."
DESKTOP = "Docker Desktop does not mount sockets for every user: there, add --docker-desktop to mayfly recipe."


class Recipe(NamedTuple):
    """The text to paste, and the hints that go with it."""

    text: str
    hints: tuple[str, ...] = ()


class Wanted(NamedTuple):
    """A profile, the grant's options as words, and what is to run with the grant."""

    profile: str
    region: str | None
    daemon_port: int
    options: tuple[str, ...]
    command: tuple[str, ...]
    is_desktop: bool
    label: str
    duration: str
    config: tuple[str, ...]

    @classmethod
    def of(cls, given: argparse.Namespace, chosen: Target) -> Wanted:
        """What the command line asks for."""
        return cls(
            profile=chosen.profile,
            region=chosen.region or chosen.fallback_region,
            daemon_port=chosen.port,
            options=_options(given),
            command=tuple(given.command),
            is_desktop=given.docker_desktop or sys.platform == "darwin",
            label=given.label or given.kind,
            duration=_duration(given.seconds),
            config=_config(given),
        )

    def grant(self, *more: str) -> tuple[str, ...]:
        """The words after `mayfly`; what is to run follows them."""
        return ("grant", self.profile, *self.options, *more, "--")

    @property
    def container(self) -> tuple[str, ...]:
        """The image, and its arguments."""
        return self.command or CONTAINER

    @property
    def mcp(self) -> tuple[str, ...]:
        """The words after `mayfly` for an MCP server that gets a grant."""
        return (*self.grant(), *(self.command or MCP_COMMAND))

    @property
    def ending(self) -> str:
        """A note on the end of a grant that an agent's server has."""
        return f"The grant ends with it, or after {self.duration}: then restart the server (--for 12h is the most)."

    @property
    def lasting(self) -> str:
        """A note on the end of a grant, for containers that go on after it."""
        return f"the grant ends after {self.duration}, and 12h is the most (--for 12h)"

    @property
    def url(self) -> str:
        """The endpoint, as a container sees it."""
        return f"http://127.0.0.1:{PORT}/credentials/{self.profile}"

    @property
    def delivery(self) -> tuple[str, ...]:
        """How the grant gets to a container: Docker Desktop's containers are in a virtual machine."""
        return () if self.is_desktop else ("--as", "socket")

    @property
    def relay(self) -> tuple[str, ...]:
        """The relay's command in a container."""
        to = f"tcp:host.docker.internal:{self.daemon_port}" if self.is_desktop else f"unix:{SOCKET}"
        return ("python3", "-I", "/relay.py", "--listen", f"127.0.0.1:{PORT}", "--to", to)

    @property
    def variables(self) -> dict[str, str]:
        """What an SDK in a container needs; the token is in a file."""
        region = {"AWS_REGION": self.region} if self.region else {}
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": TOKEN_FILE,
        } | region


def _options(given: argparse.Namespace) -> tuple[str, ...]:
    words = list(_config(given))
    words += ["--for", _duration(given.seconds)] if given.seconds != USUAL_SECONDS else []
    words += ["--read-only"] if given.read_only else []
    words += ["--view-only"] if given.view_only else []
    words += ["--policy-arn", *given.policy_arn] if given.policy_arn else []
    words += ["--policy", str(Path(given.policy).absolute())] if given.policy else []
    words += ["--label", given.label or given.kind]
    words += ["--as", given.delivery] if given.delivery else []
    return (*words, *(["--ask"] if given.ask else []))


def _duration(seconds: int) -> str:
    """As `--for` takes it: `8h`, `1h30m`."""
    text = format_duration(seconds).replace(" ", "")
    return text if seconds_in(text) == seconds else f"{seconds}s"


def _config(given: argparse.Namespace) -> tuple[str, ...]:
    return ("--config", str(Path(given.config).absolute())) if given.config else ()


def relay_file() -> str:
    """The file that a container runs: it needs nothing else of ours."""
    return str(Path(relay.__file__).absolute())


def shell(*words: str) -> str:
    """Words for a shell."""
    return shlex.join(words)


def quoted(value: str | list[str]) -> str:
    """A text or a list for YAML, TOML and JSON, which share this form."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
