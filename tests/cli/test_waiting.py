"""Waiting is told: by a line that goes on a terminal, elsewhere by a line for each stage; Ctrl-C says what goes on."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mayfly.cli import client, speech, waiting
from mayfly.demo.op.vault import ITEM, VAULT
from support.desks import Screen
from support.terminals import ROWS, Terminal
from support.world import SEED_ACCOUNT, SEED_TOML, World


APPROVE = "mayfly: waiting for 1Password: approve the prompt for nsrc"
STAGES = re.compile(r"mayfly: (waiting|asking|connecting|starting)")


def note_sent(world: World) -> None:
    """The file of an exchange that has sent the codes of this step and the next."""
    step = int(datetime.now(UTC).timestamp()) // 30
    world.run_dir.mkdir(mode=0o700, exist_ok=True)
    (world.run_dir / "op.lock").write_text(json.dumps({f" op://{VAULT}/{ITEM}/totp?attribute=otp": [step, step + 1]}))
    (world.run_dir / "op.lock").chmod(0o600)


# On a terminal


def _is_cut(lines: list[str], columns: int) -> bool:
    """True for one line with its time at the end, within so many columns."""
    return len(lines) == 1 and len(lines[0]) <= columns and bool(re.fullmatch(r"waiting .+, \d+ s", lines[0]))


async def test_a_line_on_a_terminal_fits_counts_and_goes(world: World) -> None:
    """It is cut to the window, also to a smaller one, counts from five seconds on, and leaves only the answer behind.

    After Ctrl-C nothing is left over of it either, and what goes on is said; so the next login finds the same prompt.
    """
    world.vault.update(prompt={"answer": "ignore"})
    counting = re.compile(f"{APPROVE}, ([5-9]|[1-9]\\d) s so far")
    async with world.serve():
        first = Terminal(world, "login", columns=50)
        await first.until_lines(lambda lines: lines == [APPROVE[:47]] or _is_cut(lines, 47))
        first.resize(40, ROWS)
        await first.until_lines(lambda lines: lines == [APPROVE[:37]] or _is_cut(lines, 37))
        # From five seconds on the time stays, and the words are cut.
        await first.until_lines(lambda lines: _is_cut(lines, 37))
        first.resize(80, ROWS)
        await first.until_lines(lambda lines: lines and lines[0].startswith(APPROVE))
        first.interrupt()
        stopped = await first.end()
        second = Terminal(world, "login")
        (seen,) = await second.until_lines(lambda lines: lines and counting.fullmatch(lines[0]))
        await second.until_lines(lambda lines: counting.fullmatch(lines[0]) and lines != [seen])
        world.vault.update(prompt={"answer": "approve"})
        code = await second.end()

    assert 130 == stopped
    assert [
        "mayfly: stopped waiting",
        "mayfly: 1Password's prompt for nsrc is still up, and what you approve is kept",
        "mayfly: hint: to drop what comes: mayfly forget nsrc",
    ] == first.lines
    (line,) = second.lines
    assert (0, True) == (code, line.startswith("nsrc: fresh until "))
    assert 1 == second.raw.count(b"\n")
    assert b" 4 s so far" not in second.raw
    assert 1 == world.vault.state()["prompts"]


async def test_the_time_to_the_next_code_runs_down(world: World) -> None:
    """Before the next one-time password nobody looks for a prompt; after Ctrl-C it comes all the same."""
    note_sent(world)
    line = re.compile(r"mayfly: waiting for the next one-time password, (\d+) s \(nsrc\)")
    async with world.serve() as daemon:
        terminal = Terminal(world, "login")
        await terminal.until_lines(lambda lines: lines and line.fullmatch(lines[0]))
        (first,) = terminal.lines
        await terminal.until_lines(lambda lines: line.fullmatch(lines[0]) and lines != [first])
        (second,) = terminal.lines
        terminal.interrupt()
        code = await terminal.end()
        daemon.process.kill()

    told = [int(found[1]) for each in (first, second) if (found := line.fullmatch(each))]
    assert (130, True) == (code, 60 >= told[0] > told[1] >= 1)
    assert "mayfly: stopped waiting" == terminal.lines[0]
    assert re.fullmatch(r"mayfly: 1Password is asked for nsrc all the same, in \d+ s", terminal.lines[1])


async def test_exec_waits_before_it_becomes_the_command(world: World) -> None:
    """After Ctrl-C the command is not run, and the login goes on; the line is gone when the command begins."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve():
        first, second = (Terminal(world, "exec", "--", "sh", "-c", "echo ran") for _ in range(2))
        await asyncio.gather(*(each.until_lines(lambda lines: lines == [APPROVE]) for each in (first, second)))
        first.interrupt()
        stopped = await first.end()
        world.vault.update(prompt={"answer": "approve"})
        code = await second.end()

    assert (130, "mayfly: stopped waiting; sh was not run") == (stopped, first.lines[0])
    assert (0, ["ran"]) == (code, second.lines)


