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

_HINT = "print the URL instead: mayfly console --print PROFILE"


def command(given: str | None) -> list[str]:
    """The command line of the browser, without a URL; raises Stop if there is none."""
    named = given if given is not None else os.environ.get("BROWSER", "")
    words = _words(named)
    if words:
        return [_found(words[0]), *words[1:]]
    for opener in _OPENERS:
        try:
            return [str(programs.find(opener, os.environ))]
        except programs.NotFound:
            continue
    text = f"no browser is known here: there is no {' and no '.join(_OPENERS)}"
    raise speech.Stop(speech.FAILED, text, hints=("name one: mayfly console --browser firefox PROFILE", _HINT))


def start(words: list[str], url: str) -> subprocess.Popen[bytes]:
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
        raise speech.Stop(speech.FAILED, f"{words[0]}: cannot be run: {reason.strerror}", hints=(_HINT,)) from None


def _words(named: str) -> list[str]:
    try:
        return shlex.split(named)
    except ValueError:
        raise speech.Stop(speech.WRONG_USAGE, "--browser has a quote that does not end") from None


def _found(program: str) -> str:
    try:
        return str(programs.find(program, os.environ))
    except programs.NotFound as reason:
        raise speech.Stop(speech.WRONG_USAGE, f"--browser: {reason}", hints=(_HINT,)) from None
