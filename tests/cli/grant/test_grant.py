"""`mayfly grant -- CMD`: what is asked of the daemon, and how the command and the grant end together."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from pathlib import Path
from typing import Any

import pytest

from support import clients
from support.granter import UNKNOWN_GRANT, UNKNOWN_PATH, Granter, granter, refused
from support.world import PATIENCE_SECONDS, SEED_TOML, World, measured, which


SHOW = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")
ID = "1a2b3c4d"
HOLD = ("POST", f"/grants/{ID}/hold")
END = ("DELETE", f"/grants/{ID}")
ARN = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
NO_NARROWING = {"words": None, "policy": None, "policy_arns": []}
FOR_EVER = "while :; do sleep 0.05; done"
USUAL = {
    "profile": "nsrc",
    "label": "true",
    "seconds": 3600,
    "narrowing": NO_NARROWING,
    "as": "endpoint",
    "ask": False,
    "token_file": False,
    "allow_disk": False,
    "held": True,
}


async def start(world: World, *argv: str, **env: str) -> asyncio.subprocess.Process:
    """`mayfly grant nsrc -- ARGV`, from scratch."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "grant", "nsrc", "--", *argv),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=world.with_env(measured() | env),
    )


async def line_of(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await process.stdout.readline()).decode().strip()


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("argv", "changed"),
    [
        ([], {}),
        (["--for", "1h30m"], {"seconds": 5400}),
        (["--read-only"], {"narrowing": NO_NARROWING | {"words": "read-only"}}),
        (["--view-only", "--ask"], {"narrowing": NO_NARROWING | {"words": "view-only"}, "ask": True}),
        (["--policy-arn", ARN, "--policy-arn", ARN], {"narrowing": NO_NARROWING | {"policy_arns": [ARN]}}),
        (["--policy", "policy.json"], {"narrowing": NO_NARROWING | {"policy": '{"Statement":[]}'}}),
        (["--as", "socket", "--token-file", "--label", "a.b"], {"as": "socket", "token_file": True, "label": "a.b"}),
        (["--as", "file", "--allow-disk"], {"as": "file", "allow_disk": True}),
    ],
)
async def test_the_daemon_is_asked_for_what_the_options_say(
    world: World, granting: Granter, argv: list[str], changed: dict[str, Any]
) -> None:
    """The body has every choice, a policy in its shortest form; then the grant is held, and ended with the command."""
    (world.home / "policy.json").write_text('{\n  "Statement": [\n  ]\n}\n')
    done = await world.run("grant", "nsrc", *argv, "--", "true")

    assert (0, "", "") == done
    assert [("POST", "/grants", USUAL | changed), (*HOLD, None), (*END, None)] == granting.asked


async def test_a_policy_has_as_many_characters_as_aws_counts(world: World, granting: Granter) -> None:
    """A letter of Latin-1 is one character; others are written as JSON's escapes, which AWS takes."""
    texts = ['{"Sid":"' + "é" * 2000 + '"}', '{"Sid":"é✓"}']
    for text in texts:
        (world.home / "policy.json").write_text(text)
        assert 0 == (await world.run("grant", "nsrc", "--policy", "policy.json", "--", "true")).code

    assert [texts[0], r'{"Sid":"\u00e9\u2713"}'] == [body["narrowing"]["policy"] for body in granting.bodies()]


async def test_a_profile_may_follow_the_arns(world: World, granting: Granter) -> None:
    """Several ARNs may stand behind one option, and the profile behind them."""
    other = ARN.replace("S3", "EC2")
    await world.run("grant", "--policy-arn", ARN, other, "nsrc", "--", "true")

    assert [[ARN, other]] == [body["narrowing"]["policy_arns"] for body in granting.bodies()]


