"""The completions of bash, zsh and fish, by shtab from the commands' parsers."""

from __future__ import annotations

from itertools import dropwhile

import shtab

from tests.generate.commands import all_commands


_HEAD = "# Completion of mayfly's commands, options and profiles. Made by `make generate`: do not edit.\n"

_NAMES = "command mayfly completion profiles 2>/dev/null"

# What lists the profiles while a person types.
_PREAMBLE = {
    "bash": f'_mayfly_profiles() {{\n  compgen -W "$({_NAMES})" -- "$1"\n}}\n',
    "zsh": f'_mayfly_profiles() {{\n  local -a names\n  names=(${{(f)"$({_NAMES})"}})\n  compadd -a names\n}}\n',
}
_PROFILE = {"bash": "_mayfly_profiles", "zsh": "_mayfly_profiles", "fish": f"({_NAMES})"}
_FILE = shtab.FILE


def completion(shell: str) -> str:
    """The completion for a shell, whole."""
    whole, commands = all_commands()
    for command in commands.values():
        for action in command._actions:
            if action.dest in {"profile", "profiles"}:
                action.complete = _PROFILE  # type: ignore[attr-defined] # shtab's way to be told
            elif action.metavar == "FILE":
                action.complete = _FILE  # type: ignore[attr-defined] # as above
    text = shtab.complete(whole, shell, root_prefix="mayfly", preamble=_PREAMBLE)
    lines = [line.rstrip() for line in text.splitlines()]
    # shtab's own head names a way to install it that is not ours; zsh wants #compdef in the first line.
    mark = [line for line in lines[:1] if line.startswith("#compdef")]
    body = dropwhile(lambda line: not line or line.startswith("#"), lines)
    return "\n".join([*mark, _HEAD, *body]) + "\n"
