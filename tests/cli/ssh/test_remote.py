"""What `mayfly ssh` runs on the other host."""

from __future__ import annotations

import asyncio
import os
import shutil

from pathlib import Path

import pytest

from mayfly.cli.ssh import remote
from support.granter import TOKEN
from support.world import PATIENCE_SECONDS


SHELLS = ("sh", "dash", "bash", "zsh", "fish")


@pytest.mark.parametrize("shell", SHELLS)
async def test_every_login_shell_reads_the_scripts_alike(tmp_path: Path, shell: str) -> None:
    """sshd hands a command to the login shell of the user."""
    program = shutil.which(shell)
    if program is None and not os.environ.get("MAYFLY_REQUIRE_ALL_TESTS"):
        pytest.skip(f"needs {shell}")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "SHELL": "/bin/sh"}
    env |= {"AWS_PROFILE": "theirs", "NO_PROXY": "a", "no_proxy": "*"}

    (tmp_path / ".boto").write_text("[Credentials]\naws_access_key_id = theirs\n")

    async def start(command: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(str(program), "-c", command, stdin=pipe, stdout=pipe, env=env)

    keeper = await start(remote.keeper())
    assert keeper.stdin
    assert keeper.stdout
    keeper.stdin.write(f"1 0001\n{len(TOKEN)}\n{TOKEN}rest".encode())
    async with asyncio.timeout(PATIENCE_SECONDS):
        told = [(await keeper.stdout.readline()).decode().split() for _ in range(3)]
        file = told[-1][-1]
        opened = await start(remote.shell({"MAYFLY_PROFILE": "a.b"}, file, reads_file=False))
        out, _ = await opened.communicate(
            b'echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN $MAYFLY_PROFILE $AWS_PROFILE:$BOTO_CONFIG"\n'
        )
        await keeper.communicate(b"")

    assert [["mayfly-ready"], ["mayfly-looked"], ["mayfly-file", file]] == told
    assert file.startswith(f"{tmp_path}/mayfly-")
    assert f"{TOKEN} a.b :/dev/null" == out.decode().strip()
    assert (0, []) == (keeper.returncode, _files(tmp_path))


def _files(folder: Path) -> list[Path]:
    return list(folder.glob("mayfly-*"))


@pytest.mark.parametrize("word", ["it's", "a\\b", "a!b", "a\nb", "a\x1bb"])
def test_a_word_that_shells_read_differently_is_refused(word: str) -> None:
    """Quotes for one shell would be none for another."""
    with pytest.raises(ValueError, match="cannot be quoted for every shell"):
        remote.quoted(word)


@pytest.mark.parametrize(
    ("address", "is_far"),
    [
        ("0100007F:9C40", False),  # little endian
        ("7F000001:9C40", False),
        ("00000000000000000000000001000000:9C40", False),
        ("00000000:9C40", True),
        ("00000000000000000000000000000000:9C40", True),
        ("0A00000A:9C40", True),
        ("127.0.0.1:40000", False),
        ("127.0.0.1.40000", False),
        ("::1.40000", False),
        ("*.40000", True),
        ("0.0.0.0:40000", True),
        (":::40000", True),
        ("10.0.0.1.40000", True),
    ],
)
def test_only_the_loopback_address_is_near(address: str, is_far: bool) -> None:
    """As Linux's table and netstat of Linux and BSD write addresses."""
    assert is_far == remote.is_far(address)
