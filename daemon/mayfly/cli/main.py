"""Runs the command that was asked for; the one place that knows exit codes.

Only this command's file is imported and only its parser is built, because each shell start-up runs `mayfly env`.
"""

from __future__ import annotations

import codecs
import errno
import os
import sys

from mayfly import __version__
from mayfly.cli import speech
from mayfly.shared import config_place, sudo
from mayfly.shared.errors import MayflyError
from mayfly.shared.users import user_name


TYPE_CHECKING = False  # typing costs every `aws` command some ms through credential-process
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


# Command, file, and what it does, in the order of a first day with Mayfly.
COMMANDS = (
    ("demo", "demo", "see Mayfly at work, without 1Password and AWS"),
    ("init", "init.init", "go from 1Password's items to a config and a first login"),
    ("serve", "serve", "run the daemon in the foreground"),
    ("env", "env", "print what a shell evaluates to use a profile"),
    ("exec", "exec", "run a command with a profile"),
    ("grant", "grant.grant", "give a program credentials for a while, perhaps narrowed"),
    ("grants", "grants", "list the grants: who has what, and until when"),
    ("revoke", "revoke", "end a grant now"),
    ("approve", "approve", "let a grant that asks have its credentials"),
    ("deny", "deny", "refuse a grant that asks"),
    ("ssh", "ssh.ssh", "open a shell on another host, with credentials"),
    ("login", "login", "get fresh credentials now, and wait for the human"),
    ("forget", "forget", "drop credentials from memory"),
    ("status", "status.status", "show which credentials are fresh, and what went wrong"),
    ("prompt", "prompt", "print a profile and its time left for a shell's prompt"),
    ("whoami", "whoami", "ask AWS who a profile is"),
    ("console", "console.console", "open the AWS console in the browser, signed in with a role"),
    ("doctor", "doctor.doctor", "say what is well, what is not, and what mends it"),
    ("credential-process", "credential_process", "print a profile's credentials for credential_process"),
    ("aws-config", "aws_config.aws_config", "print or write profiles for ~/.aws/config"),
    ("import-aws-config", "aws_config.import_aws_config", "make a config from the profiles in ~/.aws"),
    ("install", "install.install", "make the daemon a service of this user"),
    ("uninstall", "install.uninstall", "remove the service"),
    ("reload", "reload", "have the daemon read its changed config"),
    ("rotate", "rotate", "make new tokens, so that the old ones open nothing"),
    ("recipe", "recipe.recipe", "print what to paste into a container engine or an agent"),
    ("relay", "relay", "carry bytes from a container to the daemon, unchanged"),
    ("completion", "completion.completion", "print what a shell evaluates to complete mayfly's words"),
)

# They may work with the daemon of the user who called sudo.
UNDER_SUDO = {
    "env",
    "exec",
    "grant",
    "grants",
    "revoke",
    "login",
    "forget",
    "status",
    "prompt",
    "whoami",
    "console",
    "credential-process",
    "reload",
    "rotate",
    "doctor",
}


# Where the daemon and the config are, if not in the usual places. A grant's command does not inherit them.
_PLACES = ("MAYFLY_RUNTIME_DIR", "MAYFLY_CONFIG")

# The errors of a full disk or quota.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}

EXIT_CODES = """\
exit codes:
  0  done
  1  failed
  2  wrong usage or config
  3  the daemon does not run
  4  a human must act"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, by default the process's own; its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    try:
        code = _run(given)
        sys.stdout.flush()
    except speech.Stop as reason:
        return _report(reason)
    except MayflyError as problem:
        return _report(speech.stop_for(problem, *_sudo_hints(problem)))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has ended (`| head`), so nothing can be said.
        _drop_output()
        return 141
    except OSError as reason:
        return speech.report(_stop_for_system(reason))
    return code


def _report(reason: speech.Stop) -> int:
    """Print it. A grant's command may not find the daemon and config of the user's shell: the first hint says so."""
    grant = os.environ.get("MAYFLY_GRANT", "")
    is_lost = reason.exit_code == speech.NOT_RUNNING or config_place.MAKE_CONFIG in reason.hints
    if grant and is_lost and not any(os.environ.get(name) for name in _PLACES):
        inherits = f"inherits neither {' nor '.join(_PLACES)}"
        note = f"this runs in the grant {grant[:8]}, whose command {inherits}: try it outside"
        reason.hints = (note, *reason.hints)
    return speech.report(reason)


def _sudo_hints(problem: MayflyError) -> tuple[str, ...]:
    """Under sudo, the hint to run the command as the user who called it, if a file of that user's is the problem."""
    caller = sudo.sudo_uid()
    user = user_name(caller) if caller else ""
    is_theirs = bool(user) and f"belongs to {user}:" in problem.message and "without sudo" not in problem.message
    return (f"run it as {user}, without sudo",) if is_theirs else ()


