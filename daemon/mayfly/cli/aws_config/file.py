"""Mayfly's block in `~/.aws/config`. Pure: texts in, texts out.

Law: whatever stands outside the block stays as it is, byte for byte; inside it, everything is ours.
"""

from __future__ import annotations

import re
import shlex

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


BEGIN = "# >>> mayfly: what stands here is rewritten by 'mayfly aws-config --write' >>>"
END = "# <<< mayfly <<<"

# Go and Kotlin end a process after 60 s, Rust after 21: early enough for all of them to show what the command says.
CURL_SECONDS = 15

# What means the same, or nothing, between single quotes inside double ones to shlex (botocore), to sh (Go, JS, Java,
# Rust), and to the INI readers, of which some take " #" and " ;" for a comment.
_PLAIN_PATH = re.compile(r"[^\x00-\x1f\x7f'\"`$\\!;#]+")
_NAME = re.compile(r"[A-Za-z0-9._-]+")

_PLACE = "http://mayfly/process/"
_TARGET = re.compile(rf"{_PLACE}({_NAME.pattern})")


class Unmergeable(Exception):
    """The block's own marks are not as we left them."""


class Unquotable(ValueError):
    """A path has a character that one of the SDKs would misread."""


class Entry(NamedTuple):
    """A profile as it is to stand in the file."""

    name: str
    region: str | None
    process: str


class Merged(NamedTuple):
    """A new text, the names that were left out because somebody else has them, and those that went."""

    text: str
    foreign: list[str]
    removed: list[str]


def process_line(socket: str, command: Sequence[str], profile: str) -> str:
    """The `credential_process` for `profile`: curl on the control socket, or the command, which can speak.

    Every SDK understands it: botocore splits it as a POSIX shell would and runs `sh`, the others hand it to `sh -c`.
    Raises Unquotable.
    """
    target = f"{_PLACE}{_plain(profile, _NAME)}"
    # -q: no ~/.curlrc. An answer may wait for a human: after 15 s the command asks again, which says so on stderr.
    limits = f"--connect-timeout 2 --max-time {CURL_SECONDS}"
    curl = f"curl -q -sf --noproxy '*' {limits} --unix-socket {_quoted(socket)} {target} 2>/dev/null"
    fallback = f"exec {' '.join(_quoted(word) for word in command)} credential-process {profile}"
    return f'sh -c "{curl} || {fallback}"'


def block(entries: Iterable[Entry]) -> str:
    """The block with these entries, marks and all, with a newline at its end."""
    sections = [_section(entry) for entry in entries]
    return "\n".join([BEGIN, *"\n\n".join(sections).split("\n"), END, ""]) if sections else ""


def merge(text: str, entries: Sequence[Entry]) -> Merged:
    """`text` with a block of `entries` in the place of the old one, or at its end; raises Unmergeable."""
    before, old, after = _split(text)
    theirs = set(section_names(before)) | set(section_names(after))
    ours = [entry for entry in entries if entry.name not in theirs]
    new = block(ours)
    if new and not old:
        before += _gap(before)
    gone = set(section_names(old)) - {entry.name for entry in ours}
    return Merged(
        text=before + new + after,
        foreign=[entry.name for entry in entries if entry.name in theirs],
        removed=sorted(gone - theirs),
    )


class Written(NamedTuple):
    """What stands in the block: Mayfly's profile and its region, by the name that AWS knows; and others' names."""

    profiles: dict[str, tuple[str, str | None]]
    foreign: list[str]


def written(text: str) -> Written:
    """What an earlier `merge` has left in `text`; raises Unmergeable."""
    before, block, after = _split(text)
    profiles = {
        name: (found[1], _region_in(body)) for name, body in _sections(block) if (found := _TARGET.search(body))
    }
    return Written(profiles, section_names(before) + section_names(after))


def foreign(text: str) -> str:
    """What stands outside the block; all of it where that cannot be told."""
    try:
        before, _, after = _split(text)
    except Unmergeable:
        return text
    return before + after


def _region_in(body: str) -> str | None:
    found = re.search(r"(?m)^region = (.+)$", body)
    return found[1] if found else None


def section_names(text: str) -> list[str]:
    """The profiles that have a section in `text`, as the CLI would call them."""
    return [name for name, _ in _sections(text)]


def keys_in(text: str) -> set[str]:
    """The profiles of a credentials file that have static keys, which every SDK prefers to a process."""
    return {name for name, body in _sections(text) if re.search(r"(?im)^\s*aws_access_key_id\s*=", body)}


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Every section's name and body."""
    heads = list(re.finditer(r"(?m)^[ \t]*\[([^\n]+)\]", text))
    for place, head in enumerate(heads):
        end = heads[place + 1].start() if place + 1 < len(heads) else len(text)
        yield profile_of(head[1]), text[head.end() : end]


def profile_of(head: str) -> str:
    """`profile nsrc`, `profile "nsrc"` and, in a credentials file, `nsrc` all are nsrc."""
    try:
        words = shlex.split(head)
    except ValueError:
        words = head.split()
    return words[1] if len(words) == 2 and words[0] == "profile" else head.strip()


def _split(text: str) -> tuple[str, str, str]:
    """What is before the block, the block, what is after it; a text without one is all before."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    begins = [place for place, line in enumerate(lines) if line.strip() == BEGIN]
    ends = [place for place, line in enumerate(lines) if line.strip() == END]
    if not begins and not ends:
        return text, "", ""
    if len(begins) != 1 or len(ends) != 1 or begins > ends:
        raise Unmergeable(f"the lines {BEGIN!r} and {END!r} must stand there once each, in this order")
    first, last = begins[0], ends[0] + 1
    return "".join(lines[:first]), "".join(lines[first:last]), "".join(lines[last:])


def _gap(before: str) -> str:
    """What sets the block off from the text before it: an empty line."""
    if not before or before.endswith("\n\n"):
        return ""
    return "\n" if before.endswith("\n") else "\n\n"


def _section(entry: Entry) -> str:
    head = "[default]" if entry.name == "default" else f"[profile {_plain(entry.name, _NAME)}]"
    region = [f"region = {_plain(entry.region, _NAME)}"] if entry.region else []
    return "\n".join([head, *region, f"credential_process = {entry.process}"])


def _quoted(path: str) -> str:
    return f"'{_plain(path, _PLAIN_PATH)}'"


def _plain(text: str, allowed: re.Pattern[str]) -> str:
    if not allowed.fullmatch(text):
        raise Unquotable(f"{text!r} has characters that cannot stand in ~/.aws/config")
    return text
