"""`mayfly completion`: prints what a shell evaluates to complete mayfly's commands, options, profiles and grants."""

from __future__ import annotations

import argparse

from contextlib import suppress

from mayfly.cli import speech
from mayfly.cli.parser import RawFormatter
from mayfly.shared.errors import MayflyError


SHELLS = ("bash", "zsh", "fish")
PROFILES, GRANTS = NAMES = ("profiles", "grants")
# A person is typing.
ANSWER_SECONDS = 1


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "shell",
        choices=(*SHELLS, *NAMES),
        metavar="|".join(SHELLS),
        help="the shell ('profiles', 'grants': their names)",
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
    elif given.shell == GRANTS:
        _print_grants()
    else:
        from pathlib import Path

        speech.print_file(Path(__file__).with_name(f"mayfly.{given.shell}").read_text(encoding="utf-8"))
    return speech.DONE


def _print_profiles(config: str | None) -> None:
    """The names in the config, a line each; nothing where it cannot be read: a person is typing."""
    from mayfly.config import document
    from mayfly.config.profile_name import is_profile_name
    from mayfly.shared import paths

    with suppress(MayflyError, OSError):
        profiles = document.read(paths.config_file(config)).tree.get("profiles")
        for name in profiles if isinstance(profiles, dict) else ():
            if is_profile_name(name):
                print(name)


def _print_grants() -> None:
    """The IDs of all grants, and the labels that say which one is meant; nothing where no daemon tells."""
    from mayfly.cli import client
    from mayfly.shared.grant import is_id, is_label

    with suppress(client.NotRunning, client.Distrusted, MayflyError, OSError, ValueError, LookupError, TypeError):
        import json

        rows = json.loads(client.ask("GET", "/grants", answer_seconds=ANSWER_SECONDS).body)
        labels = [row["label"] for row in rows if is_label(row["label"])]
        ids = [row["id"] for row in rows if is_id(row["id"])]
        for name in (*ids, *sorted(label for label in set(labels) if labels.count(label) == 1)):
            print(name)
