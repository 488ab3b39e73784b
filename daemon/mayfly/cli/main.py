"""Which command, and what its ending means: the one place that knows argparse and exit codes.

Only the chosen command's file is imported: a shell start-up runs `mayfly env`, and must not pay for the others.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from collections.abc import Sequence

from mayfly import __version__
from mayfly.cli import speech
from mayfly.errors import ConfigInvalid, MayflyError


# Command, its file, and what it does: in the order of a first day with Mayfly.
COMMANDS = (
    ("demo", "demo", "see all of it at work, with no 1Password and no AWS"),
    ("serve", "serve", "run the daemon in the foreground"),
    ("env", "env", "print what to eval, so that this shell uses a profile"),
    ("exec", "exec", "run a command with a profile"),
    ("login", "login", "get fresh credentials now, and wait for the human"),
    ("forget", "forget", "drop credentials from memory"),
    ("status", "status", "show what is fresh until when, what is next, what went wrong"),
    ("whoami", "whoami", "ask AWS who a profile is"),
    ("credential-process", "credential_process", "print a profile's credentials for credential_process"),
    ("aws-config", "aws_config", "print or write profiles for ~/.aws/config"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (by default the process's own); its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(given)
        sys.stdout.flush()
    except speech.Stop as reason:
        return speech.stop(reason)
    except ConfigInvalid as problem:
        return speech.stop(speech.Stop(speech.WRONG_USAGE, *problem.problems))
    except MayflyError as problem:
        code = speech.HUMAN_MUST_ACT if problem.needs_human else speech.FAILED
        return speech.stop(speech.Stop(code, problem.message, hints=(problem.hint,) if problem.hint else ()))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read us has gone (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _run(argv: list[str]) -> int:
    chosen = next((word for word in argv if not word.startswith("-")), "")
    arguments = _parser(chosen).parse_args(argv)
    return int(arguments.run(arguments))


def _parser(chosen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mayfly",
        description="Short-lived AWS credentials from 1Password, always fresh, for every terminal.",
        epilog="exit codes: 0 done, 1 failed, 2 wrong usage or config, 3 the daemon does not run, 4 a human must act",
    )
    parser.add_argument("--version", action="version", version=f"mayfly {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, file, help_text in COMMANDS:
        command = commands.add_parser(name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.")
        if name == chosen:
            command.add_argument("--config", metavar="FILE", help="the config (default: see the README)")
            module = importlib.import_module(f"mayfly.cli.{file}")
            module.arguments(command)
            command.set_defaults(run=module.run)
    return parser
