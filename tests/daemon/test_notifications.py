"""What people in front of the screen are told: by a real notify-send, as it was called."""

from __future__ import annotations

import asyncio
import sys

from pathlib import Path
from typing import Any

import pytest

from mayfly.daemon import notifications
from mayfly.daemon.events import Events
from mayfly.daemon.notifications import Notifications, notice
from mayfly.shared.desk import Caller, Scene
from support.stage import Log
from support.world import SEED_TOML, World


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="notify-send and loginctl are Linux's")

_RECORDER = """#!/bin/sh
printf '%s\\n' "$*" >> '{log}'
{then}
"""


def put_on_path(world: World, program: str, then: str = "") -> Path:
    """A program of that name, first on PATH, that writes its arguments down; the file that it writes to."""
    log = world.folder / f"{program}.log"
    log.touch()
    file = world.op.parent / program
    file.write_text(_RECORDER.format(log=log, then=then))
    file.chmod(0o700)
    return log


async def lines(log: Path, count: int, words: str = "") -> list[str]:
    """The first lines of a log, of those with the words, as soon as they are there."""
    async with asyncio.timeout(20):
        while len(found := [line for line in _lines(log) if words in line]) < count:
            await asyncio.sleep(0.02)
    return found


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines()


async def test_a_prompt_is_announced_with_the_program_that_asked(world: World) -> None:
    """The notification names the program and the profile, and no secret."""
    told = put_on_path(world, "notify-send")
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve():
        asking = asyncio.create_task(world.get())
        (line,) = await lines(told, 1)
        world.vault.update(prompt={"answer": "approve"})
        assert 200 == (await asking).status

    program = Path("/proc/self/comm").read_text().strip()  # noqa: ASYNC240 - /proc does not block
    assert f"--app-name=mayfly -- Mayfly {program} wants nsrc" == line
    assert world.token() not in line


async def test_a_prompt_for_credential_process_names_who_runs_it(world: World) -> None:
    """The program that has started the command, not only the command, which passes the credentials on."""
    told = put_on_path(world, "notify-send")
    async with world.serve():
        assert 0 == (await world.run_program(sys.executable, "-m", "mayfly", "credential-process", "nsrc")).code
        (line,) = await lines(told, 1)

    program = Path("/proc/self/comm").read_text().strip()  # noqa: ASYNC240 - /proc does not block
    assert f"--app-name=mayfly -- Mayfly {program} by {program} wants nsrc" == line


async def test_nobody_is_told_who_does_not_want_to_be(world: World) -> None:
    """`notify = false` is silence."""
    told = put_on_path(world, "notify-send")
    world.write_toml("notify = false\n" + SEED_TOML)
    async with world.serve() as daemon:
        assert 200 == (await world.get()).status
        await daemon.event("credentials.handed_out")

    assert "" == told.read_text()


async def test_without_notify_send_all_goes_on(world: World) -> None:
    """A machine that cannot show notifications serves all the same; one that fails does, too."""
    put_on_path(world, "notify-send", "exit 1")
    async with world.serve() as daemon:
        assert 200 == (await world.get()).status
        assert [] == daemon.events("request.failed")


async def test_nobody_is_asked_through_a_locked_screen(world: World) -> None:
    """While logind says that the screen is locked, no prompt is raised, and the client is told why."""
    asked = put_on_path(
        world,
        "loginctl",
        'case "$1" in show-user) echo 7;; show-session) printf "LockedHint=yes\\nIdleHint=no\\n";; esac',
    )
    told = put_on_path(world, "notify-send")
    async with world.serve():
        reply = await world.get()

    assert (403, "ScreenLocked") == (reply.status, reply.json["code"])
    assert "unlock the screen" in reply.json["message"]
    assert [] == world.vault.calls()
    assert "" == told.read_text()
    assert "show-user" in asked.read_text()


async def test_a_refused_client_is_told_once_to_the_person(world: World) -> None:
    """Many SDKs hide the answer's text. The next step is shown once, and again only after somebody was served."""
    told = put_on_path(world, "notify-send")
    world.vault.update(app={"running": False})
    refused = (
        "--app-name=mayfly -- Mayfly a program was refused nsrc: the 1Password app is not running, or does not answer:"
        " start the 1Password app, then run 'mayfly login nsrc'"
    )
    async with world.serve() as daemon:
        assert [403, 403, 403] == [(await world.get()).status for _ in range(3)]
        world.vault.update(app={"running": True})
        assert 0 == (await world.run("login", "nsrc")).code
        assert 200 == (await world.get()).status
        assert 0 == (await world.run("forget", "nsrc")).code
        world.vault.update(app={"running": False})
        assert 403 == (await world.get()).status
        shown = await lines(told, 2, "was refused")

    assert [refused, refused] == shown
    assert 2 == len(daemon.events("client.refused"))


