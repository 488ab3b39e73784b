"""The files of `~/.aws`: what wins over the endpoint, and whether the profiles that mayfly has written still work."""

from __future__ import annotations

import os
import re

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

import attrs

from mayfly.cli.aws_config import aws_config, aws_paths, ini, sections, shadows
from mayfly.cli.doctor.check import Check, failure, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.config import document
from mayfly.shared import paths
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import Unreadable


# A section's head in both files, as SDKs take it for the default.
_DEFAULT_HEAD = r"^[[:space:]]*\[[[:space:]]*(profile[[:space:]]+)?default[[:space:]]*\]"
_BOTO_HEAD = r"^[[:space:]]*\[Credentials\]"
_SOCKET = re.compile(r"--unix-socket '([^']+)'")
_PROGRAMS = re.compile(r"(?:^sh -c \"|exec )'(/[^']+)'")


@attrs.frozen(kw_only=True)
class Files:
    """The config and the credentials file as texts; "" for one that is not there, or cannot be read."""

    config_path: str
    credentials_path: str
    config: str = ""
    credentials: str = ""

    @property
    def ours(self) -> dict[str, str]:
        """Mayfly's profile by the name of each section that mayfly has written."""
        return {name: profile for name, (profile, _) in sections.written(self.config).profiles.items()}

    @property
    def names(self) -> set[str]:
        """All profiles, by the names that SDKs use."""
        return {*sections.section_names(self.config), *sections.section_names_of_credentials(self.credentials)}

    def keys_of(self, profile: str) -> list[str]:
        """The names of the keys by which a profile has credentials, or a way to get some."""
        found = [sections.keys_in(text).get(profile, ()) for text in (self.credentials, self.config)]
        return list(dict.fromkeys(key for keys in found for key in keys))


def read(facts: Facts) -> Files:
    """Both files."""
    config, credentials = aws_paths.config_file(facts.environ), aws_paths.credentials_file(facts.environ)
    return Files(config_path=config, credentials_path=credentials, config=_text(config), credentials=_text(credentials))


def _text(path: str) -> str:
    try:
        return aws_paths.read(Path(path)).decode(errors="replace")
    except (OSError, Unreadable):
        return ""


def checks(facts: Facts) -> Iterator[Check]:
    """[default], and our own profiles."""
    files = read(facts)
    yield _default(facts, files)
    yield _refused(facts, files) or _profiles(facts, files)


def _default(facts: Facts, files: Files) -> Check:
    found = shadows.lines_by_file(facts.environ)
    if "default" in files.ours:
        found.pop(files.config_path, None)
    if not found:
        return ok("aws.default", "[default] has no credentials that win over mayfly's")
    return failure("aws.default", "\n".join(found.values()), " && ".join(_renaming(path, files) for path in found))


def _renaming(path: str, files: Files) -> str:
    """The command that gives the section another name, by which its keys can still be used, and keeps a copy."""
    heads = {
        files.credentials_path: (_DEFAULT_HEAD, "[default-before-mayfly]"),
        files.config_path: (_DEFAULT_HEAD, "[profile default-before-mayfly]"),
    }
    head, new = heads.get(path, (_BOTO_HEAD, "[Credentials-before-mayfly]"))
    # /etc/boto.cfg is root's.
    sudo = "" if os.access(path, os.W_OK) else "sudo "
    return f"{sudo}sed -i.mayfly-backup -E {quote(f's/{head}/{new}/')} {quote(path)}"


def _profiles(facts: Facts, files: Files) -> Check:
    """The profiles that `aws-config --write` has written."""
    if not files.ours:
        return ok("aws.profiles", f"mayfly has written no profiles into {files.config_path}")
    static = {name: keys for name, keys in sections.keys_in(files.credentials).items() if name in files.ours}
    if static:
        lines = [f"{files.credentials_path}: has {', '.join(keys)} for {name}" for name, keys in static.items()]
        lines.append("SDKs take that before mayfly's credentials: delete it there, when it is in 1Password")
        return failure("aws.profiles", "\n".join(lines), facts.edit(files.credentials_path))
    if winning := sections.winning(files.config):
        lines = [
            f"{files.config_path}: {name} has {', '.join(keys)}, which SDKs take before credential_process"
            for name, keys in winning.items()
        ]
        return failure("aws.profiles", "\n".join(lines), "mayfly aws-config --write --replace")
    if broken := list(_broken(files)):
        return failure("aws.profiles", "\n".join(broken), "mayfly aws-config --write")
    if _is_behind(facts):
        return warning("aws.profiles", f"{files.config_path}: is behind the config", "mayfly aws-config --write")
    return ok("aws.profiles", f"{', '.join(files.ours)} in {files.config_path}")


def _refused(facts: Facts, files: Files) -> Check | None:
    """The first problem of each file that AWS's programs do not take; None if they take both."""
    texts = {files.config_path: files.config, files.credentials_path: files.credentials}
    found = {path: problems[0] for path, text in texts.items() if (problems := ini.parse(text).problems)}
    lines = [
        f"{path}: line {first.line} {first.what}: boto3 and the AWS CLI refuse the file"
        for path, first in found.items()
    ]
    return failure("aws.profiles", "\n".join(lines), " && ".join(map(facts.edit, found))) if found else None


def _broken(files: Files) -> Iterator[str]:
    """The programs and sockets in our lines that are no longer there, as after a move to another environment."""
    socket = str(paths.control_socket())
    for name, process in sections.processes(files.config).items():
        for program in _PROGRAMS.findall(process):
            if not os.access(program, os.X_OK):
                yield f"{files.config_path}: {name} runs {program}, which is not there"
        for named in _SOCKET.findall(process):
            if named != socket:
                yield f"{files.config_path}: {name} asks {named}, and mayfly is at {socket}"


def _is_behind(facts: Facts) -> bool:
    if facts.config_file is None or facts.config is None:
        return False
    try:
        return aws_config.is_behind(document.read(facts.config_file))
    except ConfigInvalid:
        return False