async def test_a_dumb_terminal_gets_lines(world: World) -> None:
    """Where nothing can be erased, nothing is drawn."""
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve():
        terminal = Terminal(world, "login", env={"TERM": "dumb"})
        await terminal.until_lines(lambda lines: lines == [APPROVE])
        world.vault.update(prompt={"answer": "approve"})
        await terminal.end()

    assert [APPROVE, True] == [terminal.lines[0], terminal.lines[-1].startswith("nsrc: fresh until ")]
    assert b"\x1b" not in terminal.raw


# Elsewhere


async def test_elsewhere_each_stage_is_a_line_and_none_comes_twice(world: World) -> None:
    """The prompt, then AWS, then the answer."""
    world.vault.update(prompt={"delay_s": 1.5})
    world.sts.faults.latency_seconds = 1.5
    async with world.serve():
        login = await world.run("login")

    assert [APPROVE, "mayfly: asking AWS (nsrc)"] == login.err.splitlines()


async def test_whoami_and_console_tell_what_they_wait_for(world: World) -> None:
    """Both get credentials first, which may take a person."""
    role = f'[profiles.admin]\nsource_profile = "nsrc"\nrole_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"\n'
    world.write_toml(SEED_TOML + role)
    world.vault.update(prompt={"delay_s": 1.5})
    async with world.serve():
        whoami = await world.run("whoami", "nsrc")
        await world.run("forget")
        world.vault.update(prompt={"answer": "deny"})
        console = await world.run("console", "--print", "admin")

    assert (0, APPROVE) == (whoami.code, whoami.err.splitlines()[0])
    assert re.match(r"mayfly: waiting for .* \(admin\)|mayfly: .*for admin", console.err)


async def test_a_service_account_has_no_prompt_to_approve(world: World) -> None:
    """`op` is waited for, and credential-process says what to do if it comes too late."""
    world.vault.update(mode="service", latency_s=0.5)
    world.sts.faults.latency_seconds = 1.5
    token = world.home / "token"
    token.write_text("ops_made_up")
    token.chmod(0o600)
    world.write_toml(f'[onepassword]\ntoken_file = "{token}"\n{SEED_TOML}')
    async with world.serve():
        process = await world.run("credential-process", "nsrc")

    advice = "; if this program gives up, run it again"
    assert [
        f"mayfly: waiting for 1Password (nsrc){advice}",
        f"mayfly: asking AWS (nsrc){advice}",
    ] == process.err.splitlines()


async def test_a_login_behind_another_says_so(world: World) -> None:
    """1Password is asked one question at a time: the second login waits for the first."""
    world.write_toml(f"{SEED_TOML}{SEED_TOML.replace('nsrc]', 'other]')}duration_seconds = 7200\n")
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve() as daemon:
        first = asyncio.create_task(world.run("login", "nsrc"))
        await daemon.event("exchange.stage_reached")
        process = await asyncio.create_subprocess_exec(
            *("mayfly", "login", "other"), stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=world.env
        )
        assert process.stderr
        async with asyncio.timeout(30):
            line = await process.stderr.readline()
        process.kill()
        await process.communicate()
        daemon.process.kill()
        await first

    assert b"mayfly: waiting for another login to end (other)\n" == line


