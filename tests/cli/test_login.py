"""`mayfly login` and `forget`."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys

from datetime import UTC, datetime
from pathlib import Path

import pytest

from mayfly.cli import client, login, speech
from mayfly.demo.op.vault import ITEM, VAULT
from support.exchange import program
from support.world import SEED_TOML, World


ROLE = """
[profiles.admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::058264411872:role/Admin"
"""

LOST = """
[profiles.lost]
access_key_id = "op://NSRC/Nowhere/access_key_id"
secret_access_key = "op://NSRC/Nowhere/secret_access_key"
otp = "op://NSRC/Nowhere/totp"
mfa_id = "op://NSRC/Nowhere/mfa_id"
"""


def status_of(*names: str, config: str = "/nowhere/config.toml") -> dict[str, object]:
    return {"config": config, "profiles": [{"profile": name} for name in names]}


async def test_login_says_until_when_the_credentials_are_fresh(world: World) -> None:
    """A login runs `op` once and prints one line."""
    async with world.serve():
        ended = await world.run("login")

    assert 0 == ended.code
    assert re.fullmatch(r"nsrc: fresh until (\w{3} \d\d \w{3}, )?\d\d:\d\d \((8h|7h 59m)\)\n", ended.out)
    assert 1 == len(world.vault.calls())


async def test_login_says_that_it_waits_for_a_prompt(world: World) -> None:
    """A user who looks at another window learns that there is a prompt."""
    world.vault.update(prompt={"delay_s": 1.5})
    async with world.serve():
        ended = await world.run("login")

    assert (0, "mayfly: waiting for 1Password: approve the prompt for nsrc\n") == (ended.code, ended.err)


async def test_a_login_through_the_lock_is_announced(world: World) -> None:
    """The line about the prompt says that it comes through a locked screen."""
    world.vault.update(prompt={"delay_s": 1.5})
    async with world.serve():
        ended = await world.run("login", "--through-lock", "nsrc")

    line = "mayfly: waiting for 1Password: approve the prompt for nsrc, even if the screen is locked\n"
    assert (0, line) == (ended.code, ended.err)


def test_a_request_is_sent_with_its_body(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The body follows the head, which says how long it is."""
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path))
    sent: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()
        for body in (b"", b'{"through_lock": true}'):
            with client.send("POST", "/profiles/nsrc/login", body=body)._sock, listener.accept()[0] as connection:
                sent.append(connection.recv(65536))

    head = "POST /profiles/nsrc/login HTTP/1.0\r\nHost: mayfly\r\nContent-Length: {}\r\n\r\n"
    assert [head.format(0).encode(), head.format(22).encode() + b'{"through_lock": true}'] == sent


def note_sent(world: World, *steps: int) -> None:
    """The file that an exchange writes when it sends the codes of these steps."""
    world.run_dir.mkdir(mode=0o700, exist_ok=True)
    (world.run_dir / "op.lock").write_text(json.dumps({f" op://{VAULT}/{ITEM}/totp?attribute=otp": steps}))
    (world.run_dir / "op.lock").chmod(0o600)


async def test_login_says_when_the_prompt_comes(world: World) -> None:
    """Before the next code there is no prompt, and nobody needs to look for it."""
    step = int(datetime.now(UTC).timestamp()) // 30
    note_sent(world, step, step + 1)
    async with world.serve() as daemon:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mayfly", "login"), stderr=asyncio.subprocess.PIPE, env=world.env
        )
        assert process.stderr is not None
        said = (await process.stderr.readline()).decode()
        daemon.process.kill()
        await process.communicate()

    assert re.fullmatch(r"mayfly: waiting for the next one-time password, [1-6]?\d s \(nsrc\)\n", said)


@pytest.mark.parametrize(
    "setting", ["op is missing", "HTTPS_PROXY=socks5://127.0.0.1:1", "ALL_PROXY=http://127.0.0.1:1"]
)
async def test_nobody_is_asked_to_approve_a_prompt_that_is_not_up(world: World, setting: str) -> None:
    """Where login fails before op runs, however slowly, no line speaks of a prompt."""
    name, _, value = setting.partition("=")
    world.write_toml(SEED_TOML + 'sts_endpoint_url = "https://sts.example.com"\n')
    async with world.serve(env={name: value} if value else None):
        if not value:
            world.op.unlink()
        ended = await world.run("login")

    assert 1 == ended.code
    assert "approve" not in ended.err
    assert [] == world.vault.calls()


