"""The exchange takes no orders: a request cannot make it run or read anything that the config does not name."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mayfly.shared import wire
from mayfly.shared.errors import ConfigChanged
from mayfly.shared.wire import Request
from support.exchange import (
    answer,
    as_bytes,
    ask,
    digest,
    exchange,
    login,
    program,
    role_profile,
    secrets_of,
    stand_in,
)
from support.world import PATIENCE_SECONDS, SEED_ACCOUNT, SEED_TOML, World


NO_REQUEST = "mayfly.exchange: error: this is no request\n"
SESSION = {
    "access_key_id": "ASIAEXAMPLEEXAMPLE00",
    "secret_access_key": "made-up",
    "session_token": "made-up",
    "expiration": "2030-01-01T00:00:00Z",
    "account_id": None,
    "arn": None,
}

Tree = dict[str, Any]


class Canary:
    """An `op` and an endpoint that must not be used."""

    def __init__(self, folder: Path) -> None:
        self._sung = folder / "canary-sang"
        self.op = program(folder / "canary/op", f"#!/bin/sh\ntouch {self._sung}\n")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def sang(self) -> bool:
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return self._sung.exists()
        return True

    def close(self) -> None:
        self._listener.close()

    @property
    def env(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.url, "OP_PATH": str(self.op), "MAYFLY_CONFIG": "/nonexistent"}


@pytest.fixture(name="canary")
def _canary(tmp_path: Path) -> Iterator[Canary]:
    canary = Canary(tmp_path)
    yield canary
    canary.close()


def _tree(world: World) -> Tree:
    return {"version": wire.VERSION, "kind": "login", "digest": digest(world), "profiles": ["nsrc"], "sessions": {}}


NOT_A_REQUEST: dict[str, Callable[[Tree, Canary], bytes]] = {
    "unknown kind": lambda tree, _: as_bytes(tree | {"kind": "run"}),
    "a list for a kind": lambda tree, _: as_bytes(tree | {"kind": ["login"]}),
    "no version": lambda tree, _: as_bytes(tree | {"version": "2"}),
    "another version, and no profiles": lambda tree, _: as_bytes(tree | {"version": 3, "profiles": "nsrc"}),
    "an op of its own": lambda tree, canary: as_bytes(tree | {"op": str(canary.op)}),
    "references of its own": lambda tree, _: as_bytes(tree | {"references": ["op://Private/Bank/password"]}),
    "an endpoint of its own": lambda tree, canary: as_bytes(tree | {"sts_endpoint_url": canary.url}),
    "a config of its own": lambda tree, _: as_bytes(tree | {"config": "/tmp/other.toml"}),
    "a key is missing": lambda tree, _: as_bytes({key: tree[key] for key in tree if key != "digest"}),
    "profiles as a text": lambda tree, _: as_bytes(tree | {"profiles": "nsrc"}),
    "profiles that are no texts": lambda tree, _: as_bytes(tree | {"profiles": [["nsrc"]]}),
    "a profile twice": lambda tree, _: as_bytes(tree | {"profiles": ["nsrc", "nsrc"]}),
    "sessions as a list": lambda tree, _: as_bytes(tree | {"sessions": []}),
    "a session with a line break": lambda tree, _: as_bytes(
        tree | {"sessions": {"nsrc": SESSION | {"session_token": "a\nb"}}}
    ),
    "a session with a blank": lambda tree, _: as_bytes(
        tree | {"sessions": {"nsrc": SESSION | {"access_key_id": "AS IA"}}}
    ),
    "a session without end": lambda tree, _: as_bytes(tree | {"sessions": {"nsrc": SESSION | {"expiration": None}}}),
    "a session with an endpoint": lambda tree, canary: as_bytes(
        tree | {"sessions": {"nsrc": SESSION | {"endpoint": canary.url}}}
    ),
    "a list": lambda tree, _: as_bytes([tree]),
    "a number": lambda _, __: b"1" * 10_000 + b"\n",
    "not JSON": lambda _, __: b"login nsrc\n",
    "not text": lambda _, __: bytes(range(128, 256)) + b"\n",
    "an empty line": lambda _, __: b"\n",
    "cut off": lambda tree, _: as_bytes(tree)[:-10],
    "nested deep": lambda _, __: b"[" * 200_000 + b"\n",
    "objects nested deep": lambda _, __: b'{"a":' * 200_000 + b"\n",
    "too long": lambda tree, _: as_bytes(tree | {"digest": "a" * (wire.MAX_REQUEST_BYTES + 1)}),
}


@pytest.mark.parametrize("name", NOT_A_REQUEST)
async def test_what_is_no_request_ends_the_exchange(world: World, canary: Canary, name: str) -> None:
    """Anything but a well-formed request ends with 2 and one line on stderr; nothing is run or called."""
    ended = await ask(world, NOT_A_REQUEST[name](_tree(world), canary), canary.env)

    assert (2, b"", NO_REQUEST) == ended
    assert ([], [], False) == (world.vault.calls(), world.sts.calls, canary.sang)


@pytest.mark.parametrize("version", [1, 3])
async def test_a_daemon_of_another_version_is_told_to_be_restarted(world: World, canary: Canary, version: int) -> None:
    """After an upgrade the old daemon starts new exchanges: they run nothing, and answer in its own version why."""
    ended = await ask(world, as_bytes(_tree(world) | {"version": version}), canary.env)

    (answer,) = [json.loads(line) for line in ended.out.splitlines()]
    assert (2, "mayfly.exchange: error: the daemon is of another version: restart it\n") == (ended.code, ended.err)
    assert (version, "nsrc", "ExchangeFailed") == (answer["version"], answer["profile"], answer["error"]["code"])
    assert ([], [], False) == (world.vault.calls(), world.sts.calls, canary.sang)


REFUSED: dict[str, tuple[Callable[[Tree], Tree], dict[str, str]]] = {
    "another digest": (lambda tree: tree | {"digest": "0" * 64}, {"nsrc": "ConfigChanged"}),
    "an empty digest": (lambda tree: tree | {"digest": ""}, {"nsrc": "ConfigChanged"}),
    "a profile that is not configured": (
        lambda tree: tree | {"profiles": ["nsrc", "op://Private/Bank"]},
        {"nsrc": "ExchangeFailed", "op://Private/Bank": "ExchangeFailed"},
    ),
    "a session that is not configured": (
        lambda tree: tree | {"sessions": {"other": SESSION}},
        {"nsrc": "ExchangeFailed"},
    ),
    "verifying with another digest": (
        lambda tree: tree | {"kind": "verify", "digest": "0", "profiles": [], "sessions": {"nsrc": SESSION}},
        {"nsrc": "ConfigChanged"},
    ),
    "assuming what is no role": (lambda tree: tree | {"kind": "assume"}, {"nsrc": "SessionEnded"}),
    "nobody at all": (lambda tree: tree | {"profiles": []}, {}),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_the_config_does_not_allow_is_refused_for_each_profile(
    world: World, canary: Canary, name: str
) -> None:
    """A request that does not fit the config gets an error for each profile, exit 0, and nothing is run."""
    change, verdicts = REFUSED[name]

    ended = await ask(world, as_bytes(change(_tree(world))), canary.env)

    assert (0, "", verdicts) == (ended.code, ended.err, ended.verdicts)
    assert ([], [], False) == (world.vault.calls(), world.sts.calls, canary.sang)


async def test_a_changed_config_says_what_to_do(world: World) -> None:
    """If the file has changed since the daemon read it, the error names the file and the command to run."""
    asked = login(world)
    world.write_toml()
    world.config.write_text(world.config.read_text() + "\n# changed\n")

    error = (await ask(world, asked)).error()

    assert isinstance(error, ConfigChanged)
    assert (f"{world.config} has changed since the daemon read it", "run 'mayfly reload'") == (
        error.message,
        error.hint,
    )


async def test_only_what_the_config_names_is_run(world: World, canary: Canary) -> None:
    """With `op` in the config, another `op` on PATH and another endpoint in the environment are not used."""
    world.write_toml(f'[onepassword]\nop = "{world.op}"\n{SEED_TOML}')

    ended = await ask(world, login(world), canary.env | {"PATH": f"{canary.op.parent}:/usr/bin:/bin"})

    assert (0, "", {"nsrc": "Credentials"}) == (ended.code, ended.err, ended.verdicts)
    assert (1, 1, False) == (len(world.vault.calls()), world.sts.calls_of("GetSessionToken"), canary.sang)
    assert not [secret for secret in secrets_of(world) if secret in ended.out.decode() + ended.err]


async def test_a_broken_config_is_told_in_its_own_words(world: World) -> None:
    """The error of a config that became invalid names file and key, as `serve` does."""
    world.write_toml(SEED_TOML + 'colour = "red"\n')

    ended = await ask(world, login(world))

    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert f"{world.config}: profiles.nsrc.colour: is not a known key" in ended.error().message


async def test_nobody_who_asks_is_nobody_to_answer(world: World) -> None:
    """An exchange without a request ends with 0 and prints nothing."""
    assert (0, b"", "") == await ask(world, b"")


async def test_another_command_line_is_refused(world: World) -> None:
    """An unknown option is refused; it never leads to another config."""
    ended = await world.run_program("python", "-I", "-m", "mayfly.exchange", "--conf", str(world.config))

    assert (2, "", NO_REQUEST) == ended


async def test_a_role_brings_nobody_that_was_not_asked_for(world: World) -> None:
    """A login for the last role of a chain has a result for that role alone."""
    arn = f"arn:aws:iam::{SEED_ACCOUNT}:role"
    world.write_toml(SEED_TOML + role_profile("admin", f"{arn}/Admin") + role_profile("top", f"{arn}/Reader", "admin"))

    ended = await ask(world, login(world, "top"))

    assert {"top": "Credentials"} == ended.verdicts
    assert ["GetSessionToken", "AssumeRole", "AssumeRole"] == [call.action for call in world.sts.calls]


async def test_a_role_on_a_twin_shares_the_session(world: World) -> None:
    """Two profiles with the same keys are one login, also for a role above the second one."""
    twin = SEED_TOML.replace("profiles.nsrc", "profiles.twin")
    world.write_toml(SEED_TOML + twin + role_profile("admin", f"arn:aws:iam::{SEED_ACCOUNT}:role/Admin", "twin"))

    ended = await ask(world, login(world, "nsrc", "admin"))

    assert {"nsrc": "Credentials", "admin": "Credentials"} == ended.verdicts
    assert 1 == world.sts.calls_of("GetSessionToken")


async def test_sessions_in_hand_are_verified_without_op(world: World) -> None:
    """A verify only calls AWS, and its result is an identity or AWS's refusal."""
    session = (await ask(world, login(world))).credentials()
    asked = Request(kind="verify", digest=digest(world), profiles=(), sessions={"nsrc": session})
    before = await ask(world, asked)
    world.sts.revoke(session.access_key_id)
    after = await ask(world, asked)

    assert f"arn:aws:iam::{SEED_ACCOUNT}:user/carmas" == before.outcomes["nsrc"].arn
    assert {"nsrc": "AccessKeyUnknown"} == after.verdicts
    assert 1 == len(world.vault.calls())


