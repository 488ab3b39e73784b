"""A profile's `agents`: who may have what by the profile's own token, by real programs with and without marks."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys

from asyncio.subprocess import PIPE
from datetime import timedelta
from typing import Any

import pytest

from mayfly.config.model import Config
from mayfly.daemon.agents import LOGGED_AGAIN_AFTER, NOTED_FOR, REMEMBERED, AgentPolicy
from mayfly.daemon.events import Events
from mayfly.daemon.grants import AgentGrants, Grant, Registry
from mayfly.daemon.grants.for_agents import MOST, UNUSED_FOR
from mayfly.daemon.grants.order import Order
from mayfly.daemon.grants.table import Ask
from mayfly.daemon.tasks import Tasks
from mayfly.demo.sts.server import EmbeddedSts, Role
from mayfly.shared.ancestry import UNKNOWN, Agent
from mayfly.shared.errors import AgentRefused, GrantNotAllowed
from mayfly.shared.grant import Narrowing
from support.ancestors import orphaned
from support.clients import CLIENTS, WITH_REGION
from support.configs import keys, loaded, role
from support.desks import FakeDesk, put_program
from support.engine import NOON
from support.grant_engine import Engine
from support.others import by_root
from support.stage import Log
from support.world import SEED_ACCOUNT, World


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


def twice(world: World, profile: str) -> str:
    """A shell's script that asks twice on one connection, by the profile's own token."""
    url = f"{world.url}/credentials/{profile}"
    return shlex.join(
        ("curl", "-s", "-w", r" %{http_code}\n", "-H", f"Authorization: {world.token(profile)}", url, url)
    )


async def replies(world: World, script: str, mark: str = "") -> list[tuple[int, dict[str, Any]]]:
    """Status and body of each answer that the script gets, as a child of nobody with or without a mark."""
    name, _, value = mark.partition("=")
    ended = await world.run_program(*orphaned("sh", "-c", script), env={name: value} if mark else None)
    rows = (line.rpartition(" ") for line in ended.out.splitlines())
    return [(int(status), json.loads(body)) for body, _, status in rows]


async def answers(world: World, script: str, mark: str = "") -> list[tuple[int, str]]:
    """Status and code of each answer."""
    return [(status, body.get("code", "")) for status, body in await replies(world, script, mark)]


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


ROLE = f"""
[profiles.admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"
agents = "{{mode}}"
"""


@on_linux
async def test_a_client_that_has_waited_is_judged_anew(world: World) -> None:
    """A rule that came while an agent waited for a person's approval counts for it all the same.

    It keeps the agent away, or gives it a narrower session than the one that it has waited for.
    """
    world.write_toml(WITH_REGION + ROLE.format(mode="same"))
    world.vault.update(prompt={"answer": "ignore"})
    async with EmbeddedSts(world.account(Role(name="Admin"))) as sts:
        world.sts = sts
        refused, (narrow,) = await _waited(world)
        policies = ["PolicyArns.member.1.arn" in call.parameters for call in sts.calls if call.action == "AssumeRole"]

    assert ([REFUSED], 200) == (refused, narrow[0])
    assert [False, True] == policies


async def _waited(world: World) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """What an agent gets that waits for nsrc and for admin while a rule for each comes."""
    async with world.serve() as daemon:
        script = ("curl", "-s", "-w", r" %{http_code}\n", "-H")
        nsrc, admin = (
            shlex.join((*script, f"Authorization: {world.token(name)}", f"{world.url}/credentials/{name}"))
            for name in ("nsrc", "admin")
        )
        waiting = asyncio.gather(*(answers(world, words, "CLAUDECODE=1") for words in (nsrc, admin)))
        # From then on the exchange has read the config.
        await daemon.stage("approve")
        world.write_toml(WITH_REGION + 'agents = "deny"\n' + ROLE.format(mode="read-only"))
        assert 0 == (await world.run("reload")).code
        world.vault.update(prompt={"answer": "approve"})
        first, second = await waiting
        return first, second


@on_linux
async def test_an_agent_has_a_read_only_session_at_every_door(world: World) -> None:
    """One for each agent program, by its name in CloudTrail and in `mayfly grants`; a person has the profile's own.

    By `mayfly grant` the agent gets no more than that.
    """
    world.write_toml(WITH_REGION + ROLE.format(mode="read-only"))
    async with EmbeddedSts(world.account(Role(name="Admin"))) as sts:
        world.sts = sts
        async with world.serve():
            agents = [await replies(world, doors(world, "admin"), mark) for mark in ("CLAUDECODE=1", "GEMINI_CLI=1")]
            person = await replies(world, doors(world, "admin"))
            again = await replies(world, twice(world, "admin"), "CLAUDECODE=1")
            rows = json.loads((await world.run("grants", "--json")).out)
            script = "mayfly grant admin -- echo wide; mayfly grant admin --read-only -- echo narrow; mayfly grants"
            ordered = await world.run_program(*orphaned("sh", "-c", script), env={"CLAUDECODE": "1"})
        calls = [call.parameters for call in sts.calls if call.action == "AssumeRole"]

    keys_of = [{body["AccessKeyId"] for _, body in found[:3]} for found in (*agents, person, again)]
    assert [200] * 14 == [status for found in (*agents, person, again) for status, _ in found]
    assert [1, 1, 1, 1] == [len(found) for found in keys_of]
    assert (keys_of[0], 3) == (keys_of[3], len(set.union(*keys_of)))
    assert [("claude-code", "read-only", "agent"), ("gemini-cli", "read-only", "agent")] == [
        (row["label"], row["narrowing"], row["as"]) for row in rows
    ]
    assert [5, 3] == [row["uses"] for row in rows]
    assert [f"mayfly-{row['label']}-{row['id']}" for row in rows] == [call["RoleSessionName"] for call in calls[:2]]
    assert [True, True, False] == ["PolicyArns.member.1.arn" in call for call in calls[:3]]
    assert "narrow" == ordered.out.splitlines()[0]
    assert 'agents = "read-only" lets claude-code make read-only grants of admin, and no others' in ordered.err


ANSWERED = """case "$*" in *--wait*) cat {answer} ;; esac"""


@on_linux
async def test_an_agent_that_must_ask_is_asked_for_once(world: World) -> None:
    """One question for all that one agent starts, at every door; a yes opens the profile's own session.

    Another agent process is asked for anew, and after a no everything is closed to it.
    """
    world.write_toml(WITH_REGION + 'agents = "ask"\n')
    answer = world.folder / "answer"
    calls = put_program(world.op.parent, "notify-send", ANSWERED.format(answer=answer))
    more = "; mayfly grant nsrc -- echo granted || echo '{}' 403"
    async with world.serve() as daemon:
        person = await replies(world, doors(world))
        answer.write_text("allow\n")
        allowed = await world.run_program(
            *orphaned("env", "-u", "X", "sh", "-c", f"CLAUDECODE=1 sh -c {shlex.quote(doors(world) + more)}; :")
        )
        answer.write_text("deny\n")
        denied = await world.run_program(
            *orphaned("env", "-u", "X", "sh", "-c", f"CLAUDECODE=1 sh -c {shlex.quote(doors(world) + more)}; :")
        )
        rows = json.loads((await world.run("grants", "--json")).out)
        asked = daemon.events("grant.asked")

    assert [200] * 4 == [status for status, _ in person]
    *lines, last = allowed.out.splitlines()
    assert ["200"] * 4 == [line.split()[-1] for line in lines]
    assert "granted" == last
    assert person[0][1]["AccessKeyId"] in lines[0]
    assert ["403"] * 5 == [line.split()[-1] for line in denied.out.splitlines()]
    assert "(claude-code) wants nsrc, for 12 h" in calls.read_text()
    assert 2 == len(asked) == len(rows)


class Stand:
    """A policy with everything around it; `now` moves by hand."""

    def __init__(self, config: Config) -> None:
        self.now = NOON
        self.engine = Engine(config)
        self.desk, self.log, self.refusals = FakeDesk(), Log(), list[str]()
        events = Events(self.log)
        self.tasks = Tasks(events)
        self.registry = Registry(self.engine, self.desk, events, self.tasks, clock=lambda: self.now)
        self.grants = AgentGrants(self.registry, lambda: self.engine.config, clock=lambda: self.now)
        self.policy = AgentPolicy(
            self.desk,
            lambda: self.engine.config,
            events,
            self.grants,
            clock=lambda: self.now,
            on_refusal=self.refusals.append,
        )

    async def session(self, profile: str, **client: int) -> str:
        """The name of the session that a client may have."""
        return (await self.policy.opened(Grant.of_profile(profile, b""), **client)).session

    def causes(self) -> list[str]:
        return [line["cause"] for line in self.log.told("grant.ended")]


TREE = {"base": keys(), "free": keys()}


def stand(mode: str = "deny") -> Stand:
    return Stand(loaded({"profiles": TREE | {"p": role(agents=mode)}}))


CLAUDE, CODEX = Agent("claude-code", 42, 7000), Agent("codex", 43, 7001)


async def test_nobody_is_looked_at_where_no_profile_asks() -> None:
    """A profile that treats all alike costs no look-up, and none that there is not."""
    one = stand("same")
    one.desk.agents = {7: CLAUDE, 8: CLAUDE}

    assert ["p", "free", "gone"] == [await one.session(name, inode=7, pid=0) for name in ("p", "free", "gone")]
    assert "p" == await one.session("p", pid=8)
    assert ([], [], []) == (one.desk.looked, one.refusals, one.policy.notes())
    assert one.policy.acting(7) is None


async def test_a_connection_is_looked_at_once() -> None:
    """A connection stays its process's; a pid may become another's, and is looked at each time."""
    one = stand()
    one.desk.agents = {7: CLAUDE}
    for _ in range(3):
        with pytest.raises(AgentRefused):
            await one.session("p", inode=7)
        assert "p" == await one.session("p", inode=8)
        assert "free" == await one.session("free", inode=7)
    await one.session("p", pid=9)
    await one.session("p", pid=9)

    assert [7, 8, 9, 9] == one.desk.looked
    assert ("claude-code", None) == (one.policy.acting(7), one.policy.acting(8))


@pytest.mark.parametrize("mode", ["deny", "ask"])
async def test_an_unknown_process_is_refused_and_not_remembered(mode: str) -> None:
    """It counts as an agent until the desk knows better. A yes would be for anybody, so nobody is asked for it."""
    one = stand(mode)
    one.desk.agents = {7: UNKNOWN}
    with pytest.raises(AgentRefused, match="an unknown process"):
        await one.session("p", inode=7)
    one.desk.agents = {}

    assert "p" == await one.session("p", inode=7)
    assert 0 == one.registry.count


async def test_the_refusal_says_what_a_person_can_do() -> None:
    """The agent, the profile, the rule, and `mayfly grant`; 403, and the exit code for what a person must do."""
    one = stand()
    one.desk.agents = {7: CLAUDE}
    with pytest.raises(AgentRefused) as caught:
        await one.session("p", inode=7)

    sentence = caught.value.sentence("p")
    assert sentence.startswith('agents = "deny" keeps claude-code away from p')
    assert sentence.endswith("a person can run the program with 'mayfly grant p -- COMMAND'")
    assert (403, True) == (caught.value.http_status, caught.value.needs_human)


async def test_each_refusal_counts_and_one_a_minute_is_logged() -> None:
    """`status` names the agent for an hour, as long as the profile has the rule."""
    one = stand()
    one.desk.agents = {7: CLAUDE}
    for seconds in (0, 30, 60):
        one.now = NOON + timedelta(seconds=seconds)
        with pytest.raises(AgentRefused):
            await one.session("p", inode=7)
    assert ["agent"] * 3 == one.refusals
    line = ("warning", "agent.refused", {"profile": "p", "acting_agent": "claude-code", "pid": 42})
    assert [line, line] == [each for each in one.log.lines if each[1] == "agent.refused"]
    assert timedelta(seconds=60) == LOGGED_AGAIN_AFTER
    assert ['claude-code (pid 42) was refused p, by agents = "deny"'] == one.policy.notes()
    one.engine.config = stand("same").engine.config
    assert [] == one.policy.notes()
    one.engine.config = stand().engine.config
    one.now += NOTED_FOR
    assert [] == one.policy.notes()


async def test_what_is_remembered_has_a_bound() -> None:
    """Ten thousand connections leave no more behind than some."""
    one = stand()
    for inode in range(1, 2 * REMEMBERED + 2):
        await one.session("p", inode=inode)
    one.desk.looked.clear()
    await asyncio.gather(*(one.session("p", inode=inode) for inode in range(1, 2 * REMEMBERED + 2)))

    assert len(one.desk.looked) > REMEMBERED


async def test_a_read_only_agent_has_one_narrow_session_for_each_program() -> None:
    """By the agent's name, without a token; a person has the profile's own. The end of AWS's does not cut it off."""
    one = stand("read-only")
    one.desk.agents = {7: CLAUDE, 8: CLAUDE._replace(pid=50), 9: CODEX, 10: UNKNOWN}
    first, again, other, unknown = [await one.session("p", inode=inode) for inode in (7, 8, 9, 10)]

    assert first == again
    assert ["claude-code", "codex", "an-unknown-process"] == [grant.label for grant in one.registry.all()]
    assert ("p", 3) == (await one.session("p", inode=11), len({first, other, unknown}))
    session = one.engine.sessions[first]
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    assert ("claude-code", Narrowing(None, (arn,))) == (session.label, session.narrowing)
    assert NOON + timedelta(hours=12) == session.ends_at
    row = one.registry.all()[0]
    assert (None, "agent", "read-only", Ask.NONE) == (row.digest, row.delivery, row.words, row.ask)


