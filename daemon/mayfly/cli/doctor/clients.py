"""The SDKs and command lines on PATH that are too old for the endpoint, or for the token's file.

Each is asked for its version; all at once, each within a time. docs/sdks.md has the same versions, with what they lack.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mayfly.cli import environment
from mayfly.cli.doctor import programs_asked
from mayfly.cli.doctor.check import Check, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.cli.doctor.timing import Work
from mayfly.shared import programs


Version = tuple[int, ...]

NO_FILE = f"sends no token from {environment.TOKEN_FILE}: use 'mayfly env' and 'exec' without --token-file"
NO_ENDPOINT = "does not know the endpoint: use a profile of 'mayfly aws-config'"


class Client(NamedTuple):
    """A program that is asked by `words`.

    `pattern` finds in its answer what the program calls itself (first group) and the version that counts (second
    group). Before `oldest` it has the fault `lacks`. `upgrade` is the command that brings a newer one.
    """

    id: str
    program: str
    words: tuple[str, ...]
    pattern: str
    oldest: Version
    lacks: str
    upgrade: str = ""


# Sources: botocore's changelog 1.32.0 (AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE), the AWS CLI v2's 2.15.0; aws-sdk-go's
# 1.47.11, which Terraform's S3 backend left behind with 1.6.0; Debian's aws-sdk-core 3.168 was measured.
_BOTOCORE = (1, 32)
_PRINT_BOTOCORE = "import botocore; print('botocore/' + botocore.__version__)"
_PRINT_RUBY = "begin; require 'aws-sdk-core'; puts 'aws-sdk-core/' + Aws::CORE_GEM_VERSION; rescue LoadError; end"

CLIENTS = (
    Client("clients.aws", "aws", ("--version",), r"(aws-cli/(2[\d.]+))", (2, 15), NO_FILE),
    # Version 1 tells the botocore that it comes with.
    Client(
        "clients.aws",
        "aws",
        ("--version",),
        r"(aws-cli/1\S*).* botocore/([\d.]+)",
        _BOTOCORE,
        NO_FILE,
        "python3 -m pip install --upgrade awscli",
    ),
    Client(
        "clients.boto3",
        "python3",
        ("-c", _PRINT_BOTOCORE),
        r"(botocore/([\d.]+))",
        _BOTOCORE,
        NO_FILE,
        "python3 -m pip install --upgrade boto3",
    ),
    Client("clients.terraform", "terraform", ("version",), r"(Terraform v([\d.]+))", (1, 6), NO_FILE),
    Client(
        "clients.ruby",
        "ruby",
        ("-e", _PRINT_RUBY),
        r"(aws-sdk-core/([\d.]+))",
        (3, 169),
        NO_ENDPOINT,
        "gem install aws-sdk-core",
    ),
)


def checks(facts: Facts) -> Iterator[Check]:
    """A check for each client on PATH; none for what is not there, or does not have the SDK."""
    questions = dict.fromkeys((client.program, client.words) for client in CLIENTS)
    asking = {question: Work(_call(facts, *question)) for question in questions}
    answers = {question: work.result(None) for question, work in asking.items()}
    for question, answer in answers.items():
        candidates = [client for client in CLIENTS if (client.program, client.words) == question]
        if answer and (check := judged(answer, candidates)):
            yield check


def judged(answer: programs_asked.Asked, candidates: list[Client]) -> Check | None:
    """The check of one answer; None if the program does not have the SDK."""
    name = candidates[0].id
    if answer.problem:
        return not_known(name, answer.problem)
    for client in candidates:
        if found := re.search(client.pattern, answer.output):
            called, version = found[1], tuple(int(part) for part in found[2].split(".") if part)
            if version < client.oldest:
                return warning(name, f"{called} {client.lacks}", client.upgrade)
            return ok(name, called)
    return None


def _call(facts: Facts, program: str, words: tuple[str, ...]) -> Callable[[], programs_asked.Asked | None]:
    def call() -> programs_asked.Asked | None:
        try:
            place = programs.find(program, facts.environ)
        except programs.NotFound:
            return None
        # Terraform would ask its maker for a newer version, and look for the plug-ins of the current folder.
        return programs_asked.ask((str(place), *words), {**facts.environ, "CHECKPOINT_DISABLE": "1"})

    return call
