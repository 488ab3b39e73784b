"""The profiles that Mayfly writes into `~/.aws/config`, among the user's own. Pure: texts in, texts out.

Laws:
- a section is ours if its whole `credential_process` is as a version of Mayfly wrote it, and the section's name is the
  profile in that line, perhaps after a prefix. Comments do not mark our sections, because AWS's own writer (`aws
  configure set`) puts keys before or behind comments;
- in a section of ours the keys that we write are ours, and all others are the user's;
- comments stay, also if their key or section is removed. All other sections stay byte for byte, and keep their meaning.
"""

from __future__ import annotations

import re

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from mayfly.cli.aws_config import ini
from mayfly.cli.aws_config.ini import File, Key, Section
from mayfly.cli.aws_config.process_line import plain, profile_of_line
from mayfly.config.region import is_region


# Earlier versions put their profiles between these lines.
_MARKS = (
    "# >>> mayfly: what stands here is rewritten by 'mayfly aws-config --write' >>>",
    "# <<< mayfly <<<",
)

PROCESS = "credential_process"

# The keys by which SDKs find credentials. Beside role_arn botocore ignores a credential_process.
_CREDENTIALS = re.compile(
    r"role_arn|source_profile|credential_source|mfa_serial|sso_.*|web_identity_.*|aws_.*_key.*|aws_session_token"
    r"|aws_security_token|login_session|credential_process"
)
# Those that are enough for an SDK to pass over a credential_process.
_WINNERS = re.compile(
    r"role_arn|sso_session|sso_start_url|sso_account_id|sso_role_name|web_identity_token_file|aws_access_key_id|login_session"
)
_COMMENT_BEHIND = re.compile(r"\s([#;].*)")


class Unmergeable(Exception):
    """AWS's programs refuse the file, or read it in more than one way. The text names the line."""


class Entry(NamedTuple):
    """A profile for the file."""

    name: str
    region: str | None
    process: str


class Merged(NamedTuple):
    """The new text, and what became of profiles; keys by the profile's name.

    `foreign`: left out, because the user has a section of that name. `removed`: no longer configured. `lost`: the
    user's keys in removed sections. `dropped`: keys that `replace` took out. `winning`: keys in sections of ours that
    SDKs take before our credential_process.
    """

    text: str
    foreign: list[str]
    removed: list[str]
    lost: Mapping[str, list[str]]
    dropped: Mapping[str, list[str]]
    winning: Mapping[str, list[str]]


def block(entries: Iterable[Entry]) -> str:
    """The sections of these entries, with an empty line between them; empty without entries."""
    parts = [[f"[{_head(entry)}]", *(f"{key} = {value}" for key, value in _values(entry))] for entry in entries]
    return "\n".join("\n".join([*part, ""]) for part in parts)


def merge(text: str, entries: Sequence[Entry], *, replace: bool = False) -> Merged:
    """`text` with a section for each entry; raises Unmergeable.

    `replace`: also in a section of the user's own, which loses the keys by which SDKs find credentials.
    """
    file = ini.parse(text)
    if file.problems:
        raise Unmergeable(f"line {file.problems[0].line}: {file.problems[0].what}")
    sections: dict[str, list[Section]] = {}
    for section in file.sections:
        if name := ini.config_profile(section.head):
            sections.setdefault(name, []).append(section)
    foreign = [entry.name for entry in entries if not (replace or all(map(is_ours, sections.get(entry.name, []))))]
    absent = [entry for entry in entries if entry.name not in sections]
    edit = _Edit(file, {entry.name: entry for entry in entries if entry.name not in foreign}, replace=replace)
    for section in file.sections:
        edit.section(section, is_kept=ini.config_profile(section.head) in foreign)
    if not entries:
        edit.close_gap()
    edit.append(absent)
    return Merged(edit.text(), foreign, sorted(edit.removed), edit.lost, edit.dropped, edit.winning)


class Written(NamedTuple):
    """Our profiles: Mayfly's name and the region by AWS's name; and the names of the user's own."""

    profiles: dict[str, tuple[str, str | None]]
    foreign: list[str]


