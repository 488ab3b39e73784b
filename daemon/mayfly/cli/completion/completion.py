"""`mayfly completion`: prints what a shell evaluates to complete mayfly's commands, options and profiles."""

from __future__ import annotations

import argparse

from contextlib import suppress
from pathlib import Path

from mayfly.cli import speech
from mayfly.cli.parser import RawFormatter
from mayfly.config import document
from mayfly.config.profile_name import is_profile_name
from mayfly.shared import paths
from mayfly.shared.errors import MayflyError


SHELLS = ("bash", "zsh", "fish")
PROFILES = "profiles"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "shell",
        choices=(*SHELLS, PROFILES),
        metavar="|".join(SHELLS),
        help="the shell ('profiles': the profiles' names)",
    )
    parser.formatter_class = RawFormatter
    parser.epilog = (
        '  bash:  eval "$(mayfly completion bash)"            in ~/.bashrc\n'
        '  zsh:   eval "$(mayfly completion zsh)"             in ~/.zshrc, after compinit\n'
        "  fish:  mayfly completion fish | source             in ~/.config/fish/config.fish"
    )


def run(given: argparse.Namespace) -> int:
    """Print the completion, or for one at work the names that it offers."""
    if given.shell == PROFILES:
        _print_profiles(given.config)
    else:
        speech.print_file(Path(__file__).with_name(f"mayfly.{given.shell}").read_text(encoding="utf-8"))
    return speech.DONE


def _print_profiles(config: str | None) -> None:
    """The names in the config, a line each; nothing where it cannot be read: a person is typing."""
    with suppress(MayflyError, OSError):
        profiles = document.read(paths.config_file(config)).tree.get("profiles")
        for name in profiles if isinstance(profiles, dict) else ():
            if is_profile_name(name):
                print(name)
