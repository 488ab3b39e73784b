"""The lines of docs/prompt.md in the shells that they are for."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
import tomllib

from pathlib import Path

import pytest

import mayfly

from support.terminal import Terminal


PAGE = Path(mayfly.__file__).parents[2] / "docs/prompt.md"
STRICT = bool(os.environ.get("MAYFLY_REQUIRE_ALL_TESTS"))
SECONDS = 7 * 3600 + 12 * 60 + 50


def lines_of(language: str, place: int = 0) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)[place]


def shell(name: str) -> str:
    """Its path; skipped where it is not installed."""
    found = shutil.which(name)
    if found is None and not STRICT:
        pytest.skip(f"needs {name}")
    assert found is not None
    return found


class Home:
    """A home, a runtime folder, and the environment of a shell that uses the profile work and finds no program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prompts = folder / "run/prompt"
        self.prompts.mkdir(parents=True)
        self.env = {
            "PATH": "/nonexistent",
            "HOME": str(folder),
            "ZDOTDIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "MAYFLY_RUNTIME_DIR": str(folder / "run"),
            "MAYFLY_PROFILE": "work",
        }

    def has(self, content: str, profile: str = "work") -> None:
        (self.prompts / profile).write_text(content)

    def in_seconds(self, seconds: float, profile: str = "work") -> None:
        self.has(f"{profile} {time.time() + seconds:.0f}\n", profile)


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Home:
    return Home(tmp_path)


BEFORE = {
    "bash": "PS1='ready> '; PROMPT_COMMAND='true;'\n",
    "zsh": "PROMPT='ready> '\nunsetopt zle\n",
    "fish": "function fish_prompt\n    echo -n 'ready> '\nend\nset fish_greeting\n",
}
START = {
    "bash": ("--noprofile", "--rcfile", "lines", "-i"),
    "zsh": ("-d", "-i"),
    "fish": ("--no-config", "-i", "--init-command", "source lines"),
}
# In the place of powerlevel10k, which no registry has: what `p10k help segment` tells of a segment, under the options
# that the theme sets while it draws. It takes the elements as they are at the first prompt, as the theme does.
THEME = r"""
p10k() {
  emulate -L zsh
  local opt fg OPTARG text; local -i OPTIND
  [[ -n $drawing && $1 == segment ]] || { print -r -- "p10k: only while the prompt is drawn"; return 1 }
  shift
  while getopts ':s:b:f:i:c:t:reh' opt; do
    case $opt in
      f) fg=$OPTARG;;
      t) text=$OPTARG;;
      ?) print -r -- "p10k: unexpected option $opt $OPTARG"; return 1;;
    esac
  done
  (( OPTIND > ARGC )) || { print -r -- "p10k: unexpected argument $argv[OPTIND]"; return 1 }
  PROMPT+="%F{$fg}$text%f "
}
draw() {
  emulate -L zsh -o extended_glob -o no_aliases -o no_prompt_subst -o typeset_silent
  local drawing=1 name
  PROMPT=
  for name in $POWERLEVEL9K_RIGHT_PROMPT_ELEMENTS; do prompt_$name; done
  PROMPT+='ready> '
}
precmd_functions+=(draw)
prompt_other() { p10k segment -t other }
POWERLEVEL9K_RIGHT_PROMPT_ELEMENTS=(other)
unsetopt zle
"""


def rc_of(name: str) -> str:
    """What a shell reads at its start: a prompt of its own, then the page's lines."""
    if name == "powerlevel10k":
        return THEME + lines_of("zsh").rpartition("PROMPT=")[0] + lines_of("zsh", 1)
    return BEFORE[name] + lines_of(name)


# What nobody but the daemon can write there, and no shell takes for a number.
HOSTILE = (
    "",
    "work",
    "work a[$(echo>hit)]",
    "work 99999999999999999999",
    "work -5",
    "work 1;echo>hit",
    "work `echo>hit`",
)