BAD_INPUT = [
    (["nsrc", "--for", "13h", "--", "true"], 2, "a grant lasts 15m to 12h, not 13h"),
    (["nsrc", "--for", "899s", "--", "true"], 2, "a grant lasts 15m to 12h, not 899s"),
    (["nsrc", "--for", "1", "--", "true"], 2, "'1' is no duration: expected one like 30m, 8h or 1h30m"),
    (["nsrc", "--label", "-x", "--", "true"], 2, "expected one argument"),
    (["nsrc", "--label", "a b", "--", "true"], 2, "'a b': a label is 1 to 32 letters, digits and . _ -"),
    (["nsrc", "--label", "a" * 33, "--", "true"], 2, "a label is 1 to 32 letters"),
    (["nsrc", "--read-only", "--view-only", "--", "true"], 2, "not allowed with argument --read-only"),
    (["nsrc", "--policy-arn", "arn:aws:s3:::x", "--", "true"], 2, "is no managed policy"),
    (["nsrc", *(f"--policy-arn={ARN}{n}" for n in range(11)), "--", "true"], 2, "11 ARNs: AWS takes 10 at most"),
    (["nsrc", "--policy", "long", "--", "true"], 2, "has 2074 characters: AWS takes 2048 at most"),
    (["nsrc", "--policy", "text", "--", "true"], 2, "--policy text: is not JSON"),
    (["nsrc", "--policy", "twice", "--", "true"], 2, "has a key twice in one object"),
    (["nsrc", "--policy", "list", "--", "true"], 2, "must be a JSON object"),
    (["nsrc", "--policy", "fifo", "--", "true"], 2, "--policy fifo: is a pipe"),
    (["nsrc", "--policy", "nowhere", "--", "true"], 2, "--policy nowhere: cannot be read: No such file"),
    (["nsrc", "--as", "env", "--for", "61m", "--", "true"], 2, "--as env gives one session"),
    (["nsrc", "--as", "file", "--token-file", "--", "true"], 2, "--as file has no token"),
    (["nsrx", "--", "true"], 2, "has no profile 'nsrx': did you mean nsrc?"),
    (["nsrc", "true"], 2, "true: the command to run follows --"),
    (["nsrc", "--"], 2, "the command to run is missing: it follows --"),
    ([], 2, "the profile is missing"),
    (["nsrc", "--", "no-such-command"], 127, "no-such-command: there is no such command"),
    (["nsrc", "--", "./text"], 126, "./text: cannot be run: Permission denied"),
    (["nsrc", "--", "/"], 126, "/: cannot be run: Permission denied"),
]


async def test_bad_input_is_refused_before_anything_is_granted(world: World, granting: Granter) -> None:
    """One line says what is wrong; no daemon is asked."""
    os.mkfifo(world.home / "fifo")
    texts = {"long": json.dumps({"a": "x" * 2066}), "text": "{'a': 1}", "twice": '{"a": 1, "a": 2}', "list": "[]"}
    for name, text in texts.items():
        (world.home / name).write_text(text)
    found = [await world.run("grant", *argv) for argv, _, _ in BAD_INPUT]

    assert [(code, "") for _, code, _ in BAD_INPUT] == [(done.code, done.out) for done in found]
    for (_, _, said), done in zip(BAD_INPUT, found, strict=True):
        errors = [line for line in done.err.splitlines() if line.startswith("mayfly: error: ")]
        assert (1, True) == (len(errors), said in errors[0])
    assert [] == granting.asked


async def test_a_refusal_runs_nothing(world: World, granting: Granter) -> None:
    """A rule is exit code 2, AWS's no is 1, a person's is 4; the older daemon's 404 is 1 and says what to do."""
    error = {"message": "why", "hint": "what to do", "problems": []}
    answers = [
        (refused("the rule"), 2, "mayfly: error: the rule\n"),
        ((400, error | {"code": "RoleRefused", "needs_human": False}), 1, "error: why\nmayfly: hint: what to do\n"),
        ((403, error | {"code": "ScreenLocked", "needs_human": True}), 4, "error: why\nmayfly: hint: what to do\n"),
        (UNKNOWN_PATH, 1, "hint: restart it, as by: systemctl --user restart mayfly.service\n"),
        ((404, {"code": "UnknownProfile", "message": "no"}), 1, ""),
        ((200, {"id": ID}), 1, "the daemon's answer makes no sense"),
        ((200, {"id": "../status"}), 1, "the daemon's answer makes no sense"),
    ]
    for answer, code, said in answers:
        granting.answers["POST /grants"] = answer
        done = await world.run("grant", "nsrc", "--", "echo", "ran")

        assert (code, "") == (done.code, done.out)
        assert said in done.err


