"""HTTP on a grant's own socket: the token alone judges, and all else is as on the port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import pytest

from mayfly.daemon.agents import AgentPolicy
from mayfly.daemon.audit import Audit
from mayfly.daemon.delivery import Delivery
from mayfly.daemon.delivery.judge import OnlyGrant
from mayfly.daemon.delivery.socket import CONNECTIONS
from mayfly.daemon.endpoint.tokens import Tokens
from mayfly.daemon.endpoints import Endpoints
from mayfly.daemon.events import Events
from mayfly.daemon.grants import Grant, Table
from mayfly.daemon.grants.table import digest
from mayfly.daemon.http.server import Handler
from mayfly.session.trigger import Requester
from mayfly.shared.desk import Caller
from support.deliveries import ID, OTHER_ID, Deliverable, delivering, descriptor_of
from support.engine import NOON, config, key
from support.others import OTHER, by_root, python
from support.raw import Line, Reply, dial_unix, filled, get
from support.stage import Stage


TOKENS = {"grant": "g" * 43, "other grant": "o" * 43, "profile": "p" * 43, "cut": "g" * 42, "none": ""}
GRANT = Deliverable(ID, "socket")
ASKING = get("/credentials/nsrc", "Authorization: {token}", host="127.0.0.1:1")


class Served:
    """A grant's socket in front of a keeper on a stage."""

    def __init__(self, stage: Stage, delivery: Delivery, path: Path) -> None:
        self.stage = stage
        self.delivery = delivery
        self.path = path

    async def ask(self, template: bytes = ASKING, token: str = "grant") -> Reply:
        async with dial_unix(self.path) as line:
            return await _ask(line, template, token)


async def _ask(line: Line, template: bytes = ASKING, token: str = "grant") -> Reply:
    line.send(filled(template, token=TOKENS[token]))
    return await line.reply()


class Desk:
    """Knows every process, and finds none by its socket."""

    async def caller(self, _inode: int) -> Caller | None:
        raise AssertionError("a client of a grant's socket has no inode")

    async def process(self, pid: int) -> Caller | None:
        return Caller(pid, "terraform")


def endpoint_of(stage: Stage) -> Handler:
    """The endpoint on the socket of a grant, beside another grant and a profile's own token."""
    table, events = Table(), Events(stage.log)
    table.replace({"nsrc": digest(TOKENS["profile"])})
    for name, grant_id in (("grant", ID), ("other grant", OTHER_ID)):
        table.add(Grant(profile="nsrc", session="nsrc", id=grant_id, digest=digest(TOKENS[name])))
    desk = cast(Any, Desk())
    audit = Audit(desk, events, clock=stage.now, age_seconds=lambda _: 0, suspect=lambda _: None)

    async def nothing_new() -> bool:
        raise AssertionError("a profile's token does not count here, renewed or not")

    async def nobody_is_asked(_grant: Grant, _requester: Requester) -> None:
        raise AssertionError("this grant asks nobody")

    config = stage.keeper.config
    agents = AgentPolicy(desk, lambda: config, events, cast(Any, None), clock=stage.now, on_refusal=lambda _: None)
    endpoints = Endpoints(stage.keeper, audit, agents, events, clock=stage.now, on_refusal=lambda _: None)
    return endpoints.with_token_of(ID, Tokens(table, nothing_new, nobody_is_asked)).handle


@pytest.fixture(name="served")
async def _served(runtime: Path) -> AsyncIterator[Served]:
    stage = Stage(config(nsrc=key(), other=key("other")))
    stage.stepped_seconds = (datetime.now(UTC) - NOON).total_seconds() - stage.loop.time()
    stage.takes_seconds = 0.01
    stage.run()
    async with delivering(runtime, log=stage.log, handler_of=lambda _: endpoint_of(stage)) as delivery:
        paths = await delivery.open(GRANT)
        yield Served(stage, delivery, Path(str(paths.socket)))
    stage.keeper.wind_up()


async def test_only_the_grants_own_token_counts(served: Served) -> None:
    """On its own socket every other token is wrong, a profile's own too, and so is another profile."""
    statuses = {name: (await served.ask(token=name)).status for name in TOKENS}
    elsewhere = await served.ask(get("/credentials/other", "Authorization: {token}", host="localhost"))
    healthy = await served.ask(get("/healthz", host="localhost"))

    assert {name: 200 if name == "grant" else 401 for name in TOKENS} == statuses
    assert (401, 200) == (elsewhere.status, healthy.status)


@pytest.mark.parametrize(
    ("template", "status", "code"),
    [
        (get("/credentials/nsrc", "Authorization: {token}", host="evil.example"), 403, "ForeignHost"),
        (get("/credentials/nsrc", "Authorization: {token}", "Origin: null", host="localhost"), 403, "BrowserRequest"),
        (get("/credentials/nsrc", "Authorization: {token}", "Via: x", host="localhost"), 403, "ForwardedRequest"),
        (get("/credentials/nsrc", *["Authorization: {token}"] * 2, host="localhost"), 403, "DoubledAuthorization"),
        (get("/credentials/nsrc", "Authorization: {token}", "Content-Length: 1", host="localhost"), 400, "BadRequest"),
        (get(line="POST /credentials/nsrc HTTP/1.1", host="localhost"), 405, "MethodNotAllowed"),
        (get("/status", "Authorization: {token}", host="localhost"), 404, "NotFound"),
        (b"\x16\x03\x01\r\n\r\n", 400, "BadRequest"),
    ],
)
async def test_all_other_checks_are_the_ports(served: Served, template: bytes, status: int, code: str) -> None:
    """A page, a proxy or an odd client in a container is refused as on the port, even with the right token."""
    reply = await served.ask(template)

    assert (status, code) == (reply.status, reply.json["code"])