async def test_exec_runs_whatever_becomes_of_the_credentials(world: World) -> None:
    """Without a daemon in silence; after a "no", or behind a lock, with a warning: the command may need none."""
    silent = await world.run("exec", "--", "echo", "ran")
    world.vault.update(prompt={"answer": "deny"})
    screen = Screen(world.op.parent)
    async with world.serve():
        denied = await world.run("exec", "--", "echo", "ran")
        screen.lock()
        await asyncio.sleep(1)
        locked = await world.run("exec", "--", "echo", "ran")

    assert (0, "ran\n", "") == (silent.code, silent.out, silent.err)
    for ended, why in ((denied, "the 1Password prompt was dismissed"), (locked, "the screen is locked")):
        said = [line for line in ended.err.splitlines() if not STAGES.match(line)]
        assert (0, "ran\n") == (ended.code, ended.out)
        assert f"mayfly: warning: nsrc: {why}" in said[0]
        assert said[1].startswith("mayfly: hint: ")


# What the daemon may answer


class Daemon:
    """A control socket that answers as the test says; it is this process."""

    def __init__(self, folder: Path, answers: dict[str, bytes | None]) -> None:
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / "control.sock"))
        self._listener.listen()
        self._kept: list[socket.socket] = []

    def serve(self, times: int) -> None:
        for _ in range(times):
            connection = self._listener.accept()[0]
            target = connection.recv(65536).split()[1].decode()
            raw = self._answers[target]
            if raw is not None:
                connection.sendall(raw)
                connection.close()
            self._kept.append(connection)

    def close(self) -> None:
        for each in (*self._kept, self._listener):
            each.close()


def http(tree: Any) -> bytes:
    body = json.dumps(tree).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def rows(stage: Any) -> bytes:
    return http({"profiles": [{"profile": "nsrc", "stage": stage}]})


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
SILENT = "waiting for the daemon (nsrc)"


def event(stage: Any, left: Any = None, profiles: Any = ("nsrc",)) -> bytes:
    tree = {"event": "exchange.stage_reached", "stage": stage, "profiles": profiles, "left_seconds": left}
    return b"data: " + json.dumps(tree).encode() + b"\n\n"


OLD_STAGE = {"name": "approve", "since_seconds": 40, "left_seconds": None}


@pytest.mark.parametrize(
    ("status", "events", "told"),
    [
        (rows(OLD_STAGE), None, APPROVE.removeprefix("mayfly: ")),
        (rows({"name": "code", "since_seconds": 1, "left_seconds": 14}), None, "password, 14 s (nsrc)"),
        (rows({"name": "teleport", "since_seconds": 9, "left_seconds": None}), None, SILENT),
        (http({"profiles": [{"profile": "nsrc"}]}), None, SILENT),
        (rows(OLD_STAGE), HEAD + event("aws"), SILENT),
        (rows(OLD_STAGE), HEAD + b"data: {\n\n", SILENT),
        (rows(OLD_STAGE), HEAD + event(["aws"], "soon"), SILENT),
        (rows(OLD_STAGE), b"HTTP/1.1 403 Forbidden\r\n\r\n", SILENT),
    ],
    ids=["told", "left", "of a later version", "of an earlier one", "ends", "no JSON", "no stage", "refused"],
)
def test_what_is_not_known_is_not_claimed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: bytes, events: bytes | None, told: str
) -> None:
    """What was told long ago still holds; without events, or of another version, only the daemon is waited for."""
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(waiting, "_MOMENTS", {})
    said: list[str] = []
    tmp_path.chmod(0o700)
    daemon = Daemon(tmp_path, {"/status": status, "/events": events})
    ours, theirs = socket.socketpair()

    def say(text: str) -> None:
        said.append(text)
        theirs.send(b"x")

    monkeypatch.setattr(speech, "say", say)
    import threading

    serving = threading.Thread(target=daemon.serve, args=(2,))
    serving.start()
    with ours, theirs:
        call = client.Call(ours, Path("control.sock"))
        assert [("nsrc", call)] == list(waiting.Waiting({"nsrc": call}, quiet_seconds=0))
    serving.join()
    daemon.close()

    assert told in said[0]


def test_a_daemon_that_answers_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stopped daemon accepts connections and never answers: the command ends instead of waiting for ever."""
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.1)
    tmp_path.chmod(0o700)
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "control.sock"))
        listener.listen()
        began = time.monotonic()
        with pytest.raises(speech.Stop) as stopped:
            list(waiting.Waiting({"nsrc": client.Call(ours, Path("control.sock"))}, quiet_seconds=0))

    assert (speech.NOT_RUNNING, True) == (stopped.value.exit_code, time.monotonic() - began < 20)