async def test_without_a_daemon_nothing_is_run(world: World) -> None:
    """Exit code 3, and how to start it."""
    done = await world.run("grant", "nsrc", "--", "echo", "ran")

    assert (3, "") == (done.code, done.out)
    assert "mayfly: error: the daemon does not run\nmayfly: hint: start it: " in done.err


@pytest.mark.parametrize(
    ("argv", "told"),
    [(["--read-only"], None), (["--policy-arn", ARN], ""), (["--view-only"], "x")],
)
async def test_a_grant_that_was_not_narrowed_is_ended(
    world: World, granting: Granter, argv: list[str], told: str | None
) -> None:
    """A daemon that knows less than the command must not give more than was asked for."""
    granting.made["narrowing"] = told
    done = await world.run("grant", "nsrc", *argv, "--", "echo", "ran")

    assert (1, "") == (done.code, done.out)
    assert "the daemon did not narrow the grant; nothing was granted" in done.err
    assert [None] == granting.bodies(*END)


async def test_a_grant_that_cannot_be_held_runs_nothing(world: World, granting: Granter) -> None:
    """The command would lose it half a minute later."""
    granting.answers[" ".join(HOLD)] = UNKNOWN_GRANT
    done = await world.run("grant", "nsrc", "--", "echo", "ran")

    assert (1, "", "mayfly: error: there is no such grant\n") == done
    assert [None] == granting.bodies(*END)


async def test_a_warning_of_the_daemons_is_said(world: World, granting: Granter) -> None:
    """And the command runs."""
    granting.made["warnings"] = ["the role has a name of its own"]

    assert (0, "ran\n", "mayfly: warning: the role has a name of its own\n") == await world.run(
        "grant", "nsrc", "--", "echo", "ran"
    )


# How both end.


@pytest.mark.parametrize("script", ["exit 0", "exit 3", "exit 255", "kill -TERM $$", "kill -KILL $$", "kill -QUIT $$"])
async def test_the_end_is_the_commands(world: World, granting: Granter, script: str) -> None:
    """The exit code is the command's, or we die of the signal that killed it; the grant ends in any case."""
    process = await start(world, "sh", "-c", script)
    word, value = script.split()[:2]
    expected = int(value) if word == "exit" else -getattr(signal, f"SIG{value[1:]}")

    assert (expected, "", "") == await ended(process)
    assert [None] == granting.bodies(*END)
    await granting.until_held()


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "QUIT", "USR1", "USR2", "WINCH"])
async def test_signals_are_the_commands(world: World, granting: Granter, name: str) -> None:
    """A signal that is sent to us reaches the command, which decides what comes of it."""
    process = await start(
        world, "sh", "-c", f"trap 'echo {name}; exit 7' {name}; echo up; while :; do sleep 0.05; done"
    )
    await line_of(process)
    process.send_signal(getattr(signal, f"SIG{name}"))

    assert (7, f"{name}\n", "") == await ended(process)


async def test_an_ignored_signal_stays_ignored(world: World, granting: Granter) -> None:
    """`nohup mayfly grant` is nohup for the command, too; and no signal is blocked in it."""
    script = "trap '' HUP; exec \"$@\""
    show = ("grep", "-E", "Sig(Ign|Blk)", "/proc/self/status")
    inner = (sys.executable, "-m", "mayfly", "grant", "nsrc", "--", *show)
    done = await world.run_program("sh", "-c", script, "sh", *inner)

    masks = {line.split(":")[0]: int(line.split()[1], 16) for line in done.out.splitlines()}
    # Two signals above are the C library's own, and its posix_spawn() ignores them in every child.
    assert (0, 1 << signal.SIGHUP - 1) == (masks["SigBlk"], masks["SigIgn"] & 0x7FFFFFFF)
    assert granting.asked


async def test_the_grant_ends_with_its_parent(world: World, granting: Granter) -> None:
    """A parent that is killed loses the connection; the command lives on, and its credentials end."""
    process = await start(world, "sh", "-c", "echo $$; exec sleep 60")
    pid = int(await line_of(process))
    await granting.until_held(ID)
    process.kill()
    await granting.until_held()

    os.kill(pid, signal.SIGTERM)
    assert -signal.SIGKILL == (await ended(process))[0]
    assert [] == granting.bodies(*END)