async def test_a_client_waits_for_the_human_as_on_the_port(served: Served) -> None:
    """A cold client is kept alive in its dialect until the credentials are there."""
    served.stage.takes_seconds = 0.8
    async with dial_unix(served.path) as line:
        line.send(filled(ASKING, token=TOKENS["grant"]))
        replies = [await line.reply(), await line.reply()]

    assert [100, 200] == [reply.status for reply in replies]


CLIENT = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(f"/proc/self/fd/{sys.argv[1]}/s")
sock.sendall(sys.argv[2].encode())
print(sock.recv(12).decode())
"""


@by_root
async def test_another_users_process_is_served_if_it_has_the_token(served: Served) -> None:
    """It has the folder, as by a mount. The audit names the process by the pid that the kernel tells."""
    mount = descriptor_of(str(served.path.parent))
    asked = {name: filled(ASKING, token=TOKENS[name]).decode() for name in ("grant", "profile")}
    said = {}
    for name, request in asked.items():
        process = await asyncio.create_subprocess_exec(
            *("setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups", python()),
            *("-I", "-c", CLIENT, str(mount), request),
            pass_fds=[mount],
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        said[name] = (process.pid, out.decode().strip())
    os.close(mount)
    handed_out = served.stage.log.told("credentials.handed_out")

    assert ["HTTP/1.1 200", "HTTP/1.1 401"] == [line for _, line in said.values()]
    assert [(said["grant"][0], "terraform")] == [(each["pid"], each["program"]) for each in handed_out]


async def test_a_grant_has_64_connections_and_no_more(served: Served) -> None:
    """One more takes the place of one that rests; the others stay open and are answered again."""
    async with contextlib.AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(dial_unix(served.path)) for _ in range(CONNECTIONS)]
        for line in lines:
            assert 200 == (await _ask(line)).status
        assert 200 == (await served.ask()).status
        answers = await asyncio.gather(*(_ask(line) for line in lines), return_exceptions=True)

    assert [64, 63] == [CONNECTIONS, sum(isinstance(each, Reply) and each.status == 200 for each in answers)]


async def test_at_the_end_a_request_in_flight_is_answered_and_the_next_finds_nobody(served: Served) -> None:
    """The grant is closed while a client waits: that client gets its answer, and no further one is accepted."""
    served.stage.takes_seconds = 0.3
    async with dial_unix(served.path) as waiting, dial_unix(served.path) as idle:
        waiting.send(filled(ASKING, token=TOKENS["grant"]))
        await _until(lambda: bool(served.stage.asked))
        await served.delivery.close(GRANT)
        in_flight, rest = await waiting.reply(), await asyncio.wait_for(idle.rest(), 10)
        with pytest.raises(FileNotFoundError):
            await served.ask()

    assert (200, b"") == (in_flight.status, rest)


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


BOTO = """
import boto3
found = boto3.Session().get_credentials()
print(found.method, found.get_frozen_credentials().access_key)
"""


async def test_boto3_is_served_through_a_relay(served: Served) -> None:
    """As in a container: a port on loopback whose bytes go to the mounted socket."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_unix_connection(str(served.path))
        await asyncio.gather(_pass(reader, up_writer), _pass(up_reader, writer))

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", BOTO),
            stdout=asyncio.subprocess.PIPE,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(served.path.parent),
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/credentials/nsrc",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": TOKENS["grant"],
                "AWS_EC2_METADATA_DISABLED": "true",
            },
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)

    assert b"container-role ASIAEXAMPLE00001\n" == out


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(4096):
        writer.write(block)
    writer.close()


class _Row(NamedTuple):
    id: str


class _Table:
    """A profile's token, and those of two grants."""

    rows: ClassVar = {"profile": _Row(""), "grant": _Row(ID), "other grant": _Row("5e6f7a8b")}

    def find(self, token: str, _profile: str, _now: datetime) -> _Row | None:
        return self.rows.get(token)

    def find_again(self, token_digest: bytes, _profile: str, _now: datetime) -> _Row | None:
        return self.rows.get(token_digest.decode())

    def ended(self, token: str, _profile: str, _now: datetime) -> str | None:
        return "expired" if token == "old" else None


def test_the_judge_of_a_socket_knows_one_grant() -> None:
    """Of all tokens in the table it finds that of its grant, the first time and again."""
    judge = OnlyGrant(_Table(), ID)
    found = {token: judge.find(token, "nsrc", NOON) for token in (*_Table.rows, "none")}
    again = {token: judge.find_again(token.encode(), "nsrc", NOON) for token in (*_Table.rows, "none")}

    assert {token: _Row(ID) if token == "grant" else None for token in found} == found == again
    assert ("expired", None) == (judge.ended("old", "nsrc", NOON), judge.ended("grant", "nsrc", NOON))
