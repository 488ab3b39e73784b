"""The completions of bash, zsh and fish, by shtab from the commands' parsers."""

from __future__ import annotations

from itertools import dropwhile

import shtab

from tests.generate.commands import all_commands


_HEAD = "# Completion of mayfly's commands, options, profiles and grants. Made by `make generate`: do not edit.\n"

# By an argument's name, what lists its values while a person types.
_LISTS = {"profile": "profiles", "profiles": "profiles", "grant": "grants"}
_FUNCTIONS = {
    "bash": '_mayfly_{kind}() {{\n  compgen -W "$({names})" -- "$1"\n}}\n',
    "zsh": '_mayfly_{kind}() {{\n  local -a names\n  names=(${{(f)"$({names})"}})\n  compadd -a names\n}}\n',
}
_FILE = shtab.FILE


def completion(shell: str) -> str:
    """The completion for a shell, whole."""
    whole, commands = all_commands()
    for command in commands.values():
        for action in command._actions:
            if kind := _LISTS.get(action.dest):
                action.complete = _listed(kind)  # type: ignore[attr-defined] # shtab's way to be told
            elif action.metavar == "FILE":
                action.complete = _FILE  # type: ignore[attr-defined] # as above
    text = shtab.complete(whole, shell, root_prefix="mayfly", preamble=_preamble())
    lines = [line.rstrip() for line in text.splitlines()]
    # shtab's own head names a way to install it that is not ours; zsh wants #compdef in the first line.
    mark = [line for line in lines[:1] if line.startswith("#compdef")]
    body = dropwhile(lambda line: not line or line.startswith("#"), lines)
    return "\n".join([*mark, _HEAD, *body]) + "\n"


def _names(kind: str) -> str:
    return f"command mayfly completion {kind} 2>/dev/null"


def _listed(kind: str) -> dict[str, str]:
    return {"bash": f"_mayfly_{kind}", "zsh": f"_mayfly_{kind}", "fish": f"({_names(kind)})"}


def _preamble() -> dict[str, str]:
    kinds = dict.fromkeys(_LISTS.values())
    return {
        shell: "\n".join(function.format(kind=kind, names=_names(kind)) for kind in kinds)
        for shell, function in _FUNCTIONS.items()
    }