async def test_the_command_does_not_hold_the_connection(world: World, granting: Granter) -> None:
    """No descriptor of ours is the command's."""
    line = (sys.executable, "-m", "mayfly", "grant", "nsrc", "--", "sh", "-c", "ls /proc/self/fd")
    done = await world.run_program(*line)

    assert ["0", "1", "2", "3"] == done.out.split()


async def test_input_and_output_are_the_commands(world: World, granting: Granter) -> None:
    """As an MCP server's over stdio; and a closed pipe ends it."""
    done = await world.run("grant", "nsrc", "--", "cat", stdin=b"x" * 200_000)
    piped = await world.run("grant", "nsrc", "--", "sh", "-c", "yes | head -1")

    assert (0, 200_000, "") == (done.code, len(done.out), done.err)
    assert (0, "y\n", "") == piped


async def test_a_file_that_is_no_program_ends_the_grant(world: World, granting: Granter) -> None:
    """What only the system finds out is 126, after the grant, and nothing is left of it."""
    file = world.folder / "no-program"
    file.write_text("not a program\n")
    file.chmod(0o755)
    done = await world.run("grant", "nsrc", "--", str(file))

    assert (126, "", f"mayfly: error: {file}: cannot be run: Exec format error\n") == done
    assert [None] == granting.bodies(*END)


# The connection that holds it.


async def test_a_restart_of_the_daemon_costs_nothing(world: World, granting: Granter) -> None:
    """The grant is taken hold of again, silently."""
    process = await start(world, "sh", "-c", "echo up; exec sleep 60")
    await line_of(process)
    await granting.until_held(ID)
    await granting.stop()
    await granting.start()
    await granting.until_held(ID)
    process.terminate()

    assert (-signal.SIGTERM, "", "") == await ended(process)
    assert 2 == len(granting.bodies(*HOLD))


@pytest.mark.parametrize(
    ("last", "times", "reason"),
    [(b'{"ended": "revoked"}\n', 1, "the grant has ended (revoked)"), (b"", 2, "there is no such grant")],
)
async def test_a_grant_that_ends_before_its_command_is_told_once(
    world: World, granting: Granter, last: bytes, times: int, reason: str
) -> None:
    """The command goes on: it may be in the middle of work that needs no credentials."""
    process = await start(world, "sh", "-c", "echo up; exec sleep 60")
    await line_of(process)
    await granting.until_held(ID)
    granting.answers[" ".join(HOLD)] = UNKNOWN_GRANT
    granting.held[ID].write(last)
    granting.held[ID].close()
    await granting.until(*HOLD, times=times)
    assert process.stderr is not None
    said = (await process.stderr.readline()).decode()
    process.terminate()

    assert f"mayfly: warning: sh ({ID}) gets no more credentials: {reason}\n" == said
    assert (-signal.SIGTERM, "", "") == await ended(process)
    assert times == len(granting.bodies(*HOLD))


# Inside.


async def test_real_clients_find_the_grant_and_nothing_else(world: World, tmp_path: Path) -> None:
    """boto3 and the AWS CLI work; the profiles of ~/.aws, and keys of the shell, are not there for the command."""
    world.write_toml(SEED_TOML + 'region = "us-east-1"\n')
    aws = world.home / ".aws"
    aws.mkdir()
    keys = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n"
    (aws / "credentials").write_text(f"[default]\n{keys}[admin]\n{keys}")
    (aws / "config").write_text(f"[default]\n{keys}[profile admin]\nregion = eu-west-1\n{keys}")
    # boto3 takes what boto 2 has left before it asks the endpoint.
    (world.home / ".boto").write_text(f"[Credentials]\n{keys}")
    hostile = {"AWS_PROFILE": "admin", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
    other = f"{which('aws')} --profile admin sts get-caller-identity"
    async with world.serve(), granter(tmp_path / "granting/control.sock") as made:
        await world.run("env")
        made.made["token"] = world.token()
        env = hostile | {"MAYFLY_RUNTIME_DIR": str(made.path.parent)}
        script = f"{clients.CLIENTS['aws']}; {clients.CLIENTS['boto3']}; {other} || echo none"
        done = await world.run("grant", "nsrc", "--", "sh", "-c", script, env=env)

    assert [clients.ARN, clients.ARN, "none"] == done.out.split()
    assert "The config profile (admin) could not be found" in done.err
