"""Service accounts and Connect: `op` has exactly one way to authenticate, and the token is protected."""

from __future__ import annotations

from pathlib import Path

import pytest

from mayfly.shared import wire
from support.exchange import PLANTED, ask, login, program, with_onepassword
from support.world import World


def _token_file(world: World, text: str, mode: int = 0o600) -> Path:
    path = world.home / "token"
    path.write_text(text)
    path.chmod(mode)
    return path


HEADLESS = {"OP_CACHE", "OP_LOAD_DESKTOP_APP_SETTINGS", "OP_BIOMETRIC_UNLOCK_ENABLED"}


async def test_a_service_account_authenticates_by_its_file(world: World) -> None:
    """The token in `token_file` reaches `op`, and nothing that leads to the app or to Connect; nobody is prompted."""
    world.vault.update(mode="service", service_token="ops_made_up")
    path = _token_file(world, "ops_made_up\n")
    with_onepassword(world, f'token_file = "{path}"')

    ended = await ask(world, wire.request_bytes(login(world)), PLANTED)

    assert ({"nsrc": "Credentials"}, False) == (ended.verdicts, wire.MAY_I in ended.out)
    assert HEADLESS | {"OP_SERVICE_ACCOUNT_TOKEN"} == set(world.vault.calls()[0]["op_env"])
    assert "ops_made_up" not in ended.out.decode() + ended.err


async def test_a_service_account_authenticates_by_its_command(world: World) -> None:
    """What `token_command` prints is the token."""
    world.vault.update(mode="service", service_token="ops_made_up")
    command = program(world.home / "token-command", "#!/bin/sh\necho ops_made_up\n")
    with_onepassword(world, f'token_command = ["{command}"]')

    ended = await ask(world, login(world), PLANTED)

    assert {"nsrc": "Credentials"} == ended.verdicts
    assert HEADLESS | {"OP_SERVICE_ACCOUNT_TOKEN"} == set(world.vault.calls()[0]["op_env"])


async def test_connect_is_host_and_token_alone(world: World) -> None:
    """With a Connect server configured, `op` gets its host and token and no service account's."""
    world.vault.update(mode="connect", connect_token="made-up")
    path = _token_file(world, "made-up")
    with_onepassword(world, f'connect_host = "http://127.0.0.1:8080"\nconnect_token_file = "{path}"')

    ended = await ask(world, login(world), PLANTED)

    assert {"nsrc": "Credentials"} == ended.verdicts
    assert HEADLESS | {"OP_CONNECT_HOST", "OP_CONNECT_TOKEN"} == set(world.vault.calls()[0]["op_env"])


@pytest.mark.parametrize(
    ("text", "mode", "complaint"),
    [
        ("ops_made_up", 0o644, "is open to others: chmod 600"),
        ("", 0o600, "gives no token"),
        ("two words", 0o600, "gives no token"),
        ("ops_\0made_up", 0o600, "gives no token"),
    ],
)
async def test_a_token_file_that_will_not_do_is_told(world: World, text: str, mode: int, complaint: str) -> None:
    """A token that others can read, or that is malformed, is refused before `op` runs, and never repeated."""
    with_onepassword(world, f'token_file = "{_token_file(world, text, mode)}"')

    ended = await ask(world, login(world))

    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert complaint in ended.error().message
    assert "made_up" not in ended.out.decode() + ended.err
    assert [] == world.vault.calls()


async def test_a_token_file_that_is_missing_is_told(world: World) -> None:
    """A missing file is named, with the reason."""
    with_onepassword(world, f'token_file = "{world.home}/nothing"')

    message = (await ask(world, login(world))).error().message

    assert f"{world.home}/nothing: the token cannot be read: No such file or directory" == message


@pytest.mark.parametrize(
    ("script", "verdict", "complaint"),
    [
        ("exit 7", "ConfigInvalid", "failed (exit code 7)"),
        ("echo a b", "ConfigInvalid", "gives no token"),
        ("yes", "ConfigInvalid", "printed far more than a token"),
        ("sleep 60 & sleep 60", "OnePasswordHung", "did not end within 1 s"),
    ],
)
async def test_a_token_command_that_fails_is_told(world: World, script: str, verdict: str, complaint: str) -> None:
    """A `token_command` that fails, floods or hangs is ended within its limit, with its children."""
    command = program(world.home / "token-command", f"#!/bin/sh\n{script}\n")
    with_onepassword(world, f'token_command = ["{command}"]\ntimeout_seconds = 1')

    ended = await ask(world, login(world))

    assert {"nsrc": verdict} == ended.verdicts
    assert complaint in ended.error().message
    assert [] == world.vault.calls()


async def test_a_token_command_from_a_folder_that_others_can_write_is_not_run(world: World) -> None:
    """The next of that name on PATH is run; where there is no other one, the reason is told."""
    world.vault.update(mode="service", service_token="ops_made_up")
    (world.home / "loose").mkdir()
    (world.home / "sound").mkdir()
    planted = program(world.home / "loose/teller", f"#!/bin/sh\ntouch {world.home}/sung\necho ops_planted\n")
    planted.parent.chmod(0o777)
    with_onepassword(world, 'token_command = ["teller"]')
    path = f"{world.op.parent}:{planted.parent}:{world.home}/sound:/usr/bin:/bin"

    refused = (await ask(world, login(world), {"PATH": path})).error()
    program(world.home / "sound/teller", "#!/bin/sh\necho ops_made_up\n")
    ended = await ask(world, login(world), {"PATH": path})

    assert "ConfigInvalid" == refused.code
    assert refused.message.startswith(f"token_command: {planted} cannot be trusted: {planted.parent} is writable")
    assert ({"nsrc": "Credentials"}, False) == (ended.verdicts, (world.home / "sung").exists())


async def test_a_token_command_by_a_relative_path_is_not_run(world: World) -> None:
    """It would be another program in each folder."""
    with_onepassword(world, 'token_command = ["./teller"]')

    error = (await ask(world, login(world))).error()

    assert "token_command: ./teller: must be an absolute path, or a name that is looked up on PATH" == error.message