async def test_a_read_only_agent_s_session_ends_when_it_is_not_needed() -> None:
    """After an hour without a use, after 12 h in any case, and with its rule; the next request makes a new one."""
    one = stand("read-only")
    one.desk.agents = {7: CLAUDE}
    seen = [await one.session("p", inode=7)]
    one.now += UNUSED_FOR - timedelta(seconds=1)
    one.registry.all()[0].note_use(one.now)
    one.now += UNUSED_FOR - timedelta(seconds=1)
    one.grants.look()
    assert [] == one.causes()
    one.now += timedelta(seconds=1)
    one.grants.look()
    seen.append(await one.session("p", inode=7))
    for _ in range(13):
        one.now += timedelta(minutes=59)
        seen.append(await one.session("p", inode=7))
        one.registry.all()[0].note_use(one.now)
        one.registry.look()
    await one.registry.revoke(one.registry.all()[0])
    seen.append(await one.session("p", inode=7))
    one.registry.adopt(stand("same").engine.config)

    assert ["unused", "expired", "revoked", "reload"] == one.causes()
    assert 4 == len(set(seen))
    assert {} == one.engine.sessions


async def test_agents_that_name_themselves_have_a_bound() -> None:
    """The one that was needed longest ago makes room."""
    one = stand("read-only")
    for number in range(MOST + 1):
        one.desk.agents = {7: Agent(f"agent {number}", 1)}
        await one.session("p", pid=7)

    assert (MOST, "agent-1") == (one.registry.count, one.registry.all()[0].label)


