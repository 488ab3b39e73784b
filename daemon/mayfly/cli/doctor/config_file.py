"""The config: which file, who else could write it, and every problem that the loader finds in it."""

from __future__ import annotations

import re

from collections.abc import Iterator
from shlex import quote

from mayfly.cli.doctor.check import Check, chmods_in, failure, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.shared import paths


def checks(facts: Facts) -> Iterator[Check]:
    """The file, its access, its content."""
    if facts.config_file is None:
        problem = "\n".join(facts.config_problems)
        yield failure("config.file", problem, "" if "cannot be read" in problem else "mayfly init")
        return
    yield _file(facts)
    if facts.config_file.exists():
        yield _access(facts)
        yield _content(facts)


def _file(facts: Facts) -> Check:
    if overlooked := paths.overlooked_config(facts.given_config):
        second = quote(str(paths.config_dir() / paths.CONFIG_NAMES[1]))
        return warning("config.file", overlooked, f"mv {second} {second}.old")
    if not facts.config_file or not facts.config_file.exists():
        is_by_variable = not facts.given_config and "MAYFLY_CONFIG" in facts.environ
        hint = facts.in_shell({"MAYFLY_CONFIG": None}) if is_by_variable else ""
        return failure("config.file", f"{facts.config_file}: there is no such file", hint)
    return ok("config.file", str(facts.config_file))


def _access(facts: Facts) -> Check:
    if not facts.config_access:
        return ok("config.access", "nobody else can change it")
    hints = [chmods_in(facts.config_access), *_chowns(facts)]
    return failure("config.access", "\n".join(facts.config_access), " && ".join(filter(None, hints)))


def _chowns(facts: Facts) -> Iterator[str]:
    for line in facts.config_access:
        if re.match(rf"{re.escape(str(facts.config_file))} belongs to .*: chown it", line):
            yield f'sudo chown "$(id -u)" {quote(str(facts.config_file))}'


def _content(facts: Facts) -> Check:
    if facts.config is None:
        is_closed = any("Permission denied" in line for line in facts.config_problems)
        hint = f"chmod u+r {quote(str(facts.config_file))}" if is_closed else facts.edit()
        return failure("config.content", "\n".join(facts.config_problems), hint)
    if facts.config.warnings:
        return warning("config.content", "\n".join(facts.config.warnings), facts.edit())
    return ok("config.content", f"profiles: {', '.join(facts.config.profiles)}")