async def test_a_wrong_token_is_told_once_to_the_person(world: World) -> None:
    """After `rotate` a program with the old token is named a command; a profile that nobody has is not."""
    told = put_on_path(world, "notify-send")
    async with world.serve() as daemon:
        for token in ("", "wrong", "wrong"):
            assert 401 == (await world.get(token=token)).status
            assert 401 == (await world.get("/credentials/nobody", token=token)).status
            assert 200 == (await world.get()).status
        shown = await lines(told, 1, "was refused")

    expected = (
        "--app-name=mayfly -- Mayfly a program was refused nsrc: its token is missing, or counts no longer:"
        ' eval "$(mayfly env nsrc)" anew where it runs'
    )
    assert [expected] == shown
    assert ["Unauthorized"] == [event["code"] for event in daemon.events("client.refused")]


async def test_a_crowd_of_refused_clients_is_one_notification(world: World) -> None:
    """Neither the screen nor the log has a line for each."""
    told = put_on_path(world, "notify-send")
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve() as daemon:
        crowd = [asyncio.create_task(world.get()) for _ in range(30)]
        while not world.vault.state()["prompts"]:
            await asyncio.sleep(0.02)
        world.vault.update(prompt={"answer": "dismiss"})
        assert {403} == {(await client).status for client in crowd}
        shown = await lines(told, 1, "was refused nsrc")

    assert 1 == len(shown)
    assert 1 == len(daemon.events("client.refused"))


async def test_refusals_are_not_shown_to_whoever_wants_no_notifications(world: World) -> None:
    """`notify = false` holds for them, too; the log has them."""
    told = put_on_path(world, "notify-send")
    world.write_toml("notify = false\n" + SEED_TOML)
    world.vault.update(app={"running": False})
    async with world.serve() as daemon:
        assert 403 == (await world.get()).status
        event = await daemon.event("client.refused")

    assert ("nsrc", "OnePasswordNotRunning") == (event["profile"], event["code"])
    assert "start the 1Password app, then run 'mayfly login nsrc'" == event["hint"]
    assert "" == told.read_text()


class FailingDesk:
    """Fails with each fault once, then shows what it is told."""

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.told: list[str] = []

    async def scene(self) -> Scene:
        return Scene()

    async def tell(self, title: str, text: str) -> None:
        del title
        if self.faults:
            raise self.faults.pop()
        self.told.append(text)

    async def caller(self, inode: int) -> Caller | None:
        raise OSError(f"no process for {inode}")

    async def process(self, pid: int) -> Caller | None:
        return Caller(pid, "терминал")


async def test_a_notification_that_fails_ends_nothing() -> None:
    """An error is logged with its traceback, and the next notification is shown."""
    log = Log()
    events = Events(log)
    desk = FailingDesk(UnicodeEncodeError("latin-1", "терминал", 0, 8, "no"), RuntimeError("out of luck"))
    running = asyncio.create_task(Notifications(events, desk, is_wanted=lambda: True).run())
    await asyncio.sleep(0)
    for inode, pid in ((0, 42), (7, 0), (0, 42), (0, 42)):
        events.info("approval.wanted", profile="nsrc", inode=inode, pid=pid)
    async with asyncio.timeout(5):
        while not desk.told:
            await asyncio.sleep(0)
        events.close()
        await running

    assert ["терминал wants nsrc"] == desk.told
    faults = [type(facts["exc_info"]) for facts in log.told("task.failed")]
    assert [RuntimeError, OSError, UnicodeEncodeError] == faults


async def test_a_prompt_for_a_grant_names_its_label() -> None:
    """Beside the program that asked: a person tells an agent's wish from their own."""
    events, desk = Events(Log()), FailingDesk()
    running = asyncio.create_task(Notifications(events, desk, is_wanted=lambda: True).run())
    await asyncio.sleep(0)
    events.info("approval.wanted", profile="admin", label="claude", inode=0, pid=42)
    events.info("approval.wanted", profile="admin", label="claude", inode=0, pid=0)
    facts = {"code": "AccessDenied", "reason": "not you", "failures": 1, "in_use": True}
    events.warning("session.refresh_failed", profile="admin@1a2b3c4d", retry_after_seconds=30, **facts)
    async with asyncio.timeout(5):
        while len(desk.told) < 3:
            await asyncio.sleep(0)
        events.close()
        await running

    assert [
        "терминал (grant claude) wants admin",
        "a program (grant claude) wants admin",
        "admin (grant 1a2b3c4d) could not be renewed: not you",
    ] == desk.told


class SilentDesk(FailingDesk):
    """Answers its first question never."""

    def __init__(self, silent: str) -> None:
        super().__init__()
        self._silent = silent

    async def tell(self, title: str, text: str) -> None:
        await self._answer_unless("tell")
        await super().tell(title, text)

    async def process(self, pid: int) -> Caller | None:
        await self._answer_unless("process")
        return await super().process(pid)

    async def _answer_unless(self, question: str) -> None:
        if self._silent == question:
            self._silent = ""
            await asyncio.Event().wait()


