"""Who got what: noted once a minute and process, and a process that comes back too soon is listened to."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys

from datetime import UTC, datetime, timedelta

import pytest

from mayfly.daemon.audit import LAST_FEW, LOOKUPS_PER_SECOND, REMEMBERED, WITHOUT_LOOKUP_PER_MINUTE, Audit, product
from mayfly.daemon.events import Events
from mayfly.demo.sts.server import EmbeddedSts, Role
from mayfly.shared.desk import Caller, Scene
from support.world import PATIENCE_SECONDS, SEED_ACCOUNT, SEED_TOML, World


TOKEN = "Vb3-hx0_TzqLwY5uJm8RkE1cNsPa7DfGiQ2oXj4vWnU"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Desk:
    """Knows the processes in `callers`, by inode, as soon as `open` is set."""

    def __init__(self) -> None:
        self.callers: dict[int, Caller] = {}
        self.processes: dict[int, Caller] = {}
        self.asked: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fault: Exception | None = None

    async def scene(self) -> Scene:
        return Scene()

    async def tell(self, title: str, text: str) -> None: ...

    async def caller(self, inode: int) -> Caller | None:
        self.asked.append(inode)
        await self.open.wait()
        if self.fault:
            raise self.fault
        return self.callers.get(inode)

    async def process(self, pid: int) -> Caller | None:
        if self.fault:
            raise self.fault
        return self.processes.get(pid)


class Log:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def info(self, event: str, **facts: object) -> None:
        self.rows.append({"event": event} | facts)

    error = info


class Desktop:
    """An audit with everything around it; `now` moves by hand."""

    def __init__(self) -> None:
        self.desk, self.log, self.now = Desk(), Log(), NOW
        self.suspected: list[str] = []
        self.profiles = {"nsrc": 12.4, "other": 12.4}
        self.audit = Audit(
            self.desk,
            Events(self.log),
            clock=lambda: self.now,
            age_seconds=lambda profile: self.profiles[profile],
            suspect=self.suspected.append,
        )

    def later(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


async def test_a_fetch_is_told_with_its_process() -> None:
    """Profile, pid, program, the user agent's product, the age of the session and who acts, and nothing else."""
    at = Desktop()
    at.desk.callers[7] = Caller(42, "terraform")

    await at.audit.note("nsrc", "aws-sdk-go-v2/1.30 lang/go", 7)

    told = {"pid": 42, "program": "terraform", "agent": "aws-sdk-go-v2", "session_age_seconds": 12}
    assert [{"event": "credentials.handed_out", "profile": "nsrc", "acting_agent": None} | told] == at.log.rows


async def test_the_agent_that_a_process_works_for_is_told_with_it() -> None:
    """In the log and in `status`, where somebody has looked it up."""
    at = Desktop()
    at.desk.callers[7] = Caller(42, "python3")

    await at.audit.note("nsrc", "Boto3/1.40", 7, acting_agent="claude-code")

    assert "claude-code" == at.log.rows[0]["acting_agent"] == at.audit.last[0].acting_agent


async def test_a_loop_of_one_process_is_told_once_a_minute() -> None:
    """botocore inside its last 15 minutes asks with every call."""
    at = Desktop()
    at.desk.callers[7] = Caller(42, "python")
    for _ in range(119):
        await at.audit.note("nsrc", "", 7)
        at.later(1)

    assert 2 == len(at.log.rows)
    assert [7] == at.desk.asked


async def test_whoever_comes_back_within_a_minute_is_suspected_of_a_refusal() -> None:
    """Also at once, as SDKs do; what starts together is no sign, nor is what nobody knows."""
    at = Desktop()
    at.desk.callers[7] = Caller(42, "python")
    for seconds in (0, 0.1, 0.05, 0.2, 58, 2):
        at.later(seconds)
        await at.audit.note("nsrc", "", 7)
        await at.audit.note("nsrc", "curl/8", None)

    assert ["nsrc", "nsrc"] == at.suspected


async def test_many_new_connections_are_answered_first_and_looked_at_less() -> None:
    """At most a few look-ups a second, for each walks through /proc."""
    at = Desktop()
    for inode in range(100):
        await at.audit.note("nsrc", "", inode)

    assert LOOKUPS_PER_SECOND == len(at.desk.asked)