@pytest.mark.parametrize(
    ("name", "program", "first"),
    [("bash", "bash", ""), ("zsh", "zsh", ""), ("powerlevel10k", "zsh", "other "), ("fish", "fish", "")],
    ids=lambda value: value.strip(),
)
async def test_a_shell_shows_the_time_that_is_left(home: Home, name: str, program: str, first: str) -> None:
    """By its builtins alone, at each prompt: a session that lives, one that ends soon, an expired one, and none."""
    lines = rc_of(name)
    for file in ("lines", ".zshrc"):
        (home.folder / file).write_text(lines)
    home.in_seconds(SECONDS)
    terminal = Terminal((shell(program), *START[program]), home.env, home.folder, rows=60)
    await terminal.shows(f"{first}work 7h12m ready>")
    for content, shown in (
        (f"work {time.time() + 754:.0f}\n", "work 12m ready>"),
        (f"work {time.time() - 5:.0f}\n", "work expired ready>"),
        *((f"{content}\n", "ready>") for content in HOSTILE),
        (f"work {time.time() + SECONDS:.0f}\n", "work 7h12m ready>"),
    ):
        home.has(content)
        await prompted(terminal, first + shown)
    (home.prompts / "work").unlink()
    await prompted(terminal, f"{first}ready>")
    terminal.type("exit 3\r")

    assert 3 == await terminal.end()
    assert not (home.folder / "hit").exists()
    assert not re.search("not found|nknown command|p10k:", terminal.text)


async def prompted(terminal: Terminal, shown: str) -> None:
    """Press Enter, and wait for the next prompt, which is this one."""
    before = terminal.text.count("ready>")
    terminal.type("\r")
    await terminal.until(lambda now: now.text.count("ready>") > before and now.lines[-1] == shown)


async def output(home: Home, *argv: str, path: str) -> str:
    """The output of a program with any exit code."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, env=home.env | {"PATH": path}, cwd=home.folder
    )
    out, _ = await process.communicate()
    return out.decode()


async def test_starship_is_given_a_segment(home: Home) -> None:
    """Its module runs `mayfly prompt` in a shell with a profile."""
    home.in_seconds(SECONDS)
    module = tomllib.loads(lines_of("toml"))["custom"]["mayfly"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    line = f"{module['when']} && {module['command']}"
    shown = await output(home, *module["shell"], "-c", line, path=path)
    home.env.pop("MAYFLY_PROFILE")

    assert "work 7h 12m\n" == shown
    assert "" == await output(home, *module["shell"], "-c", line, path=path)
    assert {"command", "when", "shell", "style"} == module.keys()


async def test_starship_shows_the_segment(home: Home) -> None:
    """The real one, in bash, with the page's lines as its only config: yellow with a profile, nothing without."""
    starship = shutil.which("starship")
    if starship is None:
        pytest.skip("needs starship, of which Debian 12 has no package; .ci/run builds none")
    (home.folder / ".config").mkdir()
    (home.folder / ".config/starship.toml").write_text(lines_of("toml"))
    (home.folder / "lines").write_text(f'eval "$({starship} init bash)"\n')
    path = f"{Path(sys.executable).parent}:{Path(starship).parent}:{os.environ['PATH']}"
    terminal = Terminal((shell("bash"), *START["bash"]), home.env | {"PATH": path}, home.folder)
    await terminal.shows("work -")
    home.in_seconds(SECONDS)
    terminal.type("\r")
    await terminal.shows("work 7h 12m")
    shown = next(line for line in terminal.lines if "work 7h 12m" in line)

    assert "brown" == terminal.colour_of("work", shown)
    terminal.type("clear; unset MAYFLY_PROFILE\r")
    await terminal.until(lambda now: " in ~" in now.text and "work" not in now.text)
    terminal.type("exit 3\r")
    assert 3 == await terminal.end()


def test_every_block_of_the_page_is_run() -> None:
    """No other lines stand there than those that this file runs."""
    assert ["", "bash", "zsh", "zsh", "fish", "toml"] == re.findall(
        r"^```(\w*)\n(?:[^`].*\n)*?^```$", PAGE.read_text(), re.MULTILINE
    )