def _prepare_streams() -> None:
    """Make both streams take every text.

    Python has None for a stream that was closed (`>&-`): /dev/null takes its place. A character that the locale's
    encoding lacks is written as its escape sequence, and our own … as three dots.
    """
    codecs.register_error("mayfly", _escaped)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - open until we end
        getattr(sys, name).reconfigure(errors="mayfly")


def _escaped(problem: UnicodeError) -> tuple[str, int]:
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    letters = problem.object[problem.start : problem.end].replace("…", "...")
    return letters.encode("ascii", "backslashreplace").decode("ascii"), problem.end


def _drop_output() -> None:
    """Send the rest of the output to /dev/null, so that no write fails at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop_for_system(reason: OSError) -> speech.Stop:
    """The Stop for a full disk, or a path that is closed to us (`sudo -u` keeps another user's HOME). Else a bug."""
    if reason.errno in _FULL:
        _drop_output()
        return speech.Stop(speech.FAILED, f"cannot write: {reason.strerror}")
    if reason.errno not in {errno.EACCES, errno.EPERM, errno.ELOOP} or reason.filename is None:
        raise reason
    hint = "check HOME and the XDG variables: another user's?"
    return speech.Stop(speech.FAILED, f"{reason.filename}: {reason.strerror}", hints=(hint,))


def _run(argv: list[str]) -> int:
    chosen, words = (argv[0], argv[1:]) if argv else ("", [])
    if chosen == "help" and words:
        # `mayfly help status` is `mayfly status --help`.
        chosen, words = words[0], ["--help"]
    if chosen in {"-h", "--help", "help"}:
        print(overview())
        return speech.DONE
    if chosen == "--version":
        print(f"mayfly {__version__}")
        return speech.DONE
    for name, file, does in COMMANDS:
        if name == chosen:
            return _run_command(name, file, does, words)
    raise _no_command(chosen)


def _run_command(name: str, file: str, does: str, words: list[str]) -> int:
    module = module_of(file)
    is_under_sudo = os.getuid() == 0 and name in UNDER_SUDO
    if hasattr(module, "run_for") and _is_plain(words, may_be_alone=hasattr(module, "MAY_BE_ALONE")):
        if is_under_sudo:
            sudo.accept_sudo_user()
        # argparse would take as long as a quarter of a bare interpreter.
        return int(module.run_for("".join(words)))
    from mayfly.cli import parser

    given = parser.parse(module, name, does, words)
    if is_under_sudo:
        sudo.accept_sudo_user()
    return int(module.run(given))


def _is_plain(words: list[str], *, may_be_alone: bool) -> bool:
    """True for one word that is no option, and for none where that has a meaning."""
    return (len(words) == 1 and words[0] != "" and not words[0].startswith("-")) or (may_be_alone and not words)


def module_of(file: str) -> ModuleType:
    """The module of a command, by its file in COMMANDS."""
    name = f"mayfly.cli.{file}"
    # importlib would import warnings: together a tenth of a bare interpreter.
    __import__(name)
    return sys.modules[name]


def _no_command(chosen: str) -> speech.Stop:
    if not chosen:
        print(overview(), end="\n\n", file=sys.stderr)
        return speech.Stop(speech.WRONG_USAGE, "a command is missing")
    if chosen.startswith("-"):
        return speech.Stop(
            speech.WRONG_USAGE, f"{chosen}: options follow the command", hints=("mayfly COMMAND --help",)
        )
    near = speech.did_you_mean(chosen, [name for name, _, _ in COMMANDS])
    return speech.Stop(speech.WRONG_USAGE, f"there is no command {chosen!r}{near}", hints=("mayfly --help",))


def overview() -> str:
    """The help of `mayfly` itself, with a line for each command."""
    width = max(len(name) for name, _, _ in COMMANDS)
    return "\n".join(
        (
            "usage: mayfly COMMAND ...",
            "",
            "Short-lived AWS credentials from 1Password, always fresh, for every terminal.",
            "",
            "commands:",
            *(f"  {name:<{width}}  {does}" for name, _, does in COMMANDS),
            "",
            "options:",
            f"  {'-h, --help':<{width}}  show this; after a COMMAND, what it takes",
            f"  {'--version':<{width}}  show the version",
            "",
            EXIT_CODES,
        )
    )
