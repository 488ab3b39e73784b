"""`op` starts before the slow imports, and what it prints is used only for what the fully checked config asks."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys

from asyncio.subprocess import PIPE

import pytest

from mayfly.shared import wire
from support.exchange import Answer, answer, fields_of, key_profile, login, put, role_profile
from support.world import PATIENCE_SECONDS, SEED_ACCOUNT, SEED_TOML, World, free_port


# Says on stderr, in order, what the exchange imports and runs (docs.python.org: Audit events table).
WATCHED = """
import os, sys
def note(event, args):
    if event == "import" or event == "subprocess.Popen":
        os.write(2, f"{event} {args[0]}\\n".encode())
sys.addaudithook(note)
from mayfly.exchange.program import main
sys.exit(main())
"""
# What takes long to import.
SLOW = {"attr", "attrs", "cattr", "cattrs", "asyncio", "aiohttp", "aiobotocore", "botocore"}

# Says on stderr where the exchange connects to.
CONNECTIONS = """
import os, sys
sys.addaudithook(lambda event, args: event == "socket.connect" and os.write(2, f"{event} {args[1][1]}\\n".encode()))
from mayfly.exchange.program import main
sys.exit(main())
"""

# A sketch of the config that does not say what the config says.
LYING = """
import os, sys
sys.addaudithook(lambda event, args: event == "subprocess.Popen" and os.write(2, f"{event} {args[0]}\\n".encode()))
from mayfly.exchange import early
truly = early.sketches
def lying(found, profiles):
    return tuple(CHANGE for login in truly(found, profiles))
early.sketches = lying
from mayfly.exchange.program import main
sys.exit(main())
"""
CHANGES = {
    "another item": "login._replace(references=tuple(ref.replace('/Item/', '/Other/') for ref in login.references))",
    "a reference less": "login._replace(references=login.references[1:])",
    "another account": "login._replace(way=login.way._replace(account='my.1password.com'))",
    "another time limit": "login._replace(way=login.way._replace(timeout_seconds=77))",
    "another device": "login._replace(mfa_id='GAHT12345678')",
}


async def _run(world: World, script: str, *profiles: str, env: dict[str, str] | None = None) -> Answer:
    """An exchange that begins with `script`."""
    asked = wire.request_bytes(login(world, *profiles)) + wire.YOU_MAY * 8
    argv = sys.executable, "-I", "-c", script, "--config", str(world.config)
    ended = await world.run_program(*argv, stdin=asked, env=env)
    return Answer(ended.code, ended.out.encode(), ended.err)


def begun(world: World, ended: Answer) -> int:
    """How many times `op` was started."""
    return ended.err.splitlines().count(f"subprocess.Popen {world.op}")


@pytest.mark.parametrize("text", [SEED_TOML, None])
async def test_op_starts_before_anything_slow_is_imported(world: World, text: str | None) -> None:
    """A person waits for the prompt: attrs, cattrs and aiobotocore are imported while `op` runs; TOML or JSON."""
    if text:
        world.write_toml(text)

    ended = await _run(world, WATCHED)

    events = [line.split(" ", 1) for line in ended.err.splitlines()]
    start = events.index(["subprocess.Popen", str(world.op)])
    before, after = ({name for event, name in part if event == "import"} for part in (events[:start], events[start:]))
    assert (set(), SLOW - {"attr", "cattr"}) == (before & SLOW, after & SLOW - {"attr", "cattr"})
    assert {"nsrc": "Credentials"} == ended.verdicts
    assert 1 == len(world.vault.calls())


# The part that a login needs is sound in each; the whole is not.
BAD = {
    "a top-level key that is unknown": 'lissen = "127.0.0.1:9170"\n' + SEED_TOML,
    "a listening address of everybody": 'listen = "0.0.0.0:9170"\n' + SEED_TOML,
    "a key of the profile that is unknown": SEED_TOML + 'regoin = "eu-central-1"\n',
    "a life that AWS does not give": SEED_TOML + "duration_seconds = 1\n",
    "another account than the device's": SEED_TOML + 'account_id = "1"\n',
    "another profile without keys": SEED_TOML + "[profiles.other]\n",
    "a role on a profile that is missing": SEED_TOML
    + role_profile("admin", f"arn:aws:iam::{SEED_ACCOUNT}:role/Admin", "none"),
    "another way to 1Password that is two": SEED_TOML + '[onepasswords.x]\ntoken_file = "/t"\naccount = "x"\n',
}


@pytest.mark.parametrize("case", BAD)
async def test_a_config_that_fails_its_full_check_never_sends_a_code(world: World, case: str) -> None:
    """Whoever asks, with the digest of such a config: `op` is ended, STS is not called, and the code stays unused."""
    world.write_toml(BAD[case])

    ended = await _run(world, WATCHED)

    assert 1 == begun(world, ended)
    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert [] == world.sts.calls
    assert {} == json.loads((world.run_dir / "op.lock").read_text())


async def test_an_sts_out_of_reach_is_tried_once(world: World) -> None:
    """A network that is down swallows each try for seconds; nobody is asked, and one profile does not fail another."""
    port = free_port()
    world.write_toml(
        key_profile("nsrc", more=f'sts_endpoint_url = "http://127.0.0.1:{port}"')
        + key_profile("other", more=f'sts_endpoint_url = "{world.sts.url}"')
    )

    ended = await _run(world, CONNECTIONS, "nsrc", "other", env={"AWS_ENDPOINT_URL_STS": ""})

    assert {"nsrc": "AwsUnreachable", "other": "Credentials"} == ended.verdicts
    assert 1 == ended.err.splitlines().count(f"socket.connect {port}")
    assert 1 == len(world.vault.calls())


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_an_op_that_was_asked_for_something_else_is_not_used(world: World, change: str) -> None:
    """Were the quick look at the config wrong, the full one would count: that `op` is ended, and another one asked."""
    world.vault.add_item("Item", fields_of(world.vault))
    world.vault.add_item("Other", fields_of(world.vault) | {"access_key_id": "AKIAOTHEROTHEROTHER0"})
    world.write_toml(key_profile("nsrc", item="Item"))

    ended = await _run(world, LYING.replace("CHANGE", change))

    assert 2 == begun(world, ended)
    assert {"nsrc": "Credentials"} == ended.verdicts
    assert [world.vault.access_key_id] == [call.access_key_id for call in world.sts.calls]
    assert 1 == world.vault.state()["overlap"]["max"]


async def test_while_another_login_runs_the_slow_imports_are_done(world: World) -> None:
    """An exchange that waits for its turn uses the time: `op` starts as soon as the other one has ended."""
    world.run_dir.mkdir(mode=0o700)
    lock = os.open(world.run_dir / "op.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", WATCHED, "--config", str(world.config)),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env=world.env,
    )
    await put(process, login(world))
    assert process.stderr
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (line := await process.stderr.readline()) != b"import cattrs\n":
            assert line.startswith(b"import ")
    os.close(lock)
    ended = await answer(process)

    assert f"subprocess.Popen {world.op}\n" in ended.err
    assert {"nsrc": "Credentials"} == ended.verdicts