async def test_an_exchange_without_a_reader_ends(world: World) -> None:
    """If the daemon is gone, the exchange ends without a word."""
    async with exchange(world, from_scratch=True) as process:
        transport = process._transport.get_pipe_transport(1)  # type: ignore[attr-defined] # there is no public way
        transport.close()
        ended = await answer(process, login(world))

    assert (1, b"", "") == ended


HOSTILE = "\x1b]0;t\x07\x9b2J\u202e\u2028\r"


async def test_no_text_of_others_steers_a_terminal(world: World) -> None:
    """An error that quotes `op` or the name of a file has only printable characters."""
    world.write_toml()
    stand_in(world, f"import sys\nsys.exit('odd' + {HOSTILE!r})")
    by_op = await ask(world, login(world))
    folder = world.home / f"x{HOSTILE}"
    folder.mkdir()
    missing_bundle = await ask(world, login(world), {"AWS_CA_BUNDLE": str(folder / "ca.pem")})
    asked = login(world)
    world.config = world.config.rename(folder / "config.toml")
    world.config.write_text(SEED_TOML + "\n# changed\n")
    changed = await ask(world, asked)

    assert ["OnePasswordUnknown", "AwsUnreachable", "ConfigChanged"] == [
        ended.error().code for ended in (by_op, missing_bundle, changed)
    ]
    for ended in (by_op, missing_bundle, changed):
        assert ended.error().sentence().isprintable()
    assert "odd" in by_op.error().message
    assert "ca.pem" in missing_bundle.error().message
    assert "config.toml" in changed.error().message


