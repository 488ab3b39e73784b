"""The line by which an SDK gets a profile's credentials from Mayfly: written, and recognised in all its versions."""

from __future__ import annotations

import re

from collections.abc import Sequence

from mayfly.shared import config_words
from mayfly.shared.config_words import PLAIN_PATH, Unquotable, quoted


__all__ = ["NAME", "Unquotable", "plain", "process_line", "profile_of_line"]

NAME = re.compile(r"[A-Za-z0-9._-]+")

_PLACE = "http://mayfly/process/"

# Go and Kotlin end a process after 60 s, Rust after 21: early enough for all of them to show what the command says.
CURL_SECONDS = 15

# Every form that a version of Mayfly has written; the socket, curl and the command may differ. The oldest has a bare
# curl and no -P; a machine without curl has the command alone; later ones have a time limit.
_PATH = f"'{PLAIN_PATH.pattern}'"
_PROGRAM = rf"'(?:{PLAIN_PATH.pattern})?/mayfly'|{_PATH}(?: '-P')? '-m' 'mayfly'"
_COMMAND = rf"exec (?:{_PROGRAM}) credential-process "
_CURL = (
    rf"(?:curl|{_PATH}) -q -sf --noproxy '\*' --connect-timeout 2(?: --max-time 15)? --unix-socket {_PATH} "
    rf"{_PLACE}(?P<asked>{NAME.pattern}) 2>/dev/null \|\| "
)
_WRITTEN = re.compile(
    rf'sh -c "(?:{_CURL}{_COMMAND}(?P=asked)'
    rf'|{_COMMAND}(?P<alone>{NAME.pattern}))"'
)


def process_line(socket: str, command: Sequence[str], profile: str, *, curl: str | None = "curl") -> str:
    """The `credential_process` for `profile`: `curl` on the control socket, else the command, which explains a failure.

    Without `curl` it is the command alone. botocore splits the line as a POSIX shell does and runs `sh`; the other SDKs
    give it to `sh -c`. Raises Unquotable.
    """
    target = f"{_PLACE}{plain(profile)}"
    fallback = f"exec {' '.join(quoted(word) for word in command)} credential-process {profile}"
    if curl is None:
        return f'sh -c "{fallback}"'
    # -q: no ~/.curlrc. An answer may wait for a human: after 15 s the command asks again, and says so on stderr.
    limits = f"--connect-timeout 2 --max-time {CURL_SECONDS}"
    options = f"-q -sf --noproxy '*' {limits} --unix-socket {quoted(socket)}"
    return f'sh -c "{quoted(curl)} {options} {target} 2>/dev/null || {fallback}"'


def profile_of_line(line: str | None) -> str | None:
    """Mayfly's profile, if the whole `line` is as a version of Mayfly wrote it; None for others, also edited ones."""
    found = _WRITTEN.fullmatch(line or "")
    return (found["asked"] or found["alone"]) if found else None


def plain(name: str) -> str:
    """`name`, if it can stand in a section's head and in a shell's line as it is; raises Unquotable."""
    return config_words.plain(name, NAME)