def written(text: str) -> Written:
    """What an earlier `merge` has written into `text`."""
    result = Written({}, [])
    for section in ini.parse(text).sections:
        name = ini.config_profile(section.head)
        if profile := _our_profile(section):
            result.profiles[name or ""] = (profile, section.value("region"))
        elif name:
            result.foreign.append(name)
    return result


def winning(text: str) -> dict[str, list[str]]:
    """The keys in sections of ours that SDKs take before our credential_process, by AWS's name of the profile."""
    found = {
        ini.config_profile(section.head) or "": [key.name for key in section.keys if _wins(key.name)]
        for section in ini.parse(text).sections
        if is_ours(section)
    }
    return {name: keys for name, keys in found.items() if keys}


def processes(text: str) -> dict[str, str]:
    """The credential_process of each section of ours, by AWS's name of the profile."""
    ours = [section for section in ini.parse(text).sections if is_ours(section)]
    return {ini.config_profile(section.head) or "": section.value(PROCESS) or "" for section in ours}


def is_ours(section: Section) -> bool:
    """True if a version of Mayfly wrote the section of a config file, and nobody changed its credential_process."""
    return _our_profile(section) is not None


def regions(text: str) -> dict[str, str]:
    """The region in each profile's section of a config file's text, if it has the form of one."""
    found = ((ini.config_profile(section.head), section.value("region")) for section in ini.parse(text).sections)
    return {name: region for name, region in found if name and region and is_region(region)}


def section_names(text: str) -> list[str]:
    """The profiles that have a section in a config file's text, by the names that the AWS CLI uses."""
    return [name for section in ini.parse(text).sections if (name := ini.config_profile(section.head))]


def section_names_of_credentials(text: str) -> list[str]:
    """The profiles that have a section in a credentials file's text."""
    return [ini.profile_of(section.head) for section in ini.parse(text).sections]


def keys_in(text: str) -> dict[str, list[str]]:
    """The profiles of a credentials file with the keys that SDKs take before a credential_process in the config."""
    found = {
        ini.profile_of(section.head): [key.name for key in section.keys if _wins(key.name) or key.name == PROCESS]
        for section in ini.parse(text).sections
    }
    return {name: keys for name, keys in found.items() if keys}


def _our_profile(section: Section) -> str | None:
    """Mayfly's name of the profile of a section that is ours."""
    profile = profile_of_line(section.value(PROCESS))
    name = ini.config_profile(section.head)
    return profile if profile and name and name.endswith(profile) else None


def _wins(key: str) -> bool:
    return bool(_WINNERS.fullmatch(key))


