"""The line by which SDKs get a profile from Mayfly, used by real SDKs, with curl and without it."""

from __future__ import annotations

import json
import sys

from pathlib import Path

import pytest

import mayfly

from support.aws_files import aws_config_of, use
from support.clients import ARN
from support.world import World


def path_without_curl(world: World) -> str:
    folder = world.folder / "nocurl"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    return str(folder)


async def test_sdks_use_the_profile_through_curl(world: World) -> None:
    """boto3 and the AWS CLI are the vault's user by curl alone, without the command."""
    async with world.serve():
        await world.run("aws-config", "--write")
        config = aws_config_of(world)
        config.write_text(config.read_text().replace("exec '", "exec '/nowhere"))
        ended = await use(world)

    assert [(0, f"{ARN}\n")] * 2 == [(end.code, end.out) for end in ended]
    assert 1 == len(world.vault.calls())


async def test_sdks_use_the_profile_without_curl(world: World) -> None:
    """Without curl, or if its file is gone, the command gives the credentials."""
    async with world.serve():
        await world.run("aws-config", "--write")
        config = aws_config_of(world)
        gone = config.read_text().replace("curl' -q", "gone' -q")
        config.write_text(gone)
        ended = await use(world)
        bare = await world.run("aws-config", env={"PATH": path_without_curl(world)})
        config.write_text(bare.out)
        ended += await use(world)

    assert [(0, f"{ARN}\n", "")] * 4 == [tuple(end) for end in ended]
    assert ("gone' -q" in gone, False) == (True, "curl" in bare.out)
    assert "mayfly: warning: curl is not on PATH: the profiles work without it, more slowly" in bare.err


async def test_a_curl_that_others_can_replace_is_not_written(world: World) -> None:
    """The line has the whole path of the first curl that no other user can change."""
    loose, sound = world.folder / "loose", world.folder / "sound"
    for folder in (loose, sound):
        folder.mkdir()
        (folder / "curl").write_text("#!/bin/sh\n")
        (folder / "curl").chmod(0o755)
    loose.chmod(0o777)

    written = await world.run("aws-config", env={"PATH": f".:{loose}:{sound}"})
    alone = await world.run("aws-config", env={"PATH": f"{loose}"})

    assert (0, True, False) == (written.code, f"'{sound}/curl' -q" in written.out, str(loose) in written.out)
    assert (0, False) == (alone.code, "curl" in alone.out)
    assert f"warning: {loose}/curl cannot be trusted: {loose} is writable by others" in alone.err


@pytest.mark.parametrize("mode", [0o777, 0o770])
async def test_no_line_leads_through_a_folder_that_others_can_write(world: World, mode: int) -> None:
    """A stranger could put a socket of theirs there, and curl would believe it."""
    shared = world.folder / "shared"
    shared.mkdir()
    shared.chmod(mode)
    env = {"MAYFLY_RUNTIME_DIR": f"{shared}/run"}

    ended = [await world.run(*argv, env=env) for argv in (("aws-config",), ("aws-config", "--write"), ("env",))]

    line = f"mayfly: error: {shared} is writable by others: chmod go-w {shared}\n"
    assert [(2, "", line)] * 3 == [tuple(end) for end in ended]
    assert ([], False) == (list(shared.iterdir()), aws_config_of(world).exists())


async def test_without_a_script_the_current_folder_is_not_run(world: World, tmp_path: Path) -> None:
    """`python -m mayfly` would run ./mayfly of somebody's repository: the line says -P."""
    repository = tmp_path / "repository"
    (repository / "mayfly").mkdir(parents=True)
    for name in ("__init__", "__main__"):
        (repository / f"mayfly/{name}.py").write_text(f"print('planted'); open('{tmp_path}/sung', 'w')\n")
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    package = str(Path(mayfly.__file__).parents[1])
    path = ":".join([package, *(entry for entry in sys.path if "site-packages" in entry)])
    env = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin"}

    written = await world.run_program(str(python), "-P", "-m", "mayfly", "aws-config", env=env)
    lines = [line for line in written.out.splitlines() if line.startswith("credential_process = ")]
    (repository / "process.sh").write_text(lines[0].removeprefix("credential_process = "))
    ended = await world.run_program("sh", "-c", f"cd {repository} && sh process.sh", env=env)

    assert f"exec '{python}' '-P' '-m' 'mayfly' credential-process nsrc" in lines[0]
    assert (3, "", False) == (ended.code, ended.out, (tmp_path / "sung").exists())


async def test_curl_takes_no_proxy_and_no_curlrc(world: World) -> None:
    """Neither a proxy nor ~/.curlrc changes curl's request to the socket."""
    (world.home / ".curlrc").write_text("max-time = 0.001\ninclude\n")
    async with world.serve():
        await world.run("aws-config", "--write")
        config = aws_config_of(world)
        config.write_text(config.read_text().replace("exec '", "exec '/nowhere"))
        line = config.read_text().partition("credential_process = ")[2].splitlines()[0]
        ended = await world.run_program("sh", "-c", line, env={"http_proxy": "http://127.0.0.1:1"})

    assert 0 == ended.code
    assert {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken"} <= json.loads(ended.out).keys()


async def test_sdk_shows_what_mayfly_says(world: World) -> None:
    """An SDK shows mayfly's own error, and takes no output of curl for credentials."""
    await world.run("aws-config", "--write")
    ended = await use(world)

    for end in ended:
        assert 0 != end.code
        assert "mayfly: hint: start it: mayfly serve" in end.err


@pytest.mark.parametrize("write", [(), ("--write",)])
async def test_no_line_leads_to_a_folder_that_another_user_can_make(world: World, write: tuple[str, ...]) -> None:
    """curl does not ask who answers: a missing runtime folder in a sticky folder (XDG_RUNTIME_DIR=/tmp) is refused."""
    sticky = world.folder / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    env = {"MAYFLY_RUNTIME_DIR": f"{sticky}/mayfly"}

    ended = await world.run("aws-config", *write, env=env)
    asked = await world.run("credential-process", "nsrc", env=env)

    assert (2, "") == (ended.code, ended.out)
    assert f"error: {sticky}/mayfly is missing, and others could make it: {sticky} is writable by others" in ended.err
    assert not aws_config_of(world).exists()
    assert "the daemon does not run" in asked.err
