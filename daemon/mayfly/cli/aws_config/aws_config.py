"""`mayfly aws-config`: profiles for `~/.aws/config`, so that AWS_PROFILE and `--profile` work in every program."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from pathlib import Path

from mayfly.cli import speech
from mayfly.cli.aws_config import aws_paths, regions, sections, shadows
from mayfly.cli.aws_config.aws_paths import config_file, credentials_file
from mayfly.cli.aws_config.process_line import Unquotable, process_line
from mayfly.cli.aws_config.rewriting import rewrite
from mayfly.cli.aws_config.sections import Entry, Merged
from mayfly.config import document
from mayfly.config.document import Document
from mayfly.config.region import region_of
from mayfly.shared import paths, programs
from mayfly.shared.files import Unreadable


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--write", action="store_true", help="write them into ~/.aws/config (or $AWS_CONFIG_FILE)")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="with --write: also sections that you wrote; removes their keys by which SDKs find credentials",
    )
    parser.add_argument("--prefix", metavar="P", default="", help="put P before each profile's name")
    parser.add_argument("--remove", action="store_true", help="take out what --write has written, and nothing else")


def run(given: argparse.Namespace) -> int:
    """Print the profiles, or write them."""
    if given.replace and not given.write:
        raise speech.Stop(speech.WRONG_USAGE, "--replace is for --write: mayfly aws-config --write --replace")
    if given.remove:
        if given.write or given.prefix:
            raise speech.Stop(speech.WRONG_USAGE, "--remove takes out the profiles of every prefix, and writes none")
        return remove()
    found = document.read(paths.config_file(given.config))
    try:
        entries = entries_for(found, prefix=given.prefix)
        printed = sections.block(entries)
    except Unquotable as reason:
        way_out = 'eval "$(mayfly env)" needs no file' if not given.prefix else "choose another --prefix, like mayfly-"
        raise speech.Stop(speech.WRONG_USAGE, str(reason), hints=(way_out,)) from None
    if not entries:
        raise speech.Stop(speech.WRONG_USAGE, f"{found.path}: has no profiles")
    if given.write:
        return _write(entries, given)
    speech.print_file(printed)
    return speech.DONE


def entries_for(found: Document, *, prefix: str = "") -> list[Entry]:
    """An entry for each configured profile; raises Unquotable, or ConfigInvalid for an untrusted folder."""
    socket, command, curl = str(paths.lasting_control_socket()), own_command(), _curl()
    return [
        Entry(f"{prefix}{name}", region, process_line(socket, command, name, curl=curl))
        for name, region in _regions(found, _text(), prefix).items()
    ]


def is_behind(found: Document) -> bool:
    """True if `--write` has been used, and would now write other profiles or regions."""
    text = _text()
    written = sections.written(text)
    # The prefix of the first profile is that of all, also of profiles that have been added since.
    prefix = next((name.removesuffix(profile) for name, (profile, _) in written.profiles.items()), "")
    wanted = {f"{prefix}{name}": (name, region) for name, region in _regions(found, text, prefix).items()}
    return bool(written.profiles) and written.profiles != {
        name: entry for name, entry in wanted.items() if name not in written.foreign
    }


def own_command() -> tuple[str, ...]:
    """The words that run this `mayfly` from any folder."""
    called = Path(sys.argv[0]).absolute()
    beside = Path(sys.executable).with_name("mayfly")
    for candidate in (called, beside):
        if candidate.name == "mayfly" and candidate.is_file():
            return (str(candidate),)
    # -P: a folder called mayfly in the current folder is not this package.
    return (sys.executable, "-P", "-m", "mayfly")


def _curl() -> str | None:
    """The curl to write into the line; None, with a warning, where there is none that nobody else can change."""
    try:
        return str(programs.find("curl", os.environ))
    except programs.NotFound as reason:
        speech.warning(f"{reason}: the profiles work without it, more slowly")
        return None


def _regions(found: Document, text: str, prefix: str) -> dict[str, str]:
    """The region of each profile, because SDKs read it from the profile's own section alone.

    If the config names no region, a region in the section stays: the user may have put it there. A new section has that
    of [default], as in a shell without a profile, or the fallback.
    """
    there = sections.regions(text)
    default = None if "default" in sections.written(text).profiles else shadows.region_in(text)
    names = found.tables("profiles")
    return {
        name: region_of(found, name) or there.get(f"{prefix}{name}") or default or regions.fallback(found, name)
        for name in names
    }


def _text() -> str:
    """The text of `~/.aws/config`; empty if it cannot be read, which `--write` reports."""
    try:
        return _as_text(aws_paths.read(Path(config_file(os.environ))))
    except (OSError, Unreadable):
        return ""


def _as_text(content: bytes) -> str:
    # surrogateescape: bytes that are no UTF-8 are written back as they are.
    return content.decode(errors="surrogateescape")


def _write(entries: list[Entry], given: argparse.Namespace) -> int:
    path = Path(aws_paths.to_change(config_file(os.environ)))
    text, merged, backup = _merge(path, entries, _again(given), replace_foreign=given.replace)
    written = [entry.name for entry in entries if entry.name not in merged.foreign]
    _tell(path, written, merged, is_changed=merged.text != text, backup=backup)
    return _complain(path, written, merged)


def _again(given: argparse.Namespace) -> str:
    """The command that writes the same."""
    options = {"--prefix": given.prefix, "--config": given.config}
    named = [word for option, value in options.items() if value for word in (option, value)]
    return shlex.join(["mayfly", "aws-config", "--write", *(["--replace"] if given.replace else []), *named])


def remove() -> int:
    """Take our sections out of `~/.aws/config`, by the rule by which `--write` knows them; works without a config."""
    path = Path(aws_paths.to_change(config_file(os.environ)))
    text, merged, backup = _merge(path, [], "mayfly aws-config --remove")
    if merged.text == text:
        speech.say(f"{path}: has no profile of mayfly's")
    else:
        _tell_removed(path, merged, backup)
    return speech.DONE


def _merge(
    path: Path, entries: list[Entry], again: str, *, replace_foreign: bool = False
) -> tuple[str, Merged, Path | None]:
    """Put the entries into the file, and take out our others. Returns the former text, the changes and the backup.

    `again` is the command that does the same.
    """
    try:
        text = _as_text(_content(path))
        merged = sections.merge(text, entries, replace=replace_foreign)
        backup = rewrite(Path(os.path.realpath(path)), text, merged.text, again=again) if merged.text != text else None
    except sections.Unmergeable as reason:
        raise speech.Stop(speech.FAILED, f"{path}: {reason}", hints=(f"nothing was written: mend {path}",)) from None
    except Unreadable as reason:
        raise speech.Stop(speech.FAILED, f"{path} {reason}", hints=(f"nothing was written: mend {path}",)) from None
    except OSError as reason:
        way_out = f"to write another file: AWS_CONFIG_FILE=/a/file {again}" if entries else f"mend that, then: {again}"
        hints = (f"nothing was written; {way_out}",)
        raise speech.Stop(speech.FAILED, f"{reason.filename or path}: {reason.strerror}", hints=hints) from None
    return text, merged, backup


def _content(path: Path) -> bytes:
    """The bytes of the file, none if there is none; another error than that is raised, also for a link to itself."""
    try:
        return aws_paths.read(path)
    except FileNotFoundError:
        return b""


def _tell(path: Path, written: list[str], merged: Merged, *, is_changed: bool, backup: Path | None) -> None:
    if not is_changed:
        speech.say(f"{path}: nothing changed")
        return
    speech.say(f"{path}: wrote {', '.join(written) or 'nothing'}")
    _tell_removed(path, merged, backup)
    if written:
        speech.hint(f"try it: aws --profile {written[0]} sts get-caller-identity")


def _tell_removed(path: Path, merged: Merged, backup: Path | None) -> None:
    if merged.removed:
        speech.say(f"{path}: removed {', '.join(merged.removed)}")
    for name, keys in merged.lost.items():
        speech.warning(f"{path}: with {name} went your {', '.join(keys)}: the backup has them")
    for name, keys in merged.dropped.items():
        speech.say(f"{path}: took {', '.join(keys)} out of {name}")
    if backup:
        speech.say(f"the file as it was before: {backup}")


def _complain(path: Path, written: list[str], merged: Merged) -> int:
    """Report profiles that could not be written, or will not be used; the exit code."""
    for name in merged.foreign:
        speech.error(f"{path}: has a profile {name} that mayfly did not write, and keeps it")
    if merged.foreign:
        speech.hint("remove it there, or choose other names: mayfly aws-config --write --prefix mayfly-")
        speech.hint("or replace how it finds credentials, and nothing else: mayfly aws-config --write --replace")
    for name, keys in merged.winning.items():
        speech.error(f"{path}: {name} has {', '.join(keys)}, which SDKs take before credential_process")
    if merged.winning:
        speech.hint("take it out: mayfly aws-config --write --replace")
    credentials = credentials_file(os.environ)
    shadowed = {name: keys for name, keys in _static_keys().items() if name in written}
    for name, keys in shadowed.items():
        speech.error(f"{credentials}: has {_what(keys)} for {name}, which win over credential_process")
    for name in shadowed:
        speech.hint(f"when they are in 1Password, remove them: delete [{name}] and its lines from {credentials}")
    return speech.FAILED if merged.foreign or merged.winning or shadowed else speech.DONE


def _what(keys: list[str]) -> str:
    return "keys" if "aws_access_key_id" in keys else ", ".join(keys)


def _static_keys() -> dict[str, list[str]]:
    try:
        return sections.keys_in(aws_paths.read(Path(credentials_file(os.environ))).decode(errors="replace"))
    except (OSError, Unreadable):
        return {}
