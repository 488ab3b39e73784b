"""The runtime folder: whose it is, who else may enter, whether it is in memory; and the tokens in it."""

from __future__ import annotations

import os
import re
import sys

from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote

from mayfly.cli.doctor.check import Check, chmods_in, failure, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.shared import paths, tokens, trust
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.mounts import IN_MEMORY, file_system
from mayfly.shared.runtime_folder import SOCKET_PATH_BYTES


def checks(facts: Facts) -> Iterator[Check]:
    """The folder, its file system, the tokens."""
    folder = paths.runtime_dir()
    yield _folder(folder)
    yield _memory(facts, folder)
    yield _tokens()


def _folder(folder: Path) -> Check:
    problems = trust.trust_problems(folder, missing_counts=False)
    if not problems and (folder.exists() or folder.is_symlink()):
        problems = _private_problems([folder], 0o700)
    if problems:
        return failure("runtime.folder", "\n".join(problems), _mending(problems))
    if len(os.fsencode(paths.control_socket())) > SOCKET_PATH_BYTES:
        return failure("runtime.folder", f"{paths.control_socket()}: {paths.SOCKET_PATH_TOO_LONG}")
    if not folder.exists():
        return ok("runtime.folder", f"{folder}: not there yet: the daemon makes it")
    return ok("runtime.folder", f"{folder}, yours alone")


def _private_problems(places: Iterable[Path], mode: int) -> list[str]:
    problems: list[str] = []
    for place in places:
        try:
            trust.check_private(place, mode)
        except ConfigInvalid as reason:
            problems += reason.problems
    return problems


def _mending(problems: Iterable[str]) -> str:
    links = [found[1] for line in problems if (found := re.fullmatch(r"(.+) is a symbolic link: remove it", line))]
    return " && ".join(filter(None, [chmods_in(problems), *(f"rm {quote(link)}" for link in links)]))


def _memory(facts: Facts, folder: Path) -> Check:
    if sys.platform != "linux":
        return ok("runtime.memory", "on the disk, as everything on this system")
    kind = file_system(folder)
    if kind in IN_MEMORY or not kind:
        return ok("runtime.memory", f"a file system in memory ({kind})" if kind else "not known: no list of mounts")
    what = f"{folder} is on a disk ({kind}): tokens stay there after log-out"
    session = facts.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    is_better = facts.environ.get("MAYFLY_RUNTIME_DIR") and file_system(Path(session)) in IN_MEMORY
    return warning("runtime.memory", what, facts.in_shell({"MAYFLY_RUNTIME_DIR": None}) if is_better else "")


def _tokens() -> Check:
    folder = paths.runtime_dir() / "tokens"
    made = [folder / name for name in tokens.made_before()]
    problems = _private_problems([folder], 0o700) if made else []
    problems += _private_problems(made, 0o600)
    if problems:
        # Who could read it may have done so.
        again = f"{_mending(problems)} && mayfly rotate" if _mending(problems) else "mayfly rotate"
        return failure("runtime.tokens", "\n".join(problems), again)
    return ok("runtime.tokens", f"{len(made)} token{'' if len(made) == 1 else 's'}, readable by you alone")
