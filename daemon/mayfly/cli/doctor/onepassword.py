"""`op`: the program, its version, and how it reaches 1Password. Nothing here can raise a prompt.

The facts about `op` and the app are 1Password's documentation and users' reports: the app accepts only an `op` of the
group onepassword-cli, set by the setgid bit, and a system group (below 1000) does not count.
"""

from __future__ import annotations

import os
import re
import stat
import sys

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from mayfly.cli.doctor import op_account, op_app, programs_asked
from mayfly.cli.doctor.check import Check, chmods_in, failure, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.config.model import OnePassword
from mayfly.exchange.onepassword import windows_drive
from mayfly.exchange.onepassword.environment import overlooked, plain_environment, token_file_problems
from mayfly.exchange.onepassword.op_program import OLDEST_VERSION, find_op
from mayfly.shared import programs
from mayfly.shared.errors import ConfigInvalid, MayflyError
from mayfly.shared.text import failure_words


# From here on error texts are as the exchange knows them, and `op` reveals fields as documented (release notes of op).
CURRENT_VERSION = (2, 30)
GROUP = "onepassword-cli"
LEAST_GID = 1000
PACKAGES = "https://developer.1password.com/docs/cli/get-started/"


def checks(facts: Facts) -> Iterator[Check]:
    """For each way to 1Password that a profile uses."""
    for table, way in facts.ways.items():
        name = table.partition(".")[2]
        for check in _of_way(facts, table, way):
            yield check._replace(id=f"{check.id}.{name}") if name else check


def _of_way(facts: Facts, table: str, way: OnePassword) -> Iterator[Check]:
    is_windows = windows_drive.is_op_exe(way.op)
    try:
        program = find_op(way, facts.environ, table)
    except ConfigInvalid as reason:
        yield failure("op.program", "\n".join(reason.problems), chmods_in(reason.problems))
    except MayflyError as reason:
        hint = "brew install --cask 1password-cli" if sys.platform == "darwin" else ""
        yield failure("op.program", f"{reason.message}: {reason.hint}; see {PACKAGES}", hint)
    else:
        yield ok("op.program", program)
        yield _version(facts, program)
        if way.mode == "desktop" and not is_windows:
            yield _group(Path(program))
            yield op_app.running(facts, is_known=not is_script(Path(program)))
    if way.mode != "desktop":
        yield _token(facts, way)
    elif is_windows:
        yield not_known("op.app", "op.exe asks Windows's 1Password app, and the account is chosen there")
    else:
        yield op_account.check(facts, table, way)
        yield op_app.integration(facts)
    yield from _variables(facts, table, way)


def _version(facts: Facts, program: str) -> Check:
    asked = programs_asked.ask((program, "--version"), plain_environment(facts.environ))
    found = re.match(r"\s*(\d{1,4})\.(\d{1,4})\.\S*", asked.output)
    if asked.problem:
        return warning("op.version", asked.problem)
    if not found:
        return warning("op.version", f"{program} tells no version")
    version, shown = (int(found[1]), int(found[2])), found[0].strip()
    if version < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        return failure("op.version", f"op {shown} is too old: mayfly needs {oldest} or later", "op update")
    if version < CURRENT_VERSION:
        current = ".".join(map(str, CURRENT_VERSION))
        return warning(
            "op.version", f"op {shown} is older than {current}: some of its errors are not told apart", "op update"
        )
    return ok("op.version", f"op {shown}")


def is_script(program: Path) -> bool:
    """True if the kernel runs another program for it: then its own group does not count (execve(2))."""
    try:
        with program.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


def _group(program: Path) -> Check:
    """By setgid `op` gets the group by which the app knows it. On macOS the app checks signatures instead."""
    if sys.platform != "linux":
        return not_known("op.group", "only on Linux the app asks for the group of op")
    if is_script(program):
        return not_known("op.group", f"{program} is a script, which runs another program")
    try:
        facts = program.stat()
        is_nosuid = bool(os.statvfs(program).f_flag & os.ST_NOSUID)
    except OSError as reason:
        return not_known("op.group", f"{program}: {failure_words(reason)}")
    return _group_of(program, facts.st_mode, facts.st_gid, is_nosuid=is_nosuid)


def _group_of(program: Path, mode: int, gid: int, *, is_nosuid: bool) -> Check:
    place = quote(str(program))
    mend = f"sudo groupadd -f {GROUP} && sudo chgrp {GROUP} {place} && sudo chmod g+s {place}"
    if not mode & stat.S_ISGID:
        return failure("op.group", f"{program} is not setgid {GROUP}: the 1Password app refuses it", mend)
    if is_nosuid:
        return failure("op.group", f"{program} is on a file system mounted nosuid: the 1Password app refuses it")
    if gid < LEAST_GID:
        return warning("op.group", f"{program} is setgid with a system group ({gid}): the app may refuse it", mend)
    if lost := _lost_privileges():
        return warning("op.group", f"{lost}: the app refuses an op that is started from here")
    return ok("op.group", f"setgid, group {gid}")


def _lost_privileges(status: Path = Path("/proc/self/status")) -> str:
    """Why a setgid program gets no group here; "" if it does (execve(2))."""
    try:
        is_fixed = "NoNewPrivs:\t1" in status.read_text(errors="replace")
    except OSError:
        return ""
    return "this shell may gain no privileges (no_new_privs)" if is_fixed else ""


def _token(facts: Facts, way: OnePassword) -> Check:
    """The token's file, or the command that prints it: neither is read here."""
    if way.token_command and way.mode == "service":
        try:
            return ok("op.token", f"by {programs.find(way.token_command[0], facts.environ)}, which is not run here")
        except programs.NotFound as reason:
            return failure("op.token", f"token_command: {reason}", chmods_in(reason.distrusted))
    path = Path((way.connect_token_file if way.mode == "connect" else way.token_file) or "")
    try:
        problems = token_file_problems(str(path))
    except OSError as reason:
        return failure("op.token", f"{path}: the token cannot be read: {reason.strerror}", facts.edit())
    return failure("op.token", "\n".join(problems), chmods_in(problems)) if problems else ok("op.token", str(path))


def _variables(facts: Facts, table: str, way: OnePassword) -> Iterator[Check]:
    """Variables by which a person's own `op` works, and mayfly's does not."""
    if lines := overlooked(way, facts.environ, table, "of this shell"):
        yield warning("op.variables", "\n".join(lines), facts.edit())
