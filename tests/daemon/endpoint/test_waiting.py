"""A human takes time to find the fingerprint reader: what each kind of client gets meanwhile."""

from __future__ import annotations

import asyncio
import re
import signal

from contextlib import AsyncExitStack

import pytest

from mayfly.daemon.endpoint.dialects import EVERY_SECONDS, FIRST_BYTE_SECONDS
from support.raw import Line, asking, dial, filled, get, replies
from support.world import SEED_TOML, World, which


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
CHUNKED_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
# The least that keeps C++ well above a byte a second; a chunk may be longer.
SPACES_EACH = 64
SPACE = re.compile(rb"([0-9a-f]+)\r\n( +)\r\n")
CPP = "User-Agent: aws-sdk-cpp/1.11.900 ua/2.1"
SILENT = [
    "Accept-Encoding: gzip",
    "User-Agent: some-new-tool/1.0|Accept-Encoding: gzip",
    "User-Agent: APN/1.0 HashiCorp/1.0 Terraform/1.11.4|Accept-Encoding: gzip",
    "User-Agent: APN/1.0 HashiCorp/1.0 Terraform/1.11.4",
    "User-Agent: aws-sdk-go/1.55.6 (go1.22; linux; amd64)",
    "User-Agent: aws-sdk-go-v2/1.30.0",
    "User-Agent: some-new-tool/1.0 (+https://example.com) aws-sdk-go-v2/1.30.0 ua/2.1 os/linux",
    "User-Agent: some-new-tool/1.0 aws-sdk-kotlin/1.3.0",
    "User-Agent: Go-http-client/1.1",
    "User-Agent: rclone/v1.60",
    "User-Agent: okhttp/4.12.0",
    "User-Agent: aws-sdk-kotlin/1.3.0",
]
INTERIMS = [
    "no User-Agent",
    "User-Agent: python-urllib3/2.8.0",
    "User-Agent: aws-sdk-nodejs/2.1693.0",
    "User-Agent: aws-sdk-crt/ecs-credentials-provider",
    "User-Agent: not-an/aws-sdk-go",
    "User-Agent: python-urllib3/2.8.0 APN/1.0",
    "User-Agent: node|Accept-Encoding: gzip, deflate",
    "User-Agent: Python/3.11 aiohttp/3.14.5|Accept-Encoding: gzip, deflate, br",
    "User-Agent: python-urllib3/2.8.0|Accept-Encoding: identity",
    "Accept-Encoding: gzip;q=1.0",
]


def ignore(world: World) -> None:
    """From now on nobody answers a prompt."""
    world.vault.update(prompt={"answer": "ignore"})


def approve(world: World) -> None:
    world.vault.update(prompt={"answer": "approve"})


def send(line: Line, world: World, *lines: str, first: str = "") -> None:
    line.send(filled(asking(*lines, line=first), port=str(world.port), token=world.token()))


async def white_space(line: Line) -> bytes:
    """The next sign that C++ gets: one chunk, whole, of white space."""
    size = int(await line.until(b"\r\n"), 16)
    chunk = await line.read(size + 2)
    assert b" " * size + b"\r\n" == chunk
    return chunk[:-2]


async def prompted(world: World, times: int = 1) -> None:
    """As soon as the human has been asked."""
    while world.vault.state()["prompts"] < times:
        await asyncio.sleep(0.02)


async def test_every_client_is_kept_alive_in_its_own_dialect(world: World) -> None:
    """`100 Continue` for most, white space in a 200 for C++, and for those who count answers nothing but patience."""
    ignore(world)
    async with world.serve(), AsyncExitStack() as open_lines:
        lines = {}
        for header in (*INTERIMS, *SILENT, CPP, "HTTP/1.0"):
            line = lines[header] = await open_lines.enter_async_context(dial(world.port))
            first = "GET /credentials/nsrc HTTP/1.0" if header == "HTTP/1.0" else ""
            send(line, world, *(header.split("|") if ":" in header else []), "Connection: close", first=first)
        for header in INTERIMS:
            assert INTERIM * 2 == await lines[header].read(len(INTERIM) * 2)
        assert CHUNKED_HEAD == await lines[CPP].read(len(CHUNKED_HEAD))
        assert SPACES_EACH <= len(await white_space(lines[CPP]))
        assert SPACES_EACH <= len(await white_space(lines[CPP]))
        approve(world)
        rest = {header: await line.rest() for header, line in lines.items()}
        body = (await world.get()).body

    for header in INTERIMS:
        *interims, last = replies(rest[header])
        assert ({100} | {reply.status for reply in interims}, 200, body) == ({100}, last.status, last.body)
    for header in (*SILENT, "HTTP/1.0"):
        assert [(200, body)] == [(reply.status, reply.body) for reply in replies(rest[header])]
    spaces, _, final = rest[CPP].partition(b"%x\r\n" % len(body))
    assert b"" == SPACE.sub(b"", spaces)
    assert body + b"\r\n0\r\n\r\n" == final