class _Edit:
    """New lines by the place of the old ones, and the sections that the new text must have for botocore."""

    def __init__(self, file: File, wanted: Mapping[str, Entry], *, replace: bool) -> None:
        self._file = file
        self._wanted = wanted
        self._replace = replace
        self._lines = [[] if line.strip() in _MARKS else [line] for line in file.lines]
        self._expected: list[tuple[int, str, dict[str, str]]] = []
        self._end = next(filter(None, map(ini.line_end, file.lines)), "\n")
        self.removed: list[str] = []
        self.lost: dict[str, list[str]] = {}
        self.dropped: dict[str, list[str]] = {}
        self.winning: dict[str, list[str]] = {}

    def section(self, section: Section, *, is_kept: bool) -> None:
        """Update, remove or keep a section of the file."""
        name = ini.config_profile(section.head) or ""
        if entry := self._wanted.get(name):
            self._update(section, entry)
        elif is_ours(section) and not is_kept:
            self._remove(name, section)
        else:
            self._expect(section, {key.name: key.value for key in section.keys})

    def close_gap(self) -> None:
        """Take out the empty line that `append` had put before sections of ours that have gone from the file's end."""
        written = next((place for place in range(len(self._lines) - 1, -1, -1) if self._lines[place]), None)
        is_end_gone = bool(self.removed) and not self._lines[-1]
        if is_end_gone and written is not None and not self._lines[written][0].strip():
            self._lines[written] = []

    def append(self, entries: Sequence[Entry]) -> None:
        """Put sections at the end of the file."""
        if not entries:
            return
        text = "".join(line for lines in self._lines for line in lines)
        added = block(entries).replace("\n", self._end)
        # One more after an empty line, too: `close_gap` takes one, and that must be ours.
        gap = self._end if text else ""
        self._lines.append([gap if not text or ini.line_end(text) else self._end + gap, added])
        self._expected += [(len(self._file.lines), _head(entry), dict(_values(entry))) for entry in entries]

    def text(self) -> str:
        """The new text; raises Unmergeable if botocore would not read the expected sections from it."""
        text = "".join(line for lines in self._lines for line in lines)
        new = ini.parse(text)
        found = [(section.head, {key.name: key.value for key in section.keys}) for section in new.sections]
        if new.problems or found != [(head, keys) for _, head, keys in self._expected]:
            place = next(
                (at for (at, *expected), one in zip(self._expected, found, strict=False) if tuple(expected) != one), 0
            )
            raise Unmergeable(f"line {place + 1}: lines near here are indented so that they would change their meaning")
        return text

    def _expect(self, section: Section, keys: dict[str, str]) -> None:
        self._expected.append((section.first, section.head, keys))

    def _update(self, section: Section, entry: Entry) -> None:
        values = dict(_values(entry))
        found = {key.name: key for key in section.keys}
        unwanted = [key for key in section.keys if key.name not in values and _CREDENTIALS.fullmatch(key.name)]
        if self._replace:
            self._drop(unwanted)
            self._note(self.dropped, entry.name, [key.name for key in unwanted])
        else:
            unwanted = []
            self._note(self.winning, entry.name, [key.name for key in section.keys if _wins(key.name)])
        self._put(section, {name: value for name, value in values.items() if name not in found})
        for name, value in values.items():
            if name in found and found[name].value != value:
                self._change(found[name], value)
        kept = {key.name: key.value for key in section.keys if key not in unwanted}
        self._expect(section, kept | values)

    def _put(self, section: Section, values: Mapping[str, str]) -> None:
        """New keys behind the section's head, indented as its first key: a deeper key would continue them."""
        head = self._lines[section.first]
        if values and not ini.line_end(head[-1]):
            head.append(self._end)
        margin = ini.indent(self._file.lines[section.keys[0].lines[0]]) if section.keys else ""
        head += [f"{margin}{name} = {value}{self._end}" for name, value in values.items()]

    def _change(self, key: Key, value: str) -> None:
        first = key.lines[0]
        line = self._file.lines[first]
        self._drop([key])
        self._lines[first].append(f"{ini.indent(line)}{key.name} = {value}{ini.line_end(line)}")

    def _drop(self, keys: Collection[Key]) -> None:
        """Take out keys; a comment behind a value stays, in a line of its own."""
        for key in keys:
            for place in key.lines:
                comment = _COMMENT_BEHIND.search(self._file.lines[place])
                self._lines[place] = [f"{comment[1].rstrip()}{self._end}"] if comment else []

    def _remove(self, name: str, section: Section) -> None:
        self._drop(section.keys)
        head = self._file.lines[section.first].strip()
        _, _, behind = head.rpartition("]")
        self._lines[section.first] = [f"{behind.strip()}{self._end}"] if behind.strip()[:1] in ("#", ";") else []
        for place in range(section.first + 1, section.end):
            if self._lines[place] and self._lines[place][0].strip():
                break
            self._lines[place] = []
        self.removed.append(name)
        self._note(self.lost, name, [key.name for key in section.keys if key.name not in ("region", PROCESS)])

    @staticmethod
    def _note(notes: dict[str, list[str]], name: str, keys: list[str]) -> None:
        if keys:
            notes[name] = keys


def _head(entry: Entry) -> str:
    return "default" if entry.name == "default" else f"profile {plain(entry.name)}"


def _values(entry: Entry) -> list[tuple[str, str]]:
    region = [("region", plain(entry.region))] if entry.region else []
    return [*region, (PROCESS, entry.process)]
