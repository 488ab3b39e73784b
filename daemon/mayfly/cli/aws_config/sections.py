"""The sections of `~/.aws/config`, and Mayfly's block among them. Pure: texts in, texts out.

Law: the text outside the block stays as it is, byte for byte; the text inside is ours.
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

# Characters that mean the same between single quotes inside double quotes to shlex (botocore), to sh (Go, JS, Java,
# Rust) and to readers of INI files, some of which take " #" and " ;" for a comment.
_PLAIN_PATH = re.compile(r"[^\x00-\x1f\x7f'\"`$\\!;#]+")
_NAME = re.compile(r"[A-Za-z0-9._-]+")

_PLACE = "http://mayfly/process/"
_TARGET = re.compile(rf"{_PLACE}({_NAME.pattern})")


class Unmergeable(Exception):
    """The lines that begin and end the block are not as we wrote them."""


class Unquotable(ValueError):
    """A path has a character that some SDK would misread."""


class Entry(NamedTuple):
    """A profile for the file."""

    name: str
    region: str | None
    process: str


class Merged(NamedTuple):
    """The new text, the names that were left out because others have them, and the names that were removed."""

    text: str
    foreign: list[str]
    removed: list[str]


def process_line(socket: str, command: Sequence[str], profile: str, *, curl: str | None = "curl") -> str:
    """The `credential_process` for `profile`: `curl` on the control socket, else the command, which explains a failure.

    Without `curl` it is the command alone. botocore splits the line as a POSIX shell does and runs `sh`; the other SDKs
    give it to `sh -c`. Raises Unquotable.
    """
    target = f"{_PLACE}{_plain(profile, _NAME)}"
    fallback = f"exec {' '.join(_quoted(word) for word in command)} credential-process {profile}"
    if curl is None:
        return f'sh -c "{fallback}"'
    # -q: no ~/.curlrc. An answer may wait for a human: after 15 s the command asks again, and says so on stderr.
    limits = f"--connect-timeout 2 --max-time {CURL_SECONDS}"
    options = f"-q -sf --noproxy '*' {limits} --unix-socket {_quoted(socket)}"
    return f'sh -c "{_quoted(curl)} {options} {target} 2>/dev/null || {fallback}"'


def block(entries: Iterable[Entry]) -> str:
    """The block with these entries, from its first to its last line; empty without entries."""
    parts = [_section(entry) for entry in entries]
    return "\n".join([BEGIN, *"\n\n".join(parts).split("\n"), END, ""]) if parts else ""


def merge(text: str, entries: Sequence[Entry]) -> Merged:
    """`text` with a block of `entries` in the place of the old block, or at its end; raises Unmergeable."""
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
    """The block's profiles: Mayfly's name and the region by AWS's name; and the names outside the block."""

    profiles: dict[str, tuple[str, str | None]]
    foreign: list[str]


def written(text: str) -> Written:
    """What an earlier `merge` has written into `text`; raises Unmergeable."""
    before, block, after = _split(text)
    profiles = {
        name: (found[1], _region_in(body)) for name, body in _sections(block) if (found := _TARGET.search(body))
    }
    return Written(profiles, section_names(before) + section_names(after))


def foreign(text: str) -> str:
    """The text outside the block; all of `text` if the block cannot be told."""
    try:
        before, _, after = _split(text)
    except Unmergeable:
        return text
    return before + after


def _region_in(body: str) -> str | None:
    found = re.search(r"(?m)^region = (.+)$", body)
    return found[1] if found else None


def section_names(text: str) -> list[str]:
    """The profiles that have a section in `text`, by the names that the AWS CLI uses."""
    return [name for name, _ in _sections(text)]


def keys_in(text: str) -> set[str]:
    """The profiles of a credentials file that have static keys, which SDKs take before a credential_process."""
    return {name for name, body in _sections(text) if re.search(r"(?im)^\s*aws_access_key_id\s*=", body)}


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Name and body of each section."""
    heads = list(re.finditer(r"(?m)^[ \t]*\[([^\n]+)\]", text))
    for place, head in enumerate(heads):
        end = heads[place + 1].start() if place + 1 < len(heads) else len(text)
        yield profile_of(head[1]), text[head.end() : end]


def profile_of(head: str) -> str:
    """The profile of a section's head: nsrc for `profile nsrc`, `profile "nsrc"` and, in a credentials file, `nsrc`."""
    try:
        words = shlex.split(head)
    except ValueError:
        words = head.split()
    return words[1] if len(words) == 2 and words[0] == "profile" else head.strip()


def _split(text: str) -> tuple[str, str, str]:
    """The text before the block, the block, and the text after it; without a block, all text is before it."""
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
    """The line ends that put an empty line between `before` and the block."""
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
    if not (allowed.fullmatch(text) and text.isprintable()):
        raise Unquotable(f"{text!r} has characters that cannot stand in ~/.aws/config")
    return text
