"""Starts the browser that a person wants: `--browser`, else $BROWSER, else the desktop's."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

from mayfly.cli import speech
from mayfly.shared import programs


# What opens a URL in the desktop's browser. wslview is Windows's browser for WSL.
_OPENERS = ("open",) if sys.platform == "darwin" else ("xdg-open", "wslview")


def print_instead(profile: str) -> str:
    """The hint where no browser can be used."""
    return f"print the URL instead: mayfly console --print {profile}"


def command(given: str | None, profile: str) -> list[str]:
    """The command line of the browser, without a URL; raises Stop, with a hint about `profile`, if there is none."""
    if given is not None:
        return _line("--browser", given, profile)
    problem = None
    # As for xdg-open: several commands, of which the first that exists is taken.
    for named in filter(None, os.environ.get("BROWSER", "").split(":")):
        try:
            return _line("$BROWSER", named, profile)
        except speech.Stop as reason:
            problem = problem or reason
    if problem:
        raise problem
    for opener in _OPENERS:
        try:
            return [str(programs.find(opener, os.environ))]
        except programs.NotFound:
            continue
    text = f"no browser is known here: there is no {' and no '.join(_OPENERS)}"
    name_it = f"name one: mayfly console --browser firefox {profile}"
    raise speech.Stop(speech.FAILED, text, hints=(name_it, print_instead(profile)))


def start(words: list[str], url: str, profile: str) -> subprocess.Popen[bytes]:
    """Start the browser with `url` as its last word, or in the place of `%s`; raises Stop if it does not start."""
    line = [word.replace("%s", url) for word in words] if any("%s" in word for word in words) else [*words, url]
    try:
        # Its own session: a Ctrl-C here must not end the browser. It may outlive us, so our output is not its own.
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as reason:
        raise speech.Stop(
            speech.FAILED, f"{words[0]}: cannot be run: {reason.strerror}", hints=(print_instead(profile),)
        ) from None


def _line(source: str, named: str, profile: str) -> list[str]:
    """The words of a command, with the program's place; `source` has named it."""
    try:
        program, *words = shlex.split(named)
        return [str(programs.find(program, os.environ)), *words]
    except ValueError:
        text = f"{source} has a quote that does not end" if named.strip() else f"{source} names no program"
        raise speech.Stop(speech.WRONG_USAGE, text) from None
    except programs.NotFound as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"{source}: {reason}", hints=(print_instead(profile),)) from None