async def test_login_replaces_credentials_that_are_still_fresh(world: World) -> None:
    """`login` starts an exchange, even if the daemon has fresh credentials."""
    async with world.serve() as daemon:
        await world.run("login")
        second = asyncio.create_task(world.run("login"))
        started = await daemon.event("exchange.started", times=2)
        await daemon.end()
        await second

    assert ("login", ["nsrc"]) == (started["kind"], started["profiles"])


async def test_dismissed_prompt_needs_a_human(world: World) -> None:
    """The exit code is 4; the cause and the next step are printed."""
    world.vault.update(prompt={"answer": "deny"})
    async with world.serve():
        ended = await world.run("login")

    assert (4, "") == (ended.code, ended.out)
    assert "mayfly: error: nsrc: the 1Password prompt was dismissed\nmayfly: hint: " in ended.err


async def test_no_failure_hides_another_profile(world: World) -> None:
    """The result of each profile is printed, even if another has failed."""
    world.write_toml(SEED_TOML + LOST)
    async with world.serve():
        ended = await world.run("login")

    assert 1 == ended.code
    assert ended.out.startswith("nsrc: fresh until ")
    assert "mayfly: error: lost: " in ended.err


async def test_login_without_names_leaves_roles_alone(world: World) -> None:
    """A role is assumed when a client asks for it, and needs no login."""
    world.write_toml(SEED_TOML + ROLE)
    async with world.serve():
        ended = await world.run("login")

    assert 1 == len(ended.out.splitlines())
    assert ["GetSessionToken"] == [call.action for call in world.sts.calls]


def test_all_profiles_are_asked_for_where_the_config_cannot_be_read() -> None:
    """Without its config, the daemon's profiles are asked for all the same."""
    assert ["a", "b"] == login.without_source(status_of("a", "b"))


def test_a_human_who_is_needed_decides_the_exit_code() -> None:
    """Exit code 4 wins over 1, and 1 over 0."""
    failed, needed = speech.Stop(speech.FAILED), speech.Stop(speech.HUMAN_MUST_ACT)

    assert [0, 1, 4] == [login.worst([]), login.worst([failed]), login.worst([failed, needed])]


async def test_daemon_that_ends_while_somebody_waits_is_told(world: World) -> None:
    """`login` does not wait on if the daemon has ended."""
    world.vault.update(prompt={"delay_s": 20.0})
    async with world.serve() as daemon:
        waiting = asyncio.create_task(world.run("login"))
        await daemon.event("exchange.started")
        daemon.process.kill()
        ended = await waiting

    assert 3 == ended.code
    assert "ended before it had answered" in ended.err


async def test_forgotten_credentials_are_gone_from_memory(world: World) -> None:
    """After `forget` the status has no key; it is said that AWS cannot recall what it has issued."""
    async with world.serve():
        await world.run("login")
        ended = await world.run("forget")
        status = json.loads((await world.run("status", "--json")).out)

    assert (0, "nsrc: forgotten\n") == (ended.code, ended.out)
    assert "AWS cannot recall what it has issued" in ended.err
    assert ("empty", None) == (status["profiles"][0]["phase"], status["profiles"][0]["access_key_id"])


async def test_a_variable_that_only_the_persons_op_follows_is_named(world: World) -> None:
    """The daemon's environment does not have it: `login` says which key of the config takes its place."""
    several = "multiple accounts found. Use the `--account` flag or set the `OP_ACCOUNT` environment variable"
    program(world.op, f"#!{sys.executable} -I\nimport sys\nsys.exit({several!r})\n")
    world.write_toml(SEED_TOML)
    async with world.serve():
        named = await world.run("login", env={"OP_ACCOUNT": "planted-value", "OP_SERVICE_ACCOUNT_TOKEN": ""})
        silent = await world.run("login")

    line = "mayfly: hint: OP_ACCOUNT of this shell does not count: account in [onepassword] takes its place"
    assert ([1, 1], 1, 0) == ([named.code, silent.code], named.err.count(line), silent.err.count("OP_ACCOUNT of"))
    assert "planted-value" not in named.err
