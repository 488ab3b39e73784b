"""The client of the control socket, and how each command reports its failures."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time

from contextlib import suppress
from pathlib import Path

import pytest

from mayfly.cli import client, daemon_calls, speech
from support.clients import ARN
from support.control import daemon, response, sends
from support.world import World, which


@pytest.fixture(name="path")
def _path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client looks for the control socket."""
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "control.sock"


def test_status_and_body_come_back_as_they_were_sent(path: Path) -> None:
    """A reply has the status and the body of the answer."""
    with daemon(path, sends(response(403, b'{"code":"ApprovalDismissed"}'))):
        reply = client.ask("GET", "/status")

    assert (403, b'{"code":"ApprovalDismissed"}') == (reply.status, reply.body)


def test_request_is_one_that_is_not_kept_alive(path: Path) -> None:
    """The request is HTTP/1.0, so that the daemon closes the connection after its answer."""
    seen: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(response(200, b"{}"))

    with daemon(path, answer):
        client.ask("POST", "/profiles/nsrc/login")

    assert seen[0].startswith(b"POST /profiles/nsrc/login HTTP/1.0\r\n")


@pytest.mark.parametrize("raw", [b"", response(200, b'{"whole":true}')[:-3], b"nonsense\r\n\r\n"])
def test_answer_that_is_not_whole_counts_as_none(path: Path, raw: bytes) -> None:
    """A daemon that ends in the middle of its answer has not answered."""
    with daemon(path, sends(raw)), pytest.raises(client.NotRunning, match="ended before it had answered"):
        client.ask("GET", "/status")


def test_missing_socket_means_that_no_daemon_runs(path: Path) -> None:
    """Without a socket no daemon runs."""
    with pytest.raises(client.NotRunning, match="does not run"):
        client.ask("GET", "/status")


def test_socket_that_nobody_listens_on_means_that_no_daemon_runs(path: Path) -> None:
    """The socket of a killed daemon is left behind, and nobody listens on it."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))

    with pytest.raises(client.NotRunning, match="does not run"):
        client.ask("GET", "/status")


def test_daemon_that_says_nothing_is_given_up(path: Path) -> None:
    """Only a request that waits for a human waits without a time limit."""
    done = threading.Event()

    def answer(_connection: socket.socket) -> None:
        done.wait(10)

    with daemon(path, answer):
        with pytest.raises(client.NotRunning, match="does not answer"):
            client.ask("GET", "/status", answer_seconds=0.05)
        done.set()


def _goes_on(connection: socket.socket, block: bytes, pause_seconds: float) -> None:
    """Answer until nobody takes it any more, or for a few seconds."""
    until = time.monotonic() + 8
    with suppress(OSError):
        while time.monotonic() < until:
            connection.sendall(block)
            time.sleep(pause_seconds)


@pytest.mark.parametrize(
    ("block", "pause_seconds", "answer_seconds", "told"),
    [(b"H", 0.01, 0.2, "does not answer"), (b"x" * 2**20, 0, None, "answers without end")],
    ids=["slow", "endless"],
)
def test_daemon_that_answers_without_end_is_given_up(
    path: Path, block: bytes, pause_seconds: float, answer_seconds: float | None, told: str
) -> None:
    """The time limit holds for the whole answer, and an answer has a limit of its size."""
    with (
        daemon(path, lambda connection: _goes_on(connection, block, pause_seconds)),
        pytest.raises(client.NotRunning, match=told),
    ):
        client.ask("GET", "/status", answer_seconds=answer_seconds)


def test_another_users_daemon_is_not_believed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that listens must run as this user."""
    mine = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: mine + 1)

    with daemon(path, lambda _connection: None), pytest.raises(client.Distrusted, match="not by you"):
        client.ask("GET", "/status")


@pytest.mark.parametrize(
    ("platform", "peer", "mode", "is_believed"),
    [
        ("darwin", (1, 0), 0o700, True),
        ("darwin", (1, 0), 0o755, False),
        ("darwin", (1, 65534), 0o700, False),
        ("darwin", None, 0o700, False),
        ("linux", (1, 0), 0o700, False),
    ],
)
def test_launchds_socket_is_believed_in_a_folder_of_ours(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    peer: tuple[int, int] | None,
    mode: int,
    *,
    is_believed: bool,
) -> None:
    """On macOS the peer is launchd, which runs as root, until the daemon has called listen().

    Only this user and root can put a socket into a folder that is closed to others.
    """
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(client, "unix_peer", lambda _sock: peer)
    if os.getuid() == 0:  # the tests may run as root, who is asked here by somebody else
        os.chown(path.parent, 12345, -1)
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    path.parent.chmod(mode)

    with daemon(path, sends(response(200, b"{}"))):
        if is_believed:
            assert 200 == client.ask("GET", "/status").status
        else:
            with pytest.raises(client.Distrusted):
                client.ask("GET", "/status")