async def test_whoever_makes_a_noise_hides_nobody() -> None:
    """Beyond the look-ups, every agent is told still, without its process; what is left out is counted."""
    at = Desktop()
    for inode in range(100):
        await at.audit.note("nsrc", "noise/1", inode)
    await at.audit.note("nsrc", "thief/1", 1000)
    await at.audit.note("other", "noise/1", 1001)

    told = [(row["profile"], row["agent"]) for row in at.log.rows if row["event"] == "credentials.handed_out"]
    assert {("nsrc", "noise"), ("nsrc", "thief"), ("other", "noise")} == set(told)
    assert "thief" in {fetch.agent for fetch in at.audit.last}
    assert [1, 10] == [row["times"] for row in at.log.rows if row["event"] == "audit.limited"]


async def test_many_names_are_no_flood_of_lines() -> None:
    """A process that calls itself something else each time gets so many lines a minute, and the rest is counted."""
    at = Desktop()
    for number in range(1000):
        await at.audit.note("nsrc", f"agent{number}", number)

    assert LOOKUPS_PER_SECOND + WITHOUT_LOOKUP_PER_MINUTE + len((1, 10, 100)) == len(at.log.rows)


async def test_a_command_is_told_with_its_process() -> None:
    """By its pid, with whatever steers a terminal taken out; to run it again raises no suspicion."""
    at = Desktop()
    at.desk.processes[42] = Caller(42, "aws\x1b]0;x\x07 by curl")
    for pid in (42, 42, 43):
        at.later(3)
        await at.audit.note("nsrc", "credential_process", None, pid=pid)

    assert [(42, "aws?]0;x? by curl"), (43, "unknown")] == [(row["pid"], row["program"]) for row in at.log.rows]
    assert [] == at.suspected


async def test_a_slow_desk_delays_no_client() -> None:
    """The answer goes out, and the note is made when the desk has found the process."""
    at = Desktop()
    at.desk.callers[7] = Caller(42, "python")
    at.desk.open.clear()
    await at.audit.note("nsrc", "", 7)
    assert [] == at.log.rows

    at.desk.open.set()
    async with asyncio.timeout(5):
        while not at.log.rows:
            await asyncio.sleep(0)


async def test_the_end_waits_for_no_desk() -> None:
    """A hand-out whose process is still looked for is noted without it, before the daemon's last line."""
    at = Desktop()
    at.desk.open.clear()
    await at.audit.note("nsrc", "curl/8", 7)
    assert [] == at.log.rows

    await at.audit.end()

    assert [("nsrc", None, "curl")] == [(row["profile"], row["pid"], row["agent"]) for row in at.log.rows]