def test_the_first_sign_of_life_comes_in_time() -> None:
    """Ruby, JS v2, C++ and Java give up after a second of silence; 0.7 s is promised, less what it takes to be sent."""
    assert FIRST_BYTE_SECONDS < 0.6
    assert EVERY_SECONDS < 0.8


async def test_a_clients_next_request_on_a_waiting_connection_is_answered_after(world: World) -> None:
    """What is pipelined behind a request that waits is answered in its turn."""
    ignore(world)
    async with world.serve(), dial(world.port) as line:
        send(line, world)
        send(line, world, "Connection: close")
        assert INTERIM == await line.read(len(INTERIM))
        approve(world)
        statuses = [reply.status for reply in replies(await line.rest())]

    assert [200, 200] == [status for status in statuses if status != 100]


async def test_cpp_that_keeps_its_connection_may_ask_again(world: World) -> None:
    """After a chunked answer the connection goes on with an ordinary one."""
    ignore(world)
    async with world.serve(), dial(world.port) as line:
        send(line, world, CPP)
        await line.read(len(CHUNKED_HEAD))
        await white_space(line)
        approve(world)
        send(line, world, CPP, "Connection: close")
        chunked, _, plain = (await line.rest()).partition(b"\r\n0\r\n\r\n")
        (reply,) = replies(plain)

    assert chunked.endswith(reply.body)


async def test_cpp_never_reads_an_error_behind_a_200(world: World) -> None:
    """A failure after the 200 has begun cuts the connection: empty keys would be used, unsigned."""
    ignore(world)
    async with world.serve(), dial(world.port) as line:
        send(line, world, CPP)
        await line.read(len(CHUNKED_HEAD))
        await white_space(line)
        world.vault.update(prompt={"answer": "dismiss"})
        rest = await line.rest()

    assert b"" == SPACE.sub(b"", rest)


async def test_cpp_reads_an_error_that_comes_at_once(world: World) -> None:
    """As long as nothing has been sent, C++ gets a status like everybody."""
    world.vault.update(prompt={"answer": "dismiss"})
    async with world.serve():
        await world.run("login", "nsrc")
        reply = await world.get("/credentials/nsrc", CPP)

    assert (403, "ApprovalDismissed") == (reply.status, reply.json["code"])


async def test_a_client_that_goes_away_leaves_its_prompt_to_the_next(world: World) -> None:
    """The exchange goes on without the client that began it, and the next client gets the result."""
    ignore(world)
    async with world.serve() as daemon:
        async with dial(world.port) as line:
            send(line, world)
            await line.read(len(INTERIM))
        async with dial(world.port) as line:
            send(line, world)
            await line.read(len(INTERIM))
            approve(world)
            while (reply := await line.reply()).status == 100:
                pass
        assert 200 == reply.status
        assert [] == daemon.events("request.failed")

    assert 1 == len(world.vault.calls())


async def test_a_result_that_nobody_waits_for_is_kept(world: World) -> None:
    """When all clients have gone, the credentials that the human approved are there for the next one."""
    ignore(world)
    async with world.serve() as daemon:
        async with dial(world.port) as line:
            send(line, world)
            await prompted(world)
        approve(world)
        await daemon.event("session.refreshed")
        assert 200 == (await world.get()).status

    assert 1 == len(world.vault.calls())


@pytest.mark.parametrize("dialect", ["", CPP], ids=["interim", "C++"])
async def test_a_token_that_is_rotated_meanwhile_opens_nothing(world: World, dialect: str) -> None:
    """A client that waited with an old token gets 401; the connection of C++, whose 200 has begun, is cut."""
    ignore(world)
    async with world.serve() as daemon, dial(world.port) as line:
        send(line, world, *filter(None, [dialect]), "Connection: close")
        await line.read(len(CHUNKED_HEAD if dialect else INTERIM))
        assert 0 == (await world.run("rotate")).code
        approve(world)
        rest = await line.rest()
        assert [] == daemon.events("credentials.handed_out")

    assert b"AccessKeyId" not in rest
    if dialect:
        assert b"" == SPACE.sub(b"", rest)
    else:
        assert 401 == replies(rest)[-1].status