@pytest.mark.parametrize("silent", ["tell", "process"])
async def test_a_notification_that_never_ends_holds_no_other_up(monkeypatch: pytest.MonkeyPatch, silent: str) -> None:
    """It is given up and logged, and the next one is shown."""
    monkeypatch.setattr(notifications, "NOTIFICATION_SECONDS", 0.1)
    log = Log()
    events = Events(log)
    desk = SilentDesk(silent)
    running = asyncio.create_task(Notifications(events, desk, is_wanted=lambda: True).run())
    await asyncio.sleep(0)
    for profile in ("first", "second"):
        events.info("approval.wanted", profile=profile, inode=0, pid=42)
    async with asyncio.timeout(5):
        while not desk.told:
            await asyncio.sleep(0.01)
        events.close()
        await running

    assert ["терминал wants second"] == desk.told
    assert [TimeoutError] == [type(facts["exc_info"]) for facts in log.told("task.failed")]


@pytest.mark.slow
async def test_a_notify_send_that_holds_its_output_open_holds_no_other_up(world: World) -> None:
    """Its child keeps the pipe: it is killed, and the next notification is shown."""
    told = put_on_path(world, "notify-send", "sleep 600; true")
    async with world.serve() as daemon:
        for _ in range(2):
            assert 200 == (await world.get()).status
            assert 0 == (await world.run("forget", "nsrc")).code
            await asyncio.sleep(3)
        shown = await lines(told, 2, "wants nsrc")
        assert [] == daemon.events("task.failed")

    assert 2 == len(shown)


@pytest.mark.parametrize("script", ["sleep 600; true", "yes", "head -c 400000000 /dev/zero"])
async def test_a_loginctl_that_never_ends_holds_no_client_up(world: World, script: str) -> None:
    """Clients and `mayfly login` are served, and a loginctl that is well again is believed."""
    put_on_path(world, "loginctl", script)
    async with world.serve() as daemon:
        async with asyncio.timeout(20):
            reply, login = await asyncio.gather(world.get(), world.run("login", "nsrc"))
        assert (200, 0) == (reply.status, login.code)
        put_on_path(world, "loginctl", 'case "$1" in show-user) echo 7;; *) echo LockedHint=yes;; esac')
        await world.run("forget", "nsrc")
        await asyncio.sleep(1.1)
        assert "ScreenLocked" == (await world.get()).json["code"]
        assert [] == daemon.events("task.failed")


ASKING = """
import socket, sys
open("/proc/self/comm", "w", encoding="utf-8").write("терм <b>")
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client:
    client.sendall("\\r\\n".join(sys.stdin.read().splitlines() + ["", ""]).encode())
    while client.recv(4096):
        pass
"""


async def test_a_program_with_a_foreign_name_is_announced_in_every_locale(world: World) -> None:
    """The locale's encoding lacks the letters of its name: the notification is shown, and the daemon serves on."""
    told = put_on_path(world, "notify-send")
    request = "GET /credentials/nsrc HTTP/1.1\nHost: 127.0.0.1\nAuthorization: {}\nConnection: close"
    async with world.serve(env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}) as daemon:
        stdin = request.format(world.token()).encode()
        asking = await world.run_program(sys.executable, "-c", ASKING, str(world.port), stdin=stdin)
        assert (0, "") == (asking.code, asking.err)
        (line,) = await lines(told, 1)
        assert 200 == (await world.get()).status
        assert [] == daemon.events("task.failed")
        assert 0 == await daemon.end()

    assert "--app-name=mayfly -- Mayfly терм &lt;b&gt; wants nsrc" == line


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            {"event": "session.ending", "profile": "nsrc", "left_seconds": 899},
            "nsrc ends in 15 min: run 'mayfly login nsrc'",
        ),
        (
            {"event": "session.ending", "profile": "nsrc", "left_seconds": 20},
            "nsrc ends in 1 min: run 'mayfly login nsrc'",
        ),
        (
            {"event": "session.refresh_failed", "profile": "nsrc", "in_use": True, "failures": 1, "reason": "no"},
            "nsrc could not be renewed: no",
        ),
        ({"event": "session.refresh_failed", "profile": "nsrc", "in_use": True, "failures": 2, "reason": "no"}, None),
        ({"event": "session.refresh_failed", "profile": "nsrc", "in_use": False, "failures": 1, "reason": "no"}, None),
        ({"event": "session.refreshed", "profile": "nsrc"}, None),
        (
            {"event": "client.refused", "profile": "nsrc", "code": "AwsFailed", "reason": "no answer", "hint": ""},
            "a program was refused nsrc: no answer",
        ),
    ],
)
def test_what_is_worth_a_notification(event: dict[str, Any], text: str | None) -> None:
    """The end that comes near, and the first failure of what is in use; nothing else."""
    assert text == notice(event)
