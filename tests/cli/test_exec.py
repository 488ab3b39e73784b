"""`mayfly exec`: the command's own process, signals, exit code, and a profile's environment."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from pathlib import Path

import pytest

from mayfly.cli import speech, target
from support.clients import ARN, CLIENTS, HOSTILE, WITH_REGION
from support.world import SEED_TOML, World


ROLE = """
[profiles.admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::058264411872:role/Admin"
"""
SHOW = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")


async def start(world: World, *argv: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "exec", "nsrc", "--", *argv), stdout=asyncio.subprocess.PIPE, env=world.env
    )


async def test_a_command_gets_what_env_would_set(world: World) -> None:
    """`exec` sets and unsets the same variables as `env`, and passes the rest of the environment on."""
    world.write_toml(WITH_REGION)
    env = HOSTILE | {"KEPT": "x", "https_proxy": "http://127.0.0.1:1"}

    found = json.loads((await world.run("exec", "nsrc", "--", *SHOW, env=env)).out)
    told = json.loads((await world.run("env", "nsrc", "--shell", "json", env=env)).out)

    assert told == {name: found.get(name) for name in told}
    assert "x" == found["KEPT"]


async def test_a_command_can_have_the_tokens_file(world: World) -> None:
    """With --token-file the command gets the path of the file, and no token."""
    found = json.loads((await world.run("exec", "nsrc", "--token-file", "--", *SHOW)).out)

    assert str(world.run_dir / "tokens/nsrc") == found["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN" not in found


async def test_a_commands_words_are_its_own(world: World) -> None:
    """After `--` no word is parsed: no option, and no second `--`."""
    ended = await world.run(
        *("exec", "nsrc", "--allow-shadow", "--", "sh", "-c", 'echo "$@"', "sh", "--help", "--", "-x"),
    )

    assert (0, "--help -- -x\n", "") == (ended.code, ended.out, ended.err)


@pytest.mark.parametrize("code", [0, 3, 255])
async def test_an_exit_code_is_the_commands(world: World, code: int) -> None:
    """`exec` ends with the command's exit code."""
    assert code == (await world.run("exec", "nsrc", "--", "sh", "-c", f"exit {code}")).code


async def test_the_command_is_the_process(world: World) -> None:
    """The command replaces our process: it has the same pid, and gets each signal."""
    process = await start(world, "sh", "-c", "echo $$; exec sleep 60")
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.send_signal(signal.SIGINT)

    assert (process.pid, -signal.SIGINT) == (pid, await process.wait())


async def test_a_command_dies_of_a_broken_pipe(world: World) -> None:
    """The command does not inherit that Python ignores SIGPIPE."""
    ended = await world.run("exec", "nsrc", "--", "sh", "-c", "yes | head -1")

    assert (0, "y\n", "") == (ended.code, ended.out, ended.err)


async def test_no_such_command_is_127(world: World) -> None:
    """A command that does not exist ends with the exit code of shells."""
    ended = await world.run("exec", "nsrc", "--", "no-such-command")

    assert (127, "mayfly: error: no-such-command: there is no such command\n") == (ended.code, ended.err)


async def test_a_command_below_a_file_is_127(world: World) -> None:
    """A path below a file is no command."""
    path = f"{world.config}/x"

    assert 127 == (await world.run("exec", "nsrc", "--", path)).code


@pytest.mark.parametrize(("mode", "why"), [(0o644, "Permission denied"), (0o755, "Exec format error")])
async def test_what_cannot_be_run_is_126(world: World, mode: int, why: str) -> None:
    """A file that cannot be run is reported with the system's reason."""
    file = world.folder / "no-program"
    file.write_text("not a program\n")
    file.chmod(mode)

    ended = await world.run("exec", "nsrc", "--", str(file))

    assert (126, f"mayfly: error: {file}: cannot be run: {why}\n") == (ended.code, ended.err)


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["nsrc"], "the command to run is missing: it follows --"),
        (["nsrc", "--"], "the command to run is missing: it follows --"),
        (["nsrc", "aws", "s3"], "aws: the command to run follows --"),
        (["nsrc", "--s3", "aws"], "unrecognized arguments: --s3 aws"),
        (
            ["nsrc", "--min-life", "6", "--", "aws"],
            "argument --min-life: '6' is no duration: expected one like 30m, 8h or 1h30m",
        ),
    ],
)
async def test_wrong_usage_is_answered_by_the_usage(world: World, argv: list[str], error: str) -> None:
    """If `--` or the command is missing, or an option is wrong: exit code 2, the usage, and what is wrong."""
    ended = await world.run("exec", *argv)

    options = "[-h] [--config FILE] [--token-file] [--allow-shadow] [--min-life 6h]"
    usage = f"usage: mayfly exec {options} [PROFILE] -- CMD ..."
    assert (2, "") == (ended.code, ended.out)
    assert [usage, f"mayfly: error: {error}", "mayfly: hint: mayfly exec --help"] == ended.err.splitlines()


async def test_an_unknown_profile_runs_nothing(world: World) -> None:
    """A command never runs without credentials, or with another profile's."""
    ended = await world.run("exec", "nsrx", "--", "echo", "ran")

    assert (2, "") == (ended.code, ended.out)
    assert "did you mean nsrc?" in ended.err


async def test_a_client_under_exec_is_who_the_vault_says(world: World) -> None:
    """The AWS CLI under `exec` uses the profile, also if the shell's variables name another."""
    world.write_toml(WITH_REGION)
    async with world.serve():
        ended = await world.run("exec", "nsrc", "--", *("sh", "-c", CLIENTS["aws"]), env=HOSTILE)

    said = [line for line in ended.err.splitlines() if not line.startswith(("mayfly: waiting", "mayfly: asking"))]
    assert (0, ARN + "\n", []) == (ended.code, ended.out, said)


