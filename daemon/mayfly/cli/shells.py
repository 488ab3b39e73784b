"""Changes of variables in the syntax of each shell.

Each statement ends with a semicolon and a newline, because `eval $(…)` without quotes and fish's `eval (…)` join lines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mayfly.cli.environment import Changes


# PowerShell takes typographic quotes for plain ones (about_Quoting_Rules).
_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"

# How each shell evaluates what a command prints.
EVAL = {"posix": 'eval "$({})"', "fish": "{} | source", "pwsh": "{} | Out-String | Invoke-Expression"}

SHELLS = (*EVAL, "json")


def of_user(environ: Mapping[str, str]) -> str:
    """The shell of `$SHELL`: fish, pwsh, or posix for any other."""
    name = environ.get("SHELL", "").rpartition("/")[2]
    return name if name in {"fish", "pwsh"} else "posix"


def render(shell: str, changes: Changes) -> str:
    """The changes as statements of `shell`, one of SHELLS; for `json` an object of values, null for unset."""
    if shell == "json":
        import json

        return json.dumps(changes, indent=2) + "\n"
    statements = {"posix": _posix, "fish": _fish, "pwsh": _powershell}[shell]
    return "".join(f"{statement};\n" for statement in statements(changes))


def _posix(changes: Changes) -> Iterator[str]:
    gone, kept = _split(changes)
    if gone:
        yield f"unset {' '.join(gone)}"
    for name, value in kept.items():
        quoted = value.replace("'", "'\\''")
        yield f"export {name}='{quoted}'"


def _fish(changes: Changes) -> Iterator[str]:
    gone, kept = _split(changes)
    for name in gone:
        yield f"set -eg {name}"
        # fish keeps universal variables for all its shells: one may be the only copy of a key, so it is not erased.
        yield f"set -qU {name}; and echo 'mayfly: warning: {name} is universal, and stays: set -eU {name}' >&2"
    for name, value in kept.items():
        quoted = value.replace("\\", "\\\\").replace("'", "\\'")
        yield f"set -gx {name} '{quoted}'"


def _powershell(changes: Changes) -> Iterator[str]:
    gone, kept = _split(changes)
    for name in gone:
        yield f"Remove-Item Env:{name} -ErrorAction Ignore"
    for name, value in kept.items():
        quoted = "".join(letter * 2 if letter in _POWERSHELL_QUOTES else letter for letter in value)
        yield f"$Env:{name} = '{quoted}'"


def _split(changes: Changes) -> tuple[list[str], dict[str, str]]:
    gone = [name for name, value in changes.items() if value is None]
    return gone, {name: value for name, value in changes.items() if value is not None}
