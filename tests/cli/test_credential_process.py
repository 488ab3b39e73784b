"""`mayfly credential-process` speaks before the program that has started it gives up."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sys

from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack

import pytest

from support.world import PATIENCE_SECONDS, World


ADVICE = "mayfly: 1Password waits for nsrc: approve the prompt; if this program gives up, run it again\n"


async def start(world: World, stack: AsyncExitStack, *argv: str) -> Process:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=world.env, cwd=world.home
    )
    stack.callback(lambda: process.kill() if process.returncode is None else None)
    return process


async def said(process: Process) -> str:
    """The process's next line on stderr."""
    assert process.stderr
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await process.stderr.readline()).decode()


async def printed(process: Process) -> tuple[set[str], str]:
    """The names on stdout, and the rest of stderr, when the process has ended well."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate()
    assert 0 == process.returncode
    return set(json.loads(out)), err.decode()


async def test_what_is_there_is_printed_without_a_word(world: World) -> None:
    """Programs show stderr to their users, so nothing stands there while all is well."""
    async with world.serve():
        await world.run("login", "nsrc")
        ended = await world.run("credential-process", "nsrc")

    assert (0, "") == (ended.code, ended.err)
    assert "SessionToken" in json.loads(ended.out)


async def test_it_imports_next_to_nothing(world: World) -> None:
    """It runs before every `aws` command: where the answer is there, it pays for no module that it can do without."""
    plain = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    async with world.serve():
        await world.get()
        run = "import sys; from mayfly.__main__ import main; sys.exit(main())"
        asking = (sys.executable, "-X", "importtime", "-c", run, "credential-process", "nsrc")
        ended = await world.run_program(*asking, env=plain)

    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.err.splitlines() if "|" in line}
    assert {"mayfly", "socket"} <= names
    assert set() == names & {"argparse", "importlib", "json", "pathlib", "re", "typing", "urllib", "warnings"}


async def test_the_person_is_told_to_approve_and_to_run_it_again(world: World) -> None:
    """The line comes while the prompt is up; the command waits on, and prints what was approved."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve(), AsyncExitStack() as stack:
        process = await start(world, stack, "mayfly", "credential-process", "nsrc")
        assert ADVICE == await said(process)
        world.vault.update(prompt={"answer": "approve"})
        names, rest = await printed(process)

    assert "" == rest
    assert {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken"} <= names


async def test_nobody_is_told_to_approve_a_prompt_that_is_not_up(world: World) -> None:
    """While another `op` holds the turn, the command says what it waits for; once the prompt is up it says that."""
    waiting = "mayfly: waiting for another login to end (nsrc); if this program gives up, run it again\n"
    world.vault.update(prompt={"answer": "ignore"})
    world.run_dir.mkdir(mode=0o700, exist_ok=True)
    async with world.serve(), AsyncExitStack() as stack:
        with (world.run_dir / "op.lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            process = await start(world, stack, "mayfly", "credential-process", "nsrc")
            # On a slow machine it first says that it waits at all.
            lines = [await said(process)]
            while lines[-1] not in {waiting, ""}:
                lines.append(await said(process))
        second = await said(process)
        world.vault.update(prompt={"answer": "approve"})
        await printed(process)

    assert ADVICE not in lines
    assert [waiting, ADVICE] == [lines[-1], second]


@pytest.mark.slow
async def test_the_command_takes_over_from_curl_before_anybody_gives_up(world: World) -> None:
    """Rust gives up after 18 to 21 s. The line of `~/.aws/config` has spoken by then, and raised one prompt."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve(), AsyncExitStack() as stack:
        printed_config = (await world.run("aws-config")).out
        line = printed_config.partition("credential_process = ")[2].splitlines()[0]
        assert " --max-time 15 " in line
        process = await start(world, stack, "sh", "-c", line)
        assert ADVICE == await said(process)
        world.vault.update(prompt={"answer": "approve"})
        names, rest = await printed(process)

    assert "" == rest
    assert "SessionToken" in names
    assert 1 == world.vault.state()["prompts"]


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"prompt": {"answer": "dismiss"}}, "run 'mayfly login nsrc' when you are ready"),
        ({"app": {"running": False}}, "start the 1Password app, then run 'mayfly login nsrc'"),
    ],
)
async def test_the_next_step_names_the_profile_on_every_road(
    world: World, change: dict[str, object], hint: str
) -> None:
    """The command for this profile alone, by `credential-process`, by `login` and by `status`."""
    world.vault.update(**change)
    async with world.serve():
        first = await world.run("login", "nsrc")
        second = await world.run("credential-process", "nsrc")
        (row,) = json.loads((await world.run("status", "--json")).out)["profiles"]

    assert f"mayfly: hint: {hint}\n" in first.err
    assert f"mayfly: hint: {hint}\n" in second.err
    assert hint == row["last_error"]["hint"]