async def test_an_agent_is_asked_for_once_for_each_process() -> None:
    """A yes opens the profile's own session; a no is for that process for good, and each refusal after it counts."""
    one = stand("ask")
    one.desk.agents = {7: CLAUDE, 8: CLAUDE, 9: CLAUDE._replace(started=9000)}
    own = Grant.of_profile("p", b"")
    found = await one.policy.opened(own, inode=7)
    assert (False, "p") == (found.is_allowed, found.session)
    assert one.policy.opened_again(own, 7) is None
    one.registry.decide(found, is_allowed=True)
    assert [found, found] == [await one.policy.opened(own, inode=inode) for inode in (7, 8)]
    assert found is one.policy.opened_again(own, 7)

    later = await one.policy.opened(own, inode=9)
    assert not later.is_allowed
    one.registry.decide(later, is_allowed=False)
    one.now += 2 * UNUSED_FOR
    one.grants.look()
    for _ in range(2):
        with pytest.raises(GrantNotAllowed, match="claude-code was not allowed to get p") as caught:
            await one.policy.opened(own, inode=9)
    assert f"mayfly revoke {later.id}" in caught.value.hint
    assert (["agent"] * 2, []) == (one.refusals, one.causes())


READ_ONLY_ARN = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ORDERS = [
    (Order("p"), False),
    (Order("p", words="view-only"), False),
    (Order("p", narrowing=Narrowing("{}", (READ_ONLY_ARN,))), False),
    (Order("p", words="read-only", narrowing=Narrowing("{}")), False),
    (Order("p", narrowing=Narrowing(None, (READ_ONLY_ARN,))), True),
    (Order("p", words="read-only"), True),
    (Order("free"), True),
]


@pytest.mark.parametrize(("order", "may"), ORDERS, ids=str)
async def test_a_read_only_agent_orders_read_only_grants_and_no_others(order: Order, may: bool) -> None:
    """And nobody but a person says yes to one. A person orders what they like."""
    one = stand("read-only")
    one.desk.agents = {7: CLAUDE}
    await one.policy.check_order(order, 8)
    if may:
        await one.policy.check_order(order, 7)
    else:
        with pytest.raises(AgentRefused, match="lets claude-code make read-only grants of p, and no others"):
            await one.policy.check_order(order, 7)
    assert 0 == one.registry.count
    with pytest.raises(AgentRefused, match="only that person may approve"):
        await one.policy.check_yes(Grant(profile="p", session="p", id="0123abcd"), 7)
    await one.policy.check_yes(Grant(profile="p", session="p", id="0123abcd"), 8)
