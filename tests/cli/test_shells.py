"""The syntax of each shell, in real shells."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys

import pytest

from mayfly.cli import shells


SHOW = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"
NASTY = 'it\'s \\ "all" $HOME `id` $(id) ; # \u2018\u2019\u201a\u201b %s\n& é!'


def shell_command(shell: str, text: str) -> list[str]:
    """A command that evaluates `text` twice and prints the environment."""
    script = {
        "fish": f"eval $argv[1]; eval $argv[1]; {SHOW}",
        "pwsh": f"Invoke-Expression $args[0]; Invoke-Expression $args[0]; {SHOW}",
    }.get(shell, f'eval "$1"; eval "$1"; {SHOW}')
    if shell == "pwsh":
        return ["pwsh", "-NoProfile", "-CommandWithArgs", script, text]
    quiet = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["-N"]}.get(shell, [])
    return [shell, *quiet, "-c", script, *([] if shell == "fish" else [shell]), text]


async def shown(shell: str, text: str, env: dict[str, str]) -> dict[str, str]:
    base = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *shell_command(shell, text),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=base | env,
    )
    out, err = await process.communicate()
    assert (0, b"") == (process.returncode, err)
    found: dict[str, str] = json.loads(out)
    return found


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "fish", "pwsh"])
async def test_every_shell_takes_every_value(shell: str) -> None:
    """Each value comes out as it went in, unset variables are gone, and nothing else runs."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    family = shell if shell in shells.SHELLS else "posix"
    text = shells.render(family, {"GONE": None, "NEVER": None, "NASTY": NASTY, "EMPTY": ""})

    found = await shown(shell, text, {"GONE": "x"})

    assert (NASTY, "", False) == (found["NASTY"], found["EMPTY"], {"GONE", "NEVER"} <= set(found))
    assert "GONE" not in found


def test_nothing_to_unset_is_no_unset() -> None:
    """`unset` alone would be an error in some shells."""
    assert "export A='1';\n" == shells.render("posix", {"A": "1"})


async def test_an_eval_without_quotes_works_too() -> None:
    """Each statement ends with a semicolon, so that the shell can join lines."""
    text = shells.render("posix", {"GONE": None, "A": "1", "B": "2"}).replace("\n", " ")

    found = await shown("sh", text, {"GONE": "x"})

    assert ("1", "2", None) == (found["A"], found["B"], found.get("GONE"))


def test_powershell_doubles_every_quote() -> None:
    """PowerShell ends a text at typographic quotes as well."""
    assert "Remove-Item Env:G -ErrorAction Ignore;\n$Env:A = 'it''s \u2018\u2018x';\n" == shells.render(
        "pwsh", {"G": None, "A": "it's \u2018x"}
    )


def test_fish_warns_of_a_universal_variable_and_keeps_it() -> None:
    """A universal variable may be the only copy of a key: it is not erased, and the warning says how to."""
    warning = "mayfly: warning: G is universal, and stays: set -eU G"

    assert f"set -eg G;\nset -qU G; and echo '{warning}' >&2;\nset -gx A 'it\\'s \\\\';\n" == shells.render(
        "fish", {"G": None, "A": "it's \\"}
    )


def test_json_has_null_for_unset() -> None:
    """For a program: an object of values, null for unset."""
    assert {"G": None, "A": NASTY} == json.loads(shells.render("json", {"G": None, "A": NASTY}))


@pytest.mark.parametrize(
    ("shell", "expected"),
    [("/usr/bin/fish", "fish"), ("/opt/pwsh", "pwsh"), ("/bin/zsh", "posix"), ("", "posix"), (None, "posix")],
)
def test_the_shell_is_known_by_its_name(shell: str | None, expected: str) -> None:
    """$SHELL decides; any shell but fish and PowerShell gets the syntax of sh."""
    assert expected == shells.of_user({} if shell is None else {"SHELL": shell})