@pytest.mark.parametrize(("text", "told"), [(None, "No such file or directory"), ("made up", "holds no certificate")])
async def test_a_bundle_that_will_not_do_is_told_by_its_name(world: World, text: str | None, told: str) -> None:
    """The error names the file and says in words why it cannot be used."""
    bundle = world.home / "ca.pem"
    if text:
        bundle.write_text(text)
    error = (await ask(world, login(world), {"AWS_CA_BUNDLE": str(bundle)})).error()

    assert "AwsUnreachable" == error.code
    assert f"AWS STS cannot be called: {bundle}" in error.message
    assert told in error.message
    assert [] == world.sts.calls


@pytest.mark.parametrize(
    ("kind", "told"), [("pipe", "is a pipe"), ("device", "is a device"), ("huge", "is larger than 16777216 bytes")]
)
async def test_a_bundle_that_never_ends_holds_nobody_up(world: World, kind: str, told: str) -> None:
    """What is no plain file is not read: OpenSSL would wait, and each login of this user with it."""
    bundle = world.home / "ca.pem"
    if kind == "pipe":
        os.mkfifo(bundle)
    elif kind == "device":
        bundle.symlink_to("/dev/zero")
    else:
        bundle.touch()
        os.truncate(bundle, 2**40)

    error = (await ask(world, login(world), {"AWS_CA_BUNDLE": str(bundle)})).error()

    assert ("AwsUnreachable", f"AWS STS cannot be called: {bundle} {told}") == (error.code, error.message)
    assert [] == world.vault.calls()


async def test_a_log_that_nobody_reads_holds_no_exchange_up(world: World) -> None:
    """What it would say is lost; the daemon, and the next login, do not wait for a reader of the log."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 4096)
    # The flag belongs to the open file, and so to the exchange, too.
    os.set_blocking(writing, True)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "mayfly.exchange"),
            stdin=asyncio.subprocess.PIPE,
            stderr=writing,
            env=world.env,
        )
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await process.communicate(b"junk\n")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    finally:
        os.close(writing)
        os.close(reading)

    assert 2 == process.returncode
