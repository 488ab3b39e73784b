"""A profile's `agents`: who may have what by the profile's own token, by real programs with and without marks."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys

from asyncio.subprocess import PIPE
from datetime import timedelta

import pytest

from mayfly.config.model import Config
from mayfly.daemon.agents import LOGGED_AGAIN_AFTER, NOTED_FOR, REMEMBERED, AgentPolicy
from mayfly.daemon.events import Events
from mayfly.shared.ancestry import UNKNOWN, Agent
from mayfly.shared.errors import AgentRefused
from support.ancestors import orphaned
from support.clients import CLIENTS, WITH_REGION
from support.configs import keys, loaded
from support.desks import FakeDesk
from support.engine import NOON
from support.others import by_root
from support.stage import Log
from support.world import PATIENCE_SECONDS, World


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="agents are recognised on Linux only")

HOUSE = WITH_REGION + 'agents = "deny"\n' + WITH_REGION.replace("nsrc]", "open]")
REFUSED = (403, "AgentRefused")


def doors(world: World, profile: str = "nsrc") -> str:
    """A shell's script that asks at each door, by curl, which starts anew for each."""
    control = ("--unix-socket", str(world.run_dir / "control.sock"))
    calls = (
        ("-H", f"Authorization: {world.token(profile)}", f"{world.url}/credentials/{profile}"),
        (*control, f"http://mayfly/process/{profile}"),
        (*control, f"http://mayfly/peek/{profile}"),
        (*control, "-X", "POST", f"http://mayfly/profiles/{profile}/obtain"),
    )
    return "; ".join(shlex.join(("curl", "-s", "-w", r" %{http_code}\n", *words)) for words in calls)


async def answers(world: World, script: str, mark: str = "") -> list[tuple[int, str]]:
    """Status and code of each answer that the script gets, as a child of nobody with or without a mark."""
    name, _, value = mark.partition("=")
    ended = await world.run_program(*orphaned("sh", "-c", script), env={name: value} if mark else None)
    rows = (line.rpartition(" ") for line in ended.out.splitlines())
    return [(int(status), json.loads(body).get("code", "")) for body, _, status in rows]


@on_linux
async def test_an_agent_is_kept_away_at_every_door(world: World) -> None:
    """403 for a marked curl at each door, before anybody is asked; 200 for an unmarked one, and for other profiles.

    `status` and the log name the agent; a mark that is shed is none, as every text says.
    """
    world.write_toml(HOUSE)
    async with world.serve() as daemon:
        cold = await answers(world, doors(world), "CLAUDECODE=1")
        asked = daemon.events("exchange.started")
        person = await answers(world, doors(world))
        warm = await answers(world, doors(world), "AI_AGENT=my-agent")
        shed = await answers(world, f"exec env -u CLAUDECODE sh -c {shlex.quote(doors(world))}", "CLAUDECODE=1")
        other = await answers(world, doors(world, "open"), "CLAUDECODE=1")
        status = json.loads((await world.run("status", "--json")).out)
        told = daemon.events("agent.refused")

    assert ([REFUSED] * 4, []) == (cold, asked)
    assert [(200, "")] * 4 == person
    assert [REFUSED] * 4 == warm
    assert ([(200, "")] * 4, [(200, "")] * 4) == (shed, other)
    assert 8 == status["refusals"]["agent"]
    assert {"claude-code", "my-agent"} == {row["acting_agent"] for row in told}
    notes = [note for note in status["notes"] if 'was refused nsrc, by agents = "deny"' in note]
    assert {"claude-code", "my-agent"} == {note.split()[0] for note in notes}