def test_call_becomes_readable_when_its_answer_is_there(path: Path) -> None:
    """A call can be given to `select`, so that a command waits for several answers at once."""
    import select

    go = threading.Event()

    def answer(connection: socket.socket) -> None:
        go.wait(10)
        connection.sendall(response(200, b"{}"))

    with daemon(path, answer):
        call = client.send("GET", "/status")
        before = select.select([call], [], [], 0)[0]
        go.set()
        after = select.select([call], [], [], 10)[0]
        call.reply()

    assert ([], [call]) == (before, after)


@pytest.mark.parametrize(
    ("body", "exit_code"),
    [
        (b'{"code":"ApprovalDismissed","message":"no","hint":"again","needs_human":true}', speech.HUMAN_MUST_ACT),
        (b'{"code":"AwsFailed","message":"no","hint":"again","needs_human":false}', speech.FAILED),
        (b'{"code":"ConfigInvalid","message":"no","hint":"again","problems":["no"]}', speech.WRONG_USAGE),
    ],
)
def test_exit_code_says_who_must_act(body: bytes, exit_code: int) -> None:
    """If a human must act the code is 4, for a wrong config 2, for any other failure 1."""
    with pytest.raises(speech.Stop) as stop:
        daemon_calls.body_of(client.Reply(403, body))

    assert (exit_code, ("no",), ("again",)) == (stop.value.exit_code, stop.value.errors, stop.value.hints)


def test_answer_that_is_no_json_is_told_by_its_status() -> None:
    """An answer without JSON is reported with its status."""
    with pytest.raises(speech.Stop, match="answered 500 without a reason"):
        daemon_calls.body_of(client.Reply(500, b"<html>"))


@pytest.mark.parametrize("argv", ["status", "login", "forget", "whoami nsrc", "credential-process nsrc"])
async def test_without_a_daemon_every_command_says_how_to_start_it(world: World, argv: str) -> None:
    """Without a daemon the exit code is 3, and the hint can be pasted."""
    ended = await world.run(*argv.split())

    assert (3, "") == (ended.code, ended.out)
    assert ended.err == (
        "mayfly: error: the daemon does not run\nmayfly: hint: start it: mayfly serve   (or: mayfly install --now)\n"
    )


@pytest.mark.parametrize("command", ["login", "forget", "whoami", "console", "credential-process"])
async def test_without_a_daemon_a_misspelt_profile_is_told_too(world: World, command: str) -> None:
    """Both are to be mended; a profile of the config is not doubted."""
    ended = await world.run(command, "nsrx")

    assert (3, "") == (ended.code, ended.out)
    assert [
        "mayfly: error: the daemon does not run",
        "mayfly: error: there is no profile 'nsrx': did you mean nsrc?",
        "mayfly: hint: start it: mayfly serve   (or: mayfly install --now)",
    ] == ended.err.splitlines()


@pytest.mark.parametrize(
    "argv", ["serve", "env", "exec -- true", "rotate", "aws-config", "status", "login", "whoami nsrc"]
)
async def test_without_a_config_every_command_says_how_to_make_one(world: World, argv: str) -> None:
    """The hint stands on a line of its own; to start a daemon would be the second step."""
    world.config.unlink()
    ended = await world.run(*argv.split())

    where = f"{world.config.parent}/config.toml: no config yet (config.json neither)"
    is_of_daemon = ended.code == 3
    assert [
        f"mayfly: error: {'the daemon does not run' if is_of_daemon else where}",
        "mayfly: hint: make a config: mayfly init   (or see mayfly work without one: mayfly demo)",
    ] == ended.err.splitlines()
    assert (argv in {"status", "login", "whoami nsrc"}, "") == (is_of_daemon, ended.out)


@pytest.mark.parametrize(
    "argv", ["login nsrx", "forget nsrx", "whoami nsrx", "console nsrx", "credential-process nsrx"]
)
async def test_unknown_profile_is_answered_with_the_nearest(world: World, argv: str) -> None:
    """A misspelt profile is wrong usage, and raises no prompt."""
    async with world.serve():
        ended = await world.run(*argv.split())

    assert (2, "") == (ended.code, ended.out)
    assert "mayfly: error: there is no profile 'nsrx': did you mean nsrc?\n" == ended.err
    assert [] == world.vault.calls()


async def test_name_that_cannot_be_one_never_stands_in_a_request(world: World) -> None:
    """A profile's name can bring no path and no header into a request."""
    async with world.serve():
        ended = await world.run("whoami", "nsrc/../../status HTTP/1.0\r\nX: y")

    assert 2 == ended.code
    assert ended.err.endswith("mayfly: hint: profiles: nsrc\n")


async def test_whoami_prints_what_the_aws_cli_prints(world: World) -> None:
    """The output is the same byte for byte, so that scripts can use either."""
    async with world.serve():
        await world.run("aws-config", "--write")
        ours = await world.run("whoami", "nsrc")
        argv = (sys.executable, which("aws"), "--profile", "nsrc", "sts", "get-caller-identity")
        theirs = await world.run_program(*argv, env={"AWS_DEFAULT_REGION": "us-east-1"})

    assert (0, theirs.out) == (ours.code, ours.out)
    assert f'"Arn": "{ARN}"' in ours.out
