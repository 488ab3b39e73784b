"""The control socket, by raw bytes: every route, other paths, and who may connect."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from mayfly.demo.sts.server import EmbeddedSts, Role
from support.nursery import MAYFLY
from support.raw import Line, Reply, dial_unix
from support.world import PATIENCE_SECONDS, SEED_ACCOUNT, SEED_TOML, Served, World, free_port


ROLE = f"""
[profiles.admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"
"""
OTHER = SEED_TOML.replace("nsrc]", "other]")


async def ask(world: World, method: str, target: str) -> Reply:
    async with dial_unix(world.run_dir / "control.sock") as line:
        line.send(f"{method} {target} HTTP/1.1\r\nHost: mayfly\r\nConnection: close\r\n\r\n".encode())
        return await line.reply()


async def listening(line: Line) -> None:
    """Ask for the events, and return when the stream has begun."""
    line.send(b"GET /events HTTP/1.1\r\nHost: mayfly\r\n\r\n")
    head = (await line.reply()).headers
    assert [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")] == head


async def event(line: Line, name: str) -> dict[str, Any]:
    """The next event of that name on a stream."""
    while True:
        text = await line.until(b"\n\n")
        assert text.startswith(b"data: ")
        told: dict[str, Any] = json.loads(text.removeprefix(b"data: "))
        if told["event"] == name:
            return told


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="control")
async def _control(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[World, Served]]:
    """A daemon that has nothing to do."""
    world = World(tmp_path_factory.mktemp("control"), MAYFLY)
    async with world.serve() as daemon:
        yield world, daemon


async def test_status_tells_all_of_a_profile_and_no_secret(world: World) -> None:
    """GET /status has phase, expiration and last fetch; of a key it shows the last four characters."""
    async with world.serve() as daemon:
        credentials = (await world.get()).json
        reply = await ask(world, "GET", "/status")

    (profile,) = reply.json["profiles"]
    assert (200, daemon.pid, str(world.config)) == (reply.status, reply.json["pid"], reply.json["config"])
    assert ("nsrc", "fresh", credentials["Expiration"]) == (
        profile["profile"],
        profile["phase"],
        profile["expiration"],
    )
    assert f"…{credentials['AccessKeyId'][-4:]}" == profile["access_key_id"]
    assert ["nsrc"] == [fetch["profile"] for fetch in reply.json["last_fetches"]]
    for secret in (credentials["SecretAccessKey"], credentials["Token"], world.token()):
        assert secret.encode() not in reply.body


async def test_login_forget_verify_and_process_answer_in_json(world: World) -> None:
    """Each route does its work, and says for which profile."""
    async with world.serve():
        login = await ask(world, "POST", "/profiles/nsrc/login")
        identity = await ask(world, "POST", "/profiles/nsrc/verify")
        process = await ask(world, "GET", "/process/nsrc")
        forget = await ask(world, "POST", "/profiles/nsrc/forget")
        status = await ask(world, "GET", "/status")

    assert [200] * 4 == [login.status, identity.status, process.status, forget.status]
    assert ("nsrc", True) == (login.json["profile"], 28700 < login.json["expires_in_seconds"] <= 28800)
    assert f"arn:aws:iam::{SEED_ACCOUNT}:user/carmas" == identity.json["arn"]
    assert 1 == process.json["Version"]
    assert {"AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"} < set(process.json)
    assert {"profile": "nsrc"} == forget.json
    assert "empty" == status.json["profiles"][0]["phase"]
    assert ["credential_process"] == [fetch["agent"] for fetch in status.json["last_fetches"]]
    assert 1 == len(world.vault.calls())


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("POST", "/status", 405, "MethodNotAllowed"),
        ("DELETE", "/status", 405, "MethodNotAllowed"),
        ("POST", "/events", 405, "MethodNotAllowed"),
        ("GET", "/reload", 405, "MethodNotAllowed"),
        ("GET", "/tokens", 405, "MethodNotAllowed"),
        ("POST", "/process/nsrc", 405, "MethodNotAllowed"),
        ("GET", "/profiles/nsrc/login", 405, "MethodNotAllowed"),
        ("GET", "/profiles/nsrc/forget", 405, "MethodNotAllowed"),
        ("GET", "/profiles/nsrc/obtain", 405, "MethodNotAllowed"),
        ("POST", "/profiles/nobody/obtain", 404, "UnknownProfile"),
        ("PUT", "/profiles/nsrc/verify", 405, "MethodNotAllowed"),
        ("GET", "/", 404, "NotFound"),
        ("GET", "/credentials/nsrc", 404, "NotFound"),
        ("GET", "/status/nsrc", 404, "NotFound"),
        ("GET", "/process", 404, "NotFound"),
        ("GET", "/process/nsrc/more", 404, "NotFound"),
        ("POST", "/profiles", 404, "NotFound"),
        ("POST", "/profiles/nsrc", 404, "NotFound"),
        ("POST", "/profiles/nsrc/steal", 404, "NotFound"),
        ("POST", "/profiles/nsrc/login/more", 404, "NotFound"),
        ("GET", "/process/P", 404, "UnknownProfile"),
        ("GET", "/process/", 404, "UnknownProfile"),
        ("POST", "/profiles//login", 404, "UnknownProfile"),
        ("POST", "/profiles/nobody/login", 404, "UnknownProfile"),
        ("POST", "/profiles/nobody/forget", 404, "UnknownProfile"),
        ("POST", "/profiles/nobody/verify", 404, "UnknownProfile"),
        ("GET", "/process/nobody", 404, "UnknownProfile"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_any_other_path_or_method_is_refused(
    control: tuple[World, Served], method: str, target: str, status: int, code: str
) -> None:
    """404 for any other path, 405 for another method, and nothing is started."""
    world, daemon = control

    reply = await ask(world, method, target)

    assert (status, code) == (reply.status, reply.json["code"])
    assert [] == daemon.events("request.failed")
    assert [] == daemon.events("exchange.started")


async def test_an_error_has_all_that_a_command_needs(world: World) -> None:
    """Code, message, hint and whether a human must act; the status is the endpoint's."""
    world.vault.update(prompt={"answer": "dismiss"})
    async with world.serve():
        replies = [
            await ask(world, method, target)
            for method, target in (
                ("POST", "/profiles/nsrc/login"),
                ("GET", "/process/nsrc"),
                ("POST", "/profiles/nsrc/verify"),
            )
        ]

    for reply in replies:
        assert (403, "ApprovalDismissed") == (reply.status, reply.json["code"])
        assert {"code", "message", "hint", "needs_human", "problems"} == set(reply.json)
        assert reply.json["needs_human"] is True


async def test_events_are_streamed_as_they_happen(world: World) -> None:
    """Every listener gets the events of a login, without a secret; the stream ends with the daemon."""
    async with world.serve() as daemon, dial_unix(world.run_dir / "control.sock") as first:
        async with dial_unix(world.run_dir / "control.sock") as second:
            await listening(first)
            await listening(second)
            credentials = (await world.get()).json
            told = [await event(line, "session.refreshed") for line in (first, second)]
        await daemon.end()
        rest = await first.rest()

    assert ["nsrc", "nsrc"] == [one["profile"] for one in told]
    assert credentials["SecretAccessKey"].encode() not in json.dumps(told).encode() + rest
    assert b"daemon.draining" not in rest.partition(b"\n\n")[0]


async def test_a_listener_that_does_not_read_delays_nobody(world: World) -> None:
    """Its events are lost, and the daemon neither waits nor grows."""
    async with world.serve(), dial_unix(world.run_dir / "control.sock") as deaf:
        await listening(deaf)
        deaf.writer.transport.pause_reading()
        for _ in range(300):
            assert 200 == (await ask(world, "POST", "/profiles/nsrc/forget")).status
        assert 200 == (await ask(world, "GET", "/status")).status


async def test_the_socket_is_for_this_user_alone(world: World) -> None:
    """0600 in a 0700 folder, and gone when the daemon is."""
    async with world.serve():
        path = world.run_dir / "control.sock"
        modes = [stat.S_IMODE(place.stat().st_mode) for place in (path, path.parent)]

    assert [0o600, 0o700] == modes
    assert not path.exists()


async def test_there_is_one_daemon_on_a_control_socket(world: World) -> None:
    """A second one says that the first answers, and ends with 1; the first goes on."""
    async with world.serve():
        ended = await world.run("serve", "--listen", "127.0.0.1:0")
        assert 200 == (await ask(world, "GET", "/status")).status

    assert 1 == ended.code
    assert "another mayfly serves already" in ended.err


async def test_the_socket_of_a_dead_daemon_is_replaced(world: World) -> None:
    """A control socket that no process listens on is replaced."""
    async with world.serve() as daemon:
        os.kill(daemon.pid, signal.SIGKILL)
        await daemon.process.wait()
        assert (world.run_dir / "control.sock").exists()
    async with world.serve():
        assert 200 == (await ask(world, "GET", "/status")).status


@pytest.mark.parametrize("way", ["POST /reload", "SIGHUP"])
async def test_a_reload_takes_over_what_changed_and_keeps_what_did_not(world: World, way: str) -> None:
    """Unchanged sessions survive, a new profile is served, a removed one's token is refused at once."""
    world.write_toml(SEED_TOML + OTHER)
    async with world.serve() as daemon:
        before = await world.get()
        other = world.token("other")
        world.write_toml(SEED_TOML + SEED_TOML.replace("nsrc]", "third]"))
        await reload(world, daemon, way)
        after = await world.get()
        third = await world.get("/credentials/third")
        removed = await world.get("/credentials/other", token=other)

    assert before.body == after.body == third.body
    assert (401, "Unauthorized") == (removed.status, removed.json["code"])
    assert 1 == len(world.vault.calls())


async def reload(world: World, daemon: Served, way: str) -> None:
    if way == "SIGHUP":
        daemon.process.send_signal(signal.SIGHUP)
        await daemon.event("config.reloaded")
    else:
        assert {"config": str(world.config)} == (await ask(world, "POST", "/reload")).json


@pytest.mark.parametrize("way", ["POST /reload", "SIGHUP"])
async def test_a_bad_config_is_refused_and_the_old_one_goes_on(world: World, way: str) -> None:
    """Every problem is named, nothing changes, and a good config is taken over later."""
    world.write_toml()
    async with world.serve() as daemon:
        before = await world.get()
        world.write_toml(SEED_TOML + "colour = 1\n" + 'refresh = "never"\n')
        if way == "SIGHUP":
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.event("config.refused")
        else:
            reply = await ask(world, "POST", "/reload")
            assert (400, "ConfigInvalid", 2) == (reply.status, reply.json["code"], len(reply.json["problems"]))
        assert before.body == (await world.get()).body
        world.write_toml(SEED_TOML + OTHER)
        assert 200 == (await ask(world, "POST", "/reload")).status
        assert 200 == (await world.get("/credentials/other")).status


async def test_a_token_that_others_could_read_stops_a_reload_whole(world: World) -> None:
    """Where a new profile's token cannot be trusted, neither sessions nor tokens change."""
    world.write_toml()
    async with world.serve():
        before = await world.get()
        loose = world.run_dir / "tokens" / "other"
        loose.write_text("x" * 43)
        loose.chmod(0o644)
        world.write_toml(SEED_TOML + OTHER)
        reply = await ask(world, "POST", "/reload")
        status = await ask(world, "GET", "/status")
        after = await world.get()

    assert 400 == reply.status
    assert "chmod 600" in reply.json["message"]
    assert ["nsrc"] == [profile["profile"] for profile in status.json["profiles"]]
    assert before.body == after.body


async def test_a_changed_profile_starts_anew(world: World) -> None:
    """What went into a session is part of it: another duration is another session."""
    world.write_toml(SEED_TOML + ROLE)
    async with EmbeddedSts(world.account(Role(name="Admin"))) as world.sts, world.serve():
        base, admin = await world.get(), await world.get("/credentials/admin")
        world.write_toml(SEED_TOML + ROLE + "duration_seconds = 900\n")
        await ask(world, "POST", "/reload")
        base_after, admin_after = await world.get(), await world.get("/credentials/admin")

    assert base.body == base_after.body
    assert admin.json["AccessKeyId"] != admin_after.json["AccessKeyId"]
    assert 1 == len(world.vault.calls())


async def test_signals_end_a_daemon_gently_and_then_at_once(world: World) -> None:
    """The first drains; the second does not wait for it."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve() as daemon:
        asking = asyncio.create_task(world.get())
        await daemon.event("exchange.started")
        daemon.process.send_signal(signal.SIGSTOP)
        daemon.process.send_signal(signal.SIGINT)
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.send_signal(signal.SIGCONT)
        assert 1 == await daemon.process.wait()
        await asyncio.gather(asking, return_exceptions=True)


async def test_a_daemon_that_ends_late_leaves_the_socket_of_the_next(world: World) -> None:
    """While one daemon waits for its exchange, another takes its place, and is reached when the first has ended."""
    world.vault.update(prompt={"answer": "ignore"})
    login = b"POST /profiles/nsrc/login HTTP/1.1\r\nHost: mayfly\r\n\r\n"
    async with world.serve() as first, dial_unix(world.run_dir / "control.sock") as line:
        line.send(login)
        while not world.vault.state()["prompts"]:
            await asyncio.sleep(0.02)
        os.kill(first.pid, signal.SIGTERM)
        await first.event("daemon.draining")
        world.port = free_port()
        async with world.serve() as second:
            is_late = first.process.returncode is None
            await first.process.wait()
            status = await ask(world, "GET", "/status")

    assert is_late
    assert (200, second.pid) == (status.status, status.json["pid"])


async def login_with(world: World, body: bytes, *lines: str) -> Reply:
    """The answer to a login with that body, by default with the length that it has."""
    head = ["POST /profiles/nsrc/login HTTP/1.1", "Host: mayfly", *(lines or [f"Content-Length: {len(body)}"])]
    async with dial_unix(world.run_dir / "control.sock") as line:
        line.send("\r\n".join([*head, "", ""]).encode() + body)
        return await line.reply()


@pytest.mark.parametrize(
    "body",
    [
        b"{ } x",
        b" ",
        b"true",
        b"null",
        b"[]",
        b'[["through_lock", true]]',
        b'{"through_lock": 1}',
        b'{"through_lock": "true"}',
        b'{"through_lock": null}',
        b'{"": false}',
        b'{"through_lock": 0}',
        b'{"through_lock": false, "through_lock": false}',
        b'{"through_lock": true, "through_lock": true}',
        b'{"through_lock": false, "through_lock": true}',
        b'{"through_lock": true, "profile": "other"}',
        b'{"Through_lock": true}',
        b'{"through_lock": true',
        b'{"through_lock": true} {}',
        b'\xef\xbb\xbf{"through_lock": true}',
        '{"through_lock": true}'.encode("utf-16"),
        b"through_lock=true",
        b'{"min_life_seconds": 0}',
        b'{"min_life_seconds": -3600}',
        b'{"min_life_seconds": 3600.0}',
        b'{"min_life_seconds": true}',
        b'{"min_life_seconds": "1h"}',
        b'{"min_life_seconds": {}}',
        b'{"min_life_seconds": 99999999999}',
        b'{"min_life_seconds": 3600, "min_life_seconds": 3600}',
        b'{"min_life_seconds": 3600, "through_lock": 1}',
        b"[" * 1000,
        b'{"through_lock": true}' + b" " * 1003,
        b"\xff",
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_login_with_any_other_body_is_refused(control: tuple[World, Served], body: bytes) -> None:
    """Anything but `through_lock` as true or false, once, is 400, and nothing is started."""
    world, daemon = control

    reply = await login_with(world, body)

    assert (400, "BadRequest") == (reply.status, reply.json["code"])
    assert ([], []) == (daemon.events("request.failed"), daemon.events("exchange.started"))


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["Transfer-Encoding: chunked"], b"zz\r\n"),
        (["Content-Length: 22", "Content-Encoding: gzip"], b'{"through_lock": true}'[::-1]),
        (["Content-Length: 100000000"], bytes(2000)),
    ],
    ids=["bad chunks", "compressed", "too long"],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_that_cannot_be_read_is_refused(
    control: tuple[World, Served], lines: list[str], body: bytes
) -> None:
    """Bad chunks, a compressed body, and one that is too long, before all of it is there."""
    world, daemon = control

    assert 400 == (await login_with(world, body, *lines)).status
    assert [] == daemon.events("request.failed")


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_that_does_not_come_is_refused(control: tuple[World, Served]) -> None:
    """Five seconds, like for a head."""
    world, daemon = control

    began = asyncio.get_running_loop().time()
    assert 400 == (await login_with(world, b'{"through', "Content-Length: 22")).status
    assert 4 < asyncio.get_running_loop().time() - began < PATIENCE_SECONDS
    assert [] == daemon.events("exchange.started")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "body", [b'{"through_lock": true}', b' {\n"through_lock":true } ', b'{"through_lock": false}', b" {\t}", b""]
)
async def test_a_login_takes_through_lock_or_nothing(world: World, body: bytes, *, chunked: bool) -> None:
    """By length or in chunks, however it is spaced."""
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked and body else b"0\r\n\r\n" if chunked else body
    async with world.serve():
        reply = await login_with(world, sent, *(["Transfer-Encoding: chunked"] if chunked else []))

    assert (200, "nsrc") == (reply.status, reply.json["profile"])