@on_linux
async def test_an_sdk_and_the_commands_of_an_agent_are_told_why(world: World) -> None:
    """boto3 shows the reason, and `exec` and `credential-process` say it with the next step."""
    world.write_toml(HOUSE)
    script = f"mayfly exec nsrc -- {CLIENTS['boto3']}; mayfly credential-process nsrc; echo $? >&2"
    async with world.serve() as daemon:
        ended = await world.run_program(*orphaned("sh", "-c", script), env={"CODEX_THREAD_ID": "7"})
        refused = await daemon.event("client.refused")

    assert "" == ended.out
    reason = 'agents = "deny" keeps codex away from nsrc'
    assert 2 == ended.err.count(reason)
    assert "CredentialRetrievalError" in ended.err
    assert "AgentRefused" in ended.err
    assert "hint: a person can run the program with 'mayfly grant nsrc -- COMMAND'" in ended.err
    assert "4" == ended.err.split()[-1]
    assert ("AgentRefused", reason) == (refused["code"], refused["reason"])


SANDBOX = ("unshare", "--user", "--map-current-user", "--pid", "--fork", "--mount-proc", "--", "sh", "-c")


@by_root
async def test_an_agent_in_a_sandbox_is_recognised_from_outside(world: World) -> None:
    """Where a process with users and pids of its own reaches us, its marks are read all the same."""
    world.write_toml(HOUSE)
    async with world.serve():
        script = shlex.join((*SANDBOX, doors(world)))
        agent, person = await answers(world, script, "CLAUDECODE=1"), await answers(world, script)

    assert ([REFUSED] * 4, [200] * 4) == (agent, [status for status, _ in person])


# Asks on one connection, as long as that is not idle for too long, once for each line that it reads.
ASKING = """
import http.client, os, sys
there = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
def status():
    there.request("GET", "/credentials/nsrc", headers={"Authorization": os.environ["TOKEN"]})
    answer = there.getresponse()
    answer.read()
    return answer.status
for _ in sys.stdin:
    try:
        print(status(), flush=True)
    except ConnectionError:
        there.close()
        print(status(), flush=True)
"""


@on_linux
async def test_a_reload_counts_on_a_connection_that_is_open(world: World) -> None:
    """Whose process a connection is stays as it is; what it may have is asked for each time."""
    modes = ("same", "deny", "same")
    async with world.serve():
        client = await asyncio.create_subprocess_exec(
            *orphaned(sys.executable, "-c", ASKING, str(world.port)),
            stdin=PIPE,
            stdout=PIPE,
            env=world.env | {"TOKEN": world.token(), "CLAUDECODE": "1"},
        )
        assert client.stdin
        assert client.stdout
        statuses = []
        for mode in modes:
            world.write_toml(f'{WITH_REGION}agents = "{mode}"\n')
            assert 0 == (await world.run("reload")).code
            client.stdin.write(b"\n")
            statuses.append(int(await client.stdout.readline()))
        await client.communicate(b"")

    assert [200, 403, 200] == statuses


