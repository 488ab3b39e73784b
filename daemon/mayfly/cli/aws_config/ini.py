"""The lines, sections and keys of a file in `~/.aws`, as botocore reads it. Pure: texts in, texts out.

Law: a line is a comment, blank, a section's head, a key, or the continuation of a key: one that is indented deeper than
the key (configparser, https://docs.python.org/3/library/configparser.html#supported-ini-file-structure).
"""

from __future__ import annotations

import re
import shlex

from typing import NamedTuple


# Python's universal newlines: botocore opens the file as text.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_HEAD = re.compile(r"\[(.+)\]")
_KEY = re.compile(r"(.*?)\s*[=:]\s*(.*)", re.DOTALL)
_END = re.compile(r"[\r\n]*\Z")


class Problem(NamedTuple):
    """Why AWS's programs refuse the file, or read it in more than one way; `line` counts from 1."""

    line: int
    what: str


class Key(NamedTuple):
    """A key of a section, in lower case; `lines` are the places of its lines, without comments between them."""

    name: str
    value: str
    lines: tuple[int, ...]


class Section(NamedTuple):
    """A section: the text between its brackets, the places of its head and of the line after its last, its keys."""

    head: str
    first: int
    end: int
    keys: tuple[Key, ...]

    def value(self, name: str) -> str | None:
        """The value of the key `name`, or None; of a doubled key the last one."""
        return next((key.value for key in reversed(self.keys) if key.name == name), None)


class File(NamedTuple):
    """The lines with their line ends, the sections, and the problems in the order of their lines."""

    lines: list[str]
    sections: list[Section]
    problems: list[Problem]


def is_comment(line: str) -> bool:
    """True for a line that is a comment as a whole."""
    return line.strip()[:1] in ("#", ";")


def line_end(line: str) -> str:
    """The line's end: a line feed, CR LF, or nothing for a last line without one."""
    found = _END.search(line)
    return found[0] if found else ""


def indent(line: str) -> str:
    """The white space before the line's first character."""
    return line[: len(line) - len(line.lstrip())]


def config_profile(head: str) -> str | None:
    """The profile of a section of a config file by the head's text, or None: only [default] needs no `profile`."""
    head = head.partition("]")[0]  # botocore reads up to the last bracket of the line, most others to the first
    name = profile_of(head)
    return name if name == "default" or name != head.strip() else None


def profile_of(head: str) -> str:
    """The profile of a section's head: nsrc for `profile nsrc`, `profile "nsrc"` and, in a credentials file, `nsrc`."""
    words = _words(head)
    return words[1] if len(words) == 2 and words[0] == "profile" else head.strip()


def parse(text: str) -> File:
    """The file's sections. A text with problems is read as far as it can be."""
    return _Reader(text).file()


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = _LINE.findall(text)
        self._problems = list(_encoding_problems(text))
        self._sections: list[Section] = []
        self._keys: list[Key] = []
        self._head: tuple[str, int] | None = None
        self._indent = 0
        self._is_in_key = False

    def file(self) -> File:
        for place, line in enumerate(self._lines):
            if not is_comment(line):
                self._take(place, line)
        self._end_section(len(self._lines))
        self._sections = [section._replace(keys=tuple(map(_trimmed, section.keys))) for section in self._sections]
        return File(self._lines, self._sections, sorted([*self._problems, *_doubled(self._sections)]))

    def _take(self, place: int, line: str) -> None:
        words = line.strip()
        if not words:
            self._continue("", ())
        elif self._is_in_key and len(indent(line)) > self._indent:
            if _HEAD.match(words):  # aws configure takes it for a section, botocore for a part of the key above
                self._problems.append(Problem(place + 1, "is a [section] for some SDKs only: do not indent it"))
            self._continue(words, (place,))
        else:
            self._indent = len(indent(line))
            self._begin(place, words)

    def _continue(self, words: str, places: tuple[int, ...]) -> None:
        if self._is_in_key:
            name, value, lines = self._keys[-1]
            self._keys[-1] = Key(name, f"{value}\n{words}", lines + places)

    def _begin(self, place: int, words: str) -> None:
        if head := _HEAD.match(words):
            self._end_section(place)
            self._head, self._is_in_key = (head[1], place), False
            return
        found = _KEY.fullmatch(words)
        if self._head is None:
            self._problems.append(Problem(place + 1, "stands before the first [section]"))
        elif not (found and found[1]):
            self._problems.append(Problem(place + 1, "is neither a [section] nor a key with a value: it has no '='"))
        else:
            self._is_in_key = True
            self._keys.append(Key(found[1].lower(), found[2], (place,)))

    def _end_section(self, place: int) -> None:
        if self._head:
            self._sections.append(Section(*self._head, place, tuple(self._keys)))
        self._keys = []


def _trimmed(key: Key) -> Key:
    return key._replace(value=key.value.rstrip())


def _encoding_problems(text: str) -> list[Problem]:
    if text.startswith(("\udcff\udcfe", "\udcfe\udcff")) or "\0" in text:
        return [Problem(text.partition("\0")[0].count("\n") + 1, "is no UTF-8, but UTF-16 or binary: save it as UTF-8")]
    if text.startswith("\ufeff"):
        return [Problem(1, "begins with a byte order mark, which AWS's programs refuse: save it as UTF-8 without BOM")]
    return []


def _doubled(sections: list[Section]) -> list[Problem]:
    """A second section of a name, and a second key in a section: botocore refuses the file, others take one of them."""
    problems: list[Problem] = []
    firsts: dict[tuple[str, ...], int] = {}
    for section in sections:
        first = firsts.setdefault(tuple(_words(section.head)), section.first)
        if first != section.first:
            problems.append(Problem(section.first + 1, f"[{section.head}] is there already, in line {first + 1}"))
        places: dict[str, int] = {}
        for key in section.keys:
            first = places.setdefault(key.name, key.lines[0])
            if first != key.lines[0]:
                problems.append(
                    Problem(key.lines[0] + 1, f"[{section.head}] has {key.name} already, in line {first + 1}")
                )
    return problems


def _words(head: str) -> list[str]:
    try:
        return shlex.split(head)
    except ValueError:
        return head.split()
