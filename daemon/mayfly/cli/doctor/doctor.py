"""`mayfly doctor`: tells what works and what does not, with the command that mends it."""

from __future__ import annotations

import argparse
import os
import platform
import sys

from collections.abc import Callable, Iterable, Iterator

from mayfly import __version__
from mayfly.cli import speech
from mayfly.cli.doctor import (
    aws_files,
    clients,
    config_file,
    daemon,
    desk,
    environment,
    key_age,
    network,
    onepassword,
    otp_command,
    page,
    port,
    references,
    runtime_folder,
    sandbox,
    service,
)
from mayfly.cli.doctor.check import FAILURE, Check, failure, of_error, ok, warning
from mayfly.cli.doctor.facts import Facts, gather
from mayfly.cli.doctor.timing import Work
from mayfly.cli.terminal import Terminal
from mayfly.shared.errors import MayflyError
from mayfly.shared.text import failure_words


Subject = Callable[[Facts], Iterator[Check]]

# Longer than any subject needs on a busy machine. A disk or a name server that is silent ends the wait, not the doctor.
SUBJECT_SECONDS = 45


def _itself(_facts: Facts) -> Iterator[Check]:
    yield ok("mayfly", f"{__version__}, Python {platform.python_version()}, {platform.system()}")


# Each subject comes after those on which it depends.
SUBJECTS: tuple[tuple[str, Subject], ...] = (
    ("mayfly", _itself),
    ("config", config_file.checks),
    ("runtime", runtime_folder.checks),
    ("op", onepassword.checks),
    ("references", references.checks),
    ("otp-command", otp_command.checks),
    ("port", port.checks),
    ("service", service.checks),
    ("daemon", daemon.checks),
    ("environment", environment.checks),
    ("aws", aws_files.checks),
    ("network", network.checks),
    ("clients", clients.checks),
    ("desk", desk.checks),
    ("key-age", key_age.checks),
)
OF_SANDBOX: tuple[tuple[str, Subject], ...] = (("sandbox", sandbox.checks),)

# They wait for a person.
PATIENT = {"references"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help='{"checks": [{"id", "state", "message", "hint"}]}')
    parser.add_argument(
        "--sandbox", action="store_true", help="only what a program started here could reach besides what it is given"
    )
    parser.add_argument(
        "--ask", action="store_true", help="also read the references from 1Password, which may raise its prompt"
    )
    parser.epilog = "Ends with 1 if a check fails. docs/troubleshooting.md has every check."


def run(given: argparse.Namespace) -> int:
    """Make the checks, and show each as soon as it and those before it are there."""
    if given.sandbox and given.ask:
        raise speech.Stop(speech.WRONG_USAGE, "--ask has no meaning with --sandbox, which reads no reference")
    facts = gather(given.config, asks=given.ask)
    found = checks(OF_SANDBOX if given.sandbox else SUBJECTS, facts)
    made = list(found) if given.json else list(_shown(found))
    if given.json:
        speech.print_json({"checks": [check._asdict() for check in made]}, indent=2)
    return speech.FAILED if any(check.state == FAILURE for check in made) else speech.DONE


def checks(subjects: Iterable[tuple[str, Subject]], facts: Facts) -> Iterator[Check]:
    """The checks of all subjects, which work at the same time, in the order of the subjects."""
    working = [(name, Work(_call(name, subject, facts))) for name, subject in subjects]
    for name, work in working:
        made = work.result(None if name in PATIENT else SUBJECT_SECONDS)
        if made is None:
            made = [warning(name, f"not known: no answer within {SUBJECT_SECONDS} s")]
        yield from (check.cleaned() for check in made)


def _call(name: str, subject: Subject, facts: Facts) -> Callable[[], list[Check]]:
    """Makes a subject's checks. An error that stops all of them, such as a closed home, becomes one failed check."""

    def call() -> list[Check]:
        made: list[Check] = []
        try:
            made.extend(subject(facts))
        except MayflyError as reason:
            made.append(of_error(name, reason))
        except speech.Stop as reason:
            made.append(failure(name, "\n".join(reason.errors)))
        except OSError as reason:
            where = f"{reason.filename}: " if reason.filename else ""
            made.append(failure(name, f"cannot be looked at: {where}{failure_words(reason)}"))
        return made

    return call


def _shown(found: Iterable[Check]) -> Iterator[Check]:
    """Print the checks as they come, and their number at the end."""
    to = Terminal.at(sys.stdout, os.environ)
    made: list[Check] = []
    for check in found:
        made.append(check)
        for line in page.lines(check, to):
            print(line, flush=True)
        yield check
    print(f"\n{page.total(made)}")
