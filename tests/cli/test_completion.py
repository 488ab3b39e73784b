"""`mayfly completion`: in real shells, Tab offers commands, options and the profiles of the config."""

from __future__ import annotations

import shutil
import sys

from pathlib import Path

import pexpect
import pytest

from mayfly.cli import completion
from support.granter import granter
from support.world import SEED_TOML, World


TWO = SEED_TOML + SEED_TOML.replace("profiles.nsrc", "profiles.other-one")


def shelled(world: World, shell: str) -> dict[str, str]:
    """The environment of a shell that finds mayfly on PATH."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    program = world.folder / "bin/mayfly"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m mayfly "$@"\n')
    program.chmod(0o755)
    return world.env | {"PATH": f"{program.parent}:/usr/bin:/bin", "TERM": "dumb", "COVERAGE_PROCESS_START": ""}


async def offered(world: World, shell: str, script: str, line: str) -> set[str]:
    """What a shell offers for a line, by a script that prints it, a word for each line."""
    env = shelled(world, shell)
    ended = await world.run_program(shell, *(["-f"] if shell == "zsh" else []), "-c", script, shell, line, env=env)
    assert "" == ended.err
    return {word.split("\t")[0] for word in ended.out.splitlines()}


BASH = """eval "$(mayfly completion bash)"
COMP_LINE=$1; read -ra COMP_WORDS <<<"$1"; [[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_POINT=${#COMP_LINE}
function compopt { :; }
answers=$(complete -p mayfly) answers=${answers##*-F } answers=${answers%% *}
$answers mayfly "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}" """
FISH = "mayfly completion fish | source; complete -C $argv[2]"

CASES = [
    ("mayfly sta", {"status"}),
    ("mayfly whoami ", {"nsrc", "other-one"}),
    ("mayfly login o", {"other-one"}),
    ("mayfly env --sh", {"--shell"}),
    ("mayfly env --shell f", {"fish"}),
    ("mayfly help rot", {"rotate"}),
]


@pytest.mark.parametrize(("line", "words"), CASES)
async def test_bash_offers_what_can_follow(world: World, line: str, words: set[str]) -> None:
    """The function that bash calls for Tab answers with the words."""
    world.write_toml(TWO)
    assert words == {word.strip() for word in await offered(world, "bash", BASH, line)}


@pytest.mark.parametrize(("line", "words"), CASES)
async def test_fish_offers_what_can_follow(world: World, line: str, words: set[str]) -> None:
    """fish is asked as its Tab asks."""
    world.write_toml(TWO)
    assert words <= await offered(world, "fish", FISH, line)


def test_zsh_completes_at_a_real_terminal(world: World) -> None:
    """Tab completes what is unique, and lists what is not."""
    world.write_toml(TWO)
    shell = pexpect.spawn("zsh", ["-f"], env=shelled(world, "zsh"), encoding="utf-8", timeout=30, dimensions=(24, 200))
    shell.sendline(
        "PS1='ready> '; autoload -Uz compinit; compinit -u -D; eval \"$(mayfly completion zsh)\"; echo up''set"
    )
    shell.expect("upset")
    shell.send("mayfly stat\t")
    shell.expect("mayfly status ")
    shell.send("\x15mayfly whoami o\t")
    shell.expect("mayfly whoami other-one")
    shell.send("\x15mayfly whoami \t")
    shell.expect("nsrc")
    shell.expect("other-one")
    shell.close(force=True)


async def test_grants_are_offered_where_one_is_named(world: World) -> None:
    """Their IDs, and labels that no other has, to `revoke`, `approve` and `deny`; silence without a daemon."""
    world.write_toml(TWO)
    async with granter(world.run_dir / "control.sock") as granting:
        for grant_id, label in (("1a2b3c4d", "claude"), ("00c0ffee", "job"), ("0000beef", "job")):
            granting.row(grant_id, label)
        granting.row("$(evil)", "$(evil)")
        listed = await world.run("completion", "grants")
        in_bash = [await offered(world, "bash", BASH, f"mayfly {command} ") for command in ("revoke", "approve")]
        in_fish = await offered(world, "fish", FISH, "mayfly deny ")
        labelled = await offered(world, "bash", BASH, "mayfly revoke c")
    none = await world.run("completion", "grants")

    names = {"1a2b3c4d", "00c0ffee", "0000beef", "claude"}
    assert (0, names, "") == (listed.code, set(listed.out.split()), listed.err)
    assert ([names, names], {"claude"}) == (in_bash, labelled)
    assert names <= in_fish
    assert (0, "", "") == tuple(none)


async def test_profiles_are_offered_as_long_as_the_config_can_be_read(world: World) -> None:
    """Names alone, and silence where there is no config: a person is in the middle of a line."""
    world.write_toml(TWO + '[profiles."$(evil)"]\n')
    listed = await world.run("completion", "profiles")
    world.config.unlink()
    none = await world.run("completion", "profiles")
    wrong = await world.run("completion", "tcsh")

    assert (0, "nsrc\nother-one\n", "") == tuple(listed)
    assert (0, "", "") == tuple(none)
    assert 2 == wrong.code
    assert "usage: mayfly completion" in wrong.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_what_is_printed_is_the_file_of_the_package(world: World, shell: str) -> None:
    """The completions are made when mayfly is built: no library for it is needed where it runs."""
    ended = await world.run("completion", shell)
    assert Path(completion.__file__).with_name(f"mayfly.{shell}").read_text() == ended.out


async def test_help_for_a_command_is_what_its_option_prints(world: World) -> None:
    """`mayfly help status` and `mayfly status --help` are one text."""
    helped, asked = await world.run("help", "status"), await world.run("status", "--help")
    wrong = await world.run("help", "statsu")

    assert (0, asked.out) == (helped.code, helped.out)
    assert (2, "mayfly: error: there is no command 'statsu': did you mean status?") == (
        wrong.code,
        wrong.err.splitlines()[0],
    )
