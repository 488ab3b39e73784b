"""What the docs tell people to type works."""

from __future__ import annotations

import argparse
import re
import shlex
import sys

from pathlib import Path
from typing import NoReturn

import pytest

from tests.generate.commands import all_commands

import mayfly

from mayfly.demo.sts.server import EmbeddedSts, Role
from support.world import SEED_ACCOUNT, SEED_TOML, World


ROOT = Path(mayfly.__file__).parents[2]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))
TYPED = re.compile(r"^\s*\$ (.*)$", re.MULTILINE)

# Where a line of the docs is tried instead: in a world it would change this machine, or reach a registry.
TRIED_ELSEWHERE = {
    ".venv/bin/python -m pytest": "this",
    "make demo": "tests/demo/test_story.py",
    "make test": "this",
    "pipx install .": "tests/packages",
    "mayfly init": "tests/cli/init",
    "mayfly install --now": "tests/cli/install",
    "until mayfly status": "tests/cli/init",
    "mayfly serve &": "tests/cli/init",
    "mayfly grant": "tests/cli/grant",
    'eval "$(mayfly grant': "tests/cli/grant",
    "mayfly revoke": "tests/cli/grant",
    "mayfly approve": "tests/cli/grant",
    "mayfly ssh": "tests/cli/ssh",
}


class Wrong(Exception):
    """A command line that the parser refuses."""


def _refuse(message: str) -> NoReturn:
    raise Wrong(message)


def commands_in(text: str) -> list[str]:
    """Every command line of mayfly in a page: what is typed, what stands in a shell's `$(…)`, and what is quoted."""
    typed = [line.partition("  #")[0] for line in TYPED.findall(text)]
    found = [inner for line in typed for inner in re.findall(r"\$\((mayfly [^)]*)\)", line)]
    found += [line for line in typed if line.startswith("mayfly ")]
    found += re.findall(r"`(mayfly [^`]*)`", text)
    # A choice `bash|zsh|fish` stands for its first word.
    lines = [re.split(r" (?:\\?\||>|&)", line)[0].strip() for line in found]
    return [re.sub(r"(\w+)(?:\|\w+)+", r"\1", line) for line in lines]


LINES = sorted({line for page in PAGES for line in commands_in(page.read_text())})


@pytest.mark.parametrize("line", LINES)
def test_every_command_in_the_docs_is_one_that_mayfly_takes(line: str) -> None:
    """Its name, its options and the number of its arguments; a word in capitals or brackets stands for a value."""
    _, parsers = all_commands()
    name, *words = shlex.split(line.replace("[PROFILE]", "PROFILE").replace(" …", "").replace(" ...", ""))[1:]
    if name.startswith("-") or name in {"COMMAND", "help"}:
        return
    parser = parsers[name]
    parser.error = _refuse  # type: ignore[method-assign] # argparse would end this process
    before = words[: words.index("--")] if "--" in words else words
    if "--help" not in before and len(before) > 0:
        found = _parsed(parser, before)
        assert isinstance(found, argparse.Namespace)


def _parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    try:
        return parser.parse_args(words)
    except Wrong as reason:
        # The docs may name an option alone: `mayfly exec --min-life 6h`.
        if "required" not in str(reason):
            raise
        return argparse.Namespace()


@pytest.mark.parametrize("page", ["README.md", "docs/containers.md", "docs/sdks.md", "docs/getting-started.md"])
async def test_what_the_docs_type_runs(world: World, page: str) -> None:
    """Each line of a page, in one shell, with a daemon: all that is not tried elsewhere ends well."""
    admin = _admin() if page in {"README.md", "docs/containers.md"} else ""
    world.write_toml(SEED_TOML.replace("profiles.nsrc", "profiles.work") + admin)
    program = world.folder / "bin/mayfly"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mayfly "$@"\n')
    program.chmod(0o755)
    env = {"PATH": f"{program.parent}:{world.env['PATH']}"}
    script = "\n".join(["set -e", "echo 'print(0)' >job.py", *_tried_here(ROOT / page)])
    async with EmbeddedSts(world.account(Role(name="Admin"))) as world.sts, world.serve():
        ended = await world.run_program("bash", "-c", script, env=env | {"AWS_ENDPOINT_URL": world.sts.url})

    assert 0 == ended.code, ended.err


def test_every_page_that_types_is_tried() -> None:
    """A page with a line to try is in the list above."""
    pages = [page.relative_to(ROOT).as_posix() for page in PAGES if _tried_here(page)]

    assert ["README.md", "docs/containers.md", "docs/getting-started.md", "docs/sdks.md"] == pages


def _tried_here(page: Path) -> list[str]:
    lines = [line.partition("  #")[0] for line in TYPED.findall(page.read_text())]
    return [line for line in lines if not line.startswith(tuple(TRIED_ELSEWHERE))]


def _admin() -> str:
    return f'[profiles.admin]\nsource_profile = "work"\nrole_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"\n'