@on_linux
async def test_a_client_that_has_waited_is_judged_anew(world: World) -> None:
    """A rule that came while an agent waited for a person's approval keeps it away all the same."""
    world.write_toml(WITH_REGION)
    world.vault.update(prompt={"answer": "ignore"})
    async with world.serve() as daemon:
        script = shlex.join(("curl", "-s", "-w", r" %{http_code}\n", "-H", f"Authorization: {world.token()}"))
        waiting = asyncio.create_task(answers(world, f"{script} {world.url}/credentials/nsrc", "CLAUDECODE=1"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            # From then on the exchange has read the config.
            while not any(row["stage"] == "approve" for row in daemon.events("exchange.stage_reached")):
                await asyncio.sleep(0.02)
        world.write_toml(WITH_REGION + 'agents = "deny"\n')
        assert 0 == (await world.run("reload")).code
        world.vault.update(prompt={"answer": "approve"})
        found = await waiting

    assert [REFUSED] == found


class Stand:
    """A policy with everything around it; `now` moves by hand."""

    def __init__(self, config: Config) -> None:
        self.now = NOON
        self.config = config
        self.desk, self.log, self.refusals = FakeDesk(), Log(), list[str]()
        self.policy = AgentPolicy(
            self.desk,
            lambda: self.config,
            Events(self.log),
            clock=lambda: self.now,
            on_refusal=self.refusals.append,
        )


def stand(mode: str = "deny") -> Stand:
    return Stand(loaded({"profiles": {"p": keys(agents=mode), "free": keys()}}))


CLAUDE = Agent("claude-code", 42)


async def test_nobody_is_looked_at_where_no_profile_asks() -> None:
    """A profile that treats all alike costs no look-up, and none that there is not."""
    one = stand("same")
    one.desk.agents = {7: CLAUDE, 8: CLAUDE}

    assert ["p", "free", "gone"] == [await one.policy.session(name, inode=7, pid=0) for name in ("p", "free", "gone")]
    assert "p" == await one.policy.session("p", pid=8)
    assert ([], [], []) == (one.desk.looked, one.refusals, one.policy.notes())
    assert one.policy.acting(7) is None


async def test_a_connection_is_looked_at_once() -> None:
    """A connection stays its process's; a pid may become another's, and is looked at each time."""
    one = stand()
    one.desk.agents = {7: CLAUDE}
    for _ in range(3):
        with pytest.raises(AgentRefused):
            await one.policy.session("p", inode=7)
        assert "p" == await one.policy.session("p", inode=8)
        assert "free" == await one.policy.session("free", inode=7)
    await one.policy.session("p", pid=9)
    await one.policy.session("p", pid=9)

    assert [7, 8, 9, 9] == one.desk.looked
    assert ("claude-code", None) == (one.policy.acting(7), one.policy.acting(8))


async def test_an_unknown_process_is_refused_and_not_remembered() -> None:
    """It counts as an agent until the desk knows better."""
    one = stand()
    one.desk.agents = {7: UNKNOWN}
    with pytest.raises(AgentRefused, match="an unknown process"):
        await one.policy.session("p", inode=7)
    one.desk.agents = {}

    assert "p" == await one.policy.session("p", inode=7)


@pytest.mark.parametrize("mode", ["deny", "ask"])
async def test_the_refusal_says_what_a_person_can_do(mode: str) -> None:
    """The agent, the profile, the rule, and `mayfly grant`; 403, and the exit code for what a person must do."""
    one = stand(mode)
    one.desk.agents = {7: CLAUDE}
    with pytest.raises(AgentRefused) as caught:
        await one.policy.session("p", inode=7)

    sentence = caught.value.sentence("p")
    assert sentence.startswith(f'agents = "{mode}" keeps claude-code away from p')
    assert sentence.endswith("a person can run the program with 'mayfly grant p -- COMMAND'")
    assert (403, True) == (caught.value.http_status, caught.value.needs_human)


async def test_each_refusal_counts_and_one_a_minute_is_logged() -> None:
    """`status` names the agent for an hour, as long as the profile has the rule."""
    one = stand()
    one.desk.agents = {7: CLAUDE}
    for seconds in (0, 30, 60):
        one.now = NOON + timedelta(seconds=seconds)
        with pytest.raises(AgentRefused):
            await one.policy.session("p", inode=7)
    assert ["agent"] * 3 == one.refusals
    line = ("warning", "agent.refused", {"profile": "p", "acting_agent": "claude-code", "pid": 42})
    assert [line, line] == [each for each in one.log.lines if each[1] == "agent.refused"]
    assert timedelta(seconds=60) == LOGGED_AGAIN_AFTER
    assert ['claude-code (pid 42) was refused p, by agents = "deny"'] == one.policy.notes()
    one.config = loaded({"profiles": {"p": keys()}})
    assert [] == one.policy.notes()
    one.config = stand().config
    one.now += NOTED_FOR
    assert [] == one.policy.notes()


async def test_what_is_remembered_has_a_bound() -> None:
    """Ten thousand connections leave no more behind than some."""
    one = stand()
    for inode in range(1, 2 * REMEMBERED + 2):
        await one.policy.session("p", inode=inode)
    one.desk.looked.clear()
    await asyncio.gather(*(one.policy.session("p", inode=inode) for inode in range(1, 2 * REMEMBERED + 2)))

    assert len(one.desk.looked) > REMEMBERED