async def test_a_slow_desk_makes_no_suspicion(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a client came counts, and not when the desk has found out who it was."""
    monkeypatch.setattr("mayfly.daemon.audit.PATIENCE_SECONDS", 0)
    at = Desktop()
    at.desk.callers = dict.fromkeys((7, 8), Caller(42, "python"))
    await at.audit.note("nsrc", "", 7)
    at.desk.open.clear()
    await at.audit.note("nsrc", "", 8)
    at.later(5)
    at.desk.open.set()
    async with asyncio.timeout(5):
        while at.audit._tasks._tasks:
            await asyncio.sleep(0)

    assert ([], 1) == (at.suspected, len(at.log.rows))


async def test_a_profile_that_is_gone_meanwhile_hides_no_hand_out() -> None:
    """While the desk looks, a reload drops the profile: the hand-out is noted with the age that it had."""
    at = Desktop()
    at.desk.open.clear()
    await at.audit.note("nsrc", "curl/8", 7)
    at.profiles.clear()
    at.desk.open.set()
    async with asyncio.timeout(5):
        while not at.log.rows:
            await asyncio.sleep(0)

    assert [("credentials.handed_out", 12)] == [(row["event"], row.get("session_age_seconds")) for row in at.log.rows]


async def test_a_desk_that_fails_hides_no_hand_out() -> None:
    """The client is noted without its program, the fault is logged, and nothing else ends."""
    at = Desktop()
    at.desk.fault = UnicodeEncodeError("latin-1", "терминал", 0, 8, "ordinal not in range(256)")
    at.audit.start_lookup(6)
    await at.audit.note("nsrc", "curl/8", 7)
    await at.audit.note("nsrc", "credential_process", None, pid=42)
    await asyncio.sleep(0)

    told = [(row["pid"], row["agent"]) for row in at.log.rows if row["event"] == "credentials.handed_out"]
    assert [(None, "curl"), (42, "credential_process")] == told
    assert 3 == len([row for row in at.log.rows if row["event"] == "task.failed"])


async def test_what_is_remembered_has_a_bound() -> None:
    """Neither processes nor connections are kept for ever, and of the fetches only the last few."""
    at = Desktop()
    for number in range(3 * REMEMBERED):
        await at.audit.note("nsrc", f"agent{number}", None)

    assert 3 * REMEMBERED == len(at.log.rows)
    assert LAST_FEW == len(at.audit.last)
    assert len(at.audit._logged_at) <= REMEMBERED
    for inode in range(REMEMBERED):
        at.audit._callers[inode] = None
    await at.audit.note("nsrc", "", REMEMBERED)
    assert 1 == len(at.audit._callers)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("aws-cli/2.36.7 md/awscrt#0.38", "aws-cli"),
        ("Boto3/1.43 md/Botocore", "Boto3"),
        ("Ruby", "Ruby"),
        ("", "unknown"),
        ("\x1b[31m<script>", "31mscript"),
        ("aws-sdk-dotnet-netstandard/3.7", "aws-sdk-dotnet-netstandard"),
        ("x" * 500, "unknown"),
        (TOKEN, "unknown"),
        (f"curl-{TOKEN}/8 x", "unknown"),
    ],
)
def test_an_agent_is_known_by_its_first_word(agent: str, name: str) -> None:
    """Whatever a client calls itself, the log gets one plain word."""
    assert name == product(agent)


async def test_a_token_that_is_a_clients_name_is_not_told(world: World) -> None:
    """`curl -A "$TOKEN"`: not even its beginning is in the log."""
    async with world.serve() as daemon:
        await world.get("/credentials/nsrc", f"User-Agent: {world.token()}")
        told = await daemon.event("credentials.handed_out")

    assert "unknown" == told["agent"]
    assert world.token()[:8] not in daemon.log_text


async def test_the_daemon_knows_which_program_asked(world: World) -> None:
    """This very test is in the log and in the status, by pid."""
    async with world.serve() as daemon:
        await world.get("/credentials/nsrc", "User-Agent: curl/8.5.0")
        told = await daemon.event("credentials.handed_out")

    assert ("nsrc", "curl", 0) == (told["profile"], told["agent"], told["session_age_seconds"])
    if sys.platform == "linux":
        assert os.getpid() == told["pid"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
async def test_the_daemon_knows_who_runs_credential_process(world: World) -> None:
    """Whether by mayfly or by curl, the page names the program behind it."""
    curl = f"curl -s --unix-socket {world.run_dir}/control.sock http://mayfly/process/nsrc; true"
    async with world.serve() as daemon:
        assert 0 == (await world.run_program(sys.executable, "-m", "mayfly", "credential-process", "nsrc")).code
        if shutil.which("curl"):
            assert 0 == (await world.run_program("sh", "-c", curl)).code
        await daemon.event("credentials.handed_out")
        told = daemon.events("credentials.handed_out")
        page = (await world.run("status")).out

    assert {os.getpid()} == {row["pid"] for row in told}
    assert {"credential_process"} == {row["agent"] for row in told}
    assert f"(pid {os.getpid()}, credential_process)" in page


@pytest.mark.slow
async def test_a_session_that_aws_has_revoked_is_replaced(world: World) -> None:
    """A process that fetches again is believed: AWS is asked once a session, and one is renewed."""
    role = f'source_profile = "nsrc"\nrole_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"\n'
    world.write_toml(f"{SEED_TOML}[profiles.admin]\n{role}")
    async with EmbeddedSts(world.account(Role(name="Admin"))) as world.sts, world.serve() as daemon:
        good, revoked = await world.get(), await world.get("/credentials/admin")
        world.sts.revoke(revoked.json["AccessKeyId"])
        async with asyncio.timeout(PATIENCE_SECONDS):
            # On a busy machine a client is gone before the daemon has found out who it was.
            while world.sts.calls_of("GetCallerIdentity") < 2:
                await asyncio.sleep(0.3)
                assert good.body == (await world.get()).body
                await world.get("/credentials/admin")
        assert "admin" == (await daemon.event("session.rejected"))["profile"]
        await daemon.event("session.refreshed", times=3)
        renewed = await world.get("/credentials/admin")
        assert good.body == (await world.get()).body

    assert revoked.json["AccessKeyId"] != renewed.json["AccessKeyId"]
    assert 2 == world.sts.calls_of("GetCallerIdentity")
    assert 1 == len(world.vault.calls())