@pytest.mark.slow
async def test_patience_ends_and_the_exchange_goes_on(world: World) -> None:
    """When `cold_wait_seconds` are over the client is told the next step; the prompt stays open."""
    world.write_toml("cold_wait_seconds = 1\n" + SEED_TOML)
    ignore(world)
    async with world.serve() as daemon:
        reply = await world.get()
        approve(world)
        await daemon.event("session.refreshed")
        later = await world.get()

    assert (403, "ApprovalPending") == (reply.status, reply.json["code"])
    told = "the login goes on, and may need your approval in 1Password: run 'mayfly login nsrc'"
    assert told == reply.json["message"]
    assert 200 == later.status
    assert 1 == len(world.vault.calls())


@pytest.mark.parametrize(
    ("change", "status", "code", "step"),
    [
        ({"prompt": {"answer": "dismiss"}}, 403, "ApprovalDismissed", "run 'mayfly login nsrc'"),
        ({"app": {"running": False}}, 403, "OnePasswordNotRunning", "then run 'mayfly login nsrc'"),
        ({"vaults": []}, 400, "", ""),
        ({"network": "offline"}, 503, "OnePasswordOffline", ""),
    ],
)
async def test_a_client_that_cannot_be_served_gets_the_reason(
    world: World, change: dict[str, object], status: int, code: str, step: str
) -> None:
    """403 where a person must act, 400 where something is set up wrong, 503 where time may help."""
    world.vault.update(**change)
    async with world.serve():
        reply = await world.get()

    assert status == reply.status
    assert ["code", "message"] == list(reply.json)
    assert code in {"", reply.json["code"]}
    assert step in reply.json["message"]
    assert "application/json" == reply.headers["Content-Type"]
    assert world.vault.access_key_id not in reply.json["message"]


async def test_a_failure_while_waiting_is_told_after_the_interims(world: World) -> None:
    """The final status is still free after `100 Continue`."""
    ignore(world)
    async with world.serve(), dial(world.port) as line:
        send(line, world, "Connection: close")
        await line.read(len(INTERIM))
        world.vault.update(prompt={"answer": "dismiss"})
        *interims, reply = replies(await line.rest())

    assert {100} >= {interim.status for interim in interims}
    assert (403, "ApprovalDismissed") == (reply.status, reply.json["code"])
    assert "run 'mayfly login nsrc'" in reply.json["message"]


async def test_a_stopping_daemon_answers_connected_clients(world: World) -> None:
    """After SIGTERM the human at the prompt is waited for; who came and has not asked may ask, and nobody else."""
    ignore(world)
    health = filled(get("/healthz"), port=str(world.port))
    async with world.serve() as daemon, dial(world.port) as line:
        send(line, world)
        await line.read(len(INTERIM))
        await prompted(world)
        async with dial(world.port) as silent, dial(world.port) as later:
            later.send(health)
            assert 200 == (await later.reply()).status
            daemon.process.send_signal(signal.SIGTERM)
            await daemon.event("daemon.draining")
            silent.send(health)
            heard = await silent.reply()
        approve(world)
        rest = await line.rest()
        with pytest.raises(ConnectionRefusedError):
            await world.get()
        code = await daemon.process.wait()

    assert 0 == code
    assert (200, 200) == (heard.status, replies(rest)[-1].status)


@pytest.mark.slow
async def test_boto3_and_the_cli_wait_for_a_human_of_twenty_seconds(world: World) -> None:
    """They would give up after eight seconds of silence; kept alive, both get what the human approves."""
    ignore(world)
    caller = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    async with world.serve():
        env = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{world.url}/credentials/nsrc",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": world.token(),
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        cli = (which("aws"), "sts", "get-caller-identity", "--output", "text", "--query", "Arn")
        clients = asyncio.gather(
            world.run_program(which("python"), "-c", caller, env=env), world.run_program(*cli, env=env)
        )
        await asyncio.sleep(20)
        approve(world)
        ended = await clients

    arn = "arn:aws:iam::058264411872:user/carmas\n"
    assert [(0, arn, ""), (0, arn, "")] == [tuple(one) for one in ended]
    assert 1 == world.vault.state()["prompts"]