CHOICES: list[tuple[list[str], dict[str, str], str | None]] = [
    (["a", "b"], {}, None),
    (["a"], {}, "a"),
    (["a"], {"AWS_PROFILE": "other"}, "a"),
    (["a", "b"], {"AWS_PROFILE": "other"}, None),
    (["a", "b"], {"AWS_PROFILE": "b"}, "b"),
    (["a", "b"], {"AWS_PROFILE": ""}, None),
    (["a", "b"], {"MAYFLY_PROFILE": "a", "AWS_PROFILE": "b"}, "a"),
    (["a", "b"], {"MAYFLY_PROFILE": "", "AWS_PROFILE": "b"}, "b"),
    (["a", "b"], {"AWS_DEFAULT_PROFILE": "b"}, None),
]


@pytest.mark.parametrize(("names", "variables", "chosen"), CHOICES)
def test_whose_profile_it_is(tmp_path: Path, names: list[str], variables: dict[str, str], chosen: str | None) -> None:
    """A name that is given, else MAYFLY_PROFILE, else AWS_PROFILE if it is one of ours, else the only one."""
    path = tmp_path / "config.toml"
    path.write_text("".join(f"[profiles.{name}]\n" for name in names))

    assert names[-1] == target.find(str(path), names[-1], variables).profile
    if chosen:
        assert chosen == target.find(str(path), None, variables).profile
        return
    with pytest.raises(speech.Stop) as stopped:
        target.find(str(path), None, variables)
    assert (2, (f"which profile? {path} has a, b",)) == (stopped.value.exit_code, stopped.value.errors)


@pytest.mark.parametrize(
    ("variables", "code", "said"),
    [
        ({"MAYFLY_PROFILE": "two"}, 0, ""),
        ({"AWS_PROFILE": "two"}, 0, ""),
        ({"AWS_PROFILE": "three"}, 2, "which profile? {} has nsrc, two"),
        ({"MAYFLY_PROFILE": "tow"}, 2, "{} has no profile 'tow' (from MAYFLY_PROFILE): did you mean two?"),
    ],
)
async def test_exec_without_a_name(world: World, variables: dict[str, str], code: int, said: str) -> None:
    """The command's own variables name the profile that was chosen; where none can be, nothing is run."""
    world.write_toml(SEED_TOML + SEED_TOML.replace("nsrc]", "two]"))
    ended = await world.run("exec", "--", "sh", "-c", 'echo "$MAYFLY_PROFILE $AWS_PROFILE"', env=variables)

    assert (code, "two \n" if code == 0 else "") == (ended.code, ended.out)
    assert said.format(world.config) in ended.err


async def test_a_command_has_credentials_that_last(world: World) -> None:
    """`--min-life` gets them, or ends with the reason before the command is run; without a daemon, too."""
    world.write_toml(SEED_TOML + "duration_seconds = 7200\n" + ROLE)
    run = ("--", "echo", "ran")
    alone = await world.run("exec", "nsrc", "--min-life", "1h", *run)
    async with world.serve():
        first = await world.run("exec", "nsrc", "--min-life", "2h", *run)
        again = await world.run("exec", "nsrc", "--min-life", "1h30m", *run)
        longer = await world.run("exec", "nsrc", "--min-life", "3h", *run)
        chained = await world.run("exec", "admin", "--min-life", "6h", *run)
        login = await world.run("login", "nsrc", "--min-life", "1h")
        refused = await world.run("login", "nsrc", "admin", "--min-life", "6h")

    assert (3, "") == (alone.code, alone.out)
    assert [(0, "ran\n")] * 2 == [(ended.code, ended.out) for ended in (first, again)]
    assert [(2, "")] * 3 == [(ended.code, ended.out) for ended in (longer, chained, refused)]
    assert "sessions of nsrc last 7200 seconds (duration_seconds); 10800 are needed" in longer.err
    assert 'mayfly: hint: mfa = "each" in its config' in chained.err
    assert "mayfly: error: admin: admin is a role" in refused.err
    assert (0, True) == (login.code, login.out.startswith("nsrc: fresh until "))
    assert 1 == len(world.vault.calls())


HEAVY = {"aiohttp", "aiobotocore", "botocore", "structlog"}
LIGHT = HEAVY | {"attr", "attrs", "cattr", "cattrs", "asyncio", "dataclasses", "inspect", "subprocess", "random"}
# What a bare interpreter does not import either, and tomllib does not.
LIGHTEST = LIGHT | {"argparse", "pathlib"}


@pytest.mark.parametrize(
    ("argv", "forbidden"),
    [
        (["env"], LIGHT | {"pathlib"}),
        (["env", "nsrc"], LIGHTEST),
        (["env", "--off"], LIGHT),
        (["exec", "nsrc", "--", "true"], LIGHT),
        (["status"], HEAVY),
        (["prompt"], LIGHT),
        (["login"], HEAVY),
        (["credential-process", "nsrc"], HEAVY),
    ],
)
async def test_a_quick_command_imports_nothing_heavy(world: World, argv: list[str], forbidden: set[str]) -> None:
    """A command of every shell start-up, or of every credential request, imports no module that is slow to import."""
    await world.run("env")
    plain = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
    ended = await world.run_program(sys.executable, "-X", "importtime", "-m", "mayfly", *argv, env=plain)

    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.err.splitlines() if "|" in line}
    assert "mayfly" in names
    assert set() == names & forbidden
