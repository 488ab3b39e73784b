"""`mayfly grants`, `revoke`, `approve` and `deny`."""

from __future__ import annotations

import json
import shlex
import sys

from datetime import UTC, datetime, timedelta

import pytest

from mayfly.cli.grants import table
from mayfly.cli.terminal import width_of
from mayfly.shared.credentials import instant_text, parse_instant
from support.ancestors import adopted
from support.granter import UNKNOWN_GRANT, UNKNOWN_PATH, Granter, in_future
from support.terminals import Terminal
from support.world import Ended, World


LONG = {
    "grant_id": "00c0ffee",
    "label": "a" * 32,
    "profile": "administrator-of-the-production-account",
    "narrowing": "AmazonS3ReadOnlyAccess and a policy of its own",
    "last_used_by": "a-program-with-a-long-name (pid 123456)\x1b[2J\n",
    "state": "asking",
}
NAME = "mayfly-claude-1a2b3c4d"


async def test_the_table_names_each_grant(world: World, granting: Granter) -> None:
    """A line for each: what it may do, how long it lasts, who used it."""
    granting.row()
    granting.row("00c0ffee", "job", "admin", **{"as": "file"}, uses=None, last_used_by=None, narrowing=None)
    done = await world.run("grants")

    head, *lines = done.out.splitlines()
    assert ["ID", "LABEL", "PROFILE", "MAY", "DO", "AS", "ENDS", "IN", "USES", "LAST", "USED", "BY"] == head.split()
    assert ["1a2b3c4d", "claude", "nsrc", "read-only", "endpoint", "59m"] == lines[0].split()[:6]
    assert ["3", "terraform"] == lines[0].split()[-2:]
    assert (["not", "narrowed", "file"], ["-", "-"]) == (lines[1].split()[3:6], lines[1].split()[-2:])


@pytest.mark.parametrize("columns", [60, 75, 80, 100, 120, 200, None])
async def test_the_table_fits_the_terminal(granting: Granter, columns: int | None) -> None:
    """Long names give way; an id never does, and no text steers the terminal."""
    from mayfly.cli.grant.rows import Row

    granting.row()
    granting.row(**LONG)
    rows = [Row(row["id"], row["label"], row["profile"], row) for row in granting.rows]
    lines = table(rows, datetime.now(UTC), columns)

    assert columns is None or max(map(width_of, lines)) <= columns
    assert (3, True) == (len(lines), lines[2].startswith("00c0ffee  "))
    assert all(line.isprintable() for line in lines)
    assert columns is not None or "waits for a yes: AmazonS3ReadOnlyAccess and a policy of its own" in lines[2]


async def test_scripts_get_the_contracts_keys(world: World, granting: Granter) -> None:
    """`--json` has these keys and no others; without a grant it is an empty list, and people learn how to make one."""
    nothing, words = await world.run("grants", "--json"), await world.run("grants")
    granting.row()
    (row,) = json.loads((await world.run("grants", "--json")).out)

    assert ((0, "[]\n", ""), (0, "")) == (nothing, words[:2])
    assert "mayfly: no grants; to make one: mayfly grant PROFILE --read-only -- CMD\n" == words.err
    names = ["id", "label", "profile", "narrowing", "as", "ends_at", "uses", "last_used_by", "last_used_at"]
    assert (names, "terraform") == (list(row), row["last_used_by"])


@pytest.mark.parametrize("argv", [["grants"], ["revoke", "x"], ["approve", "--yes", "x"], ["deny", "x"]])
async def test_an_older_daemon_is_to_be_restarted(world: World, granting: Granter, argv: list[str]) -> None:
    """Its "unknown path" is exit code 1."""
    granting.answers["GET /grants"] = UNKNOWN_PATH
    done = await _by_a_person(world, *argv)

    assert (1, "") == (done.code, done.out)
    assert "mayfly: hint: restart it, as by: systemctl --user restart mayfly.service\n" in done.err


# Revoked.


async def test_a_grant_is_revoked_by_its_id_or_its_label(world: World, granting: Granter) -> None:
    """And it is said until when AWS's credentials may work."""
    granting.row()
    granting.row("00c0ffee", "job")
    granting.row("0badc0de", "job")
    lasting = {"session_name": NAME, "outlives_until": in_future(599)}
    granting.answers["DELETE /grants/1a2b3c4d"] = (200, {"id": "1a2b3c4d"} | lasting)
    by_label, by_id = await world.run("revoke", "claude"), await world.run("revoke", "0badc0de")
    ambiguous, unknown = await world.run("revoke", "job"), await world.run("revoke", "clade")

    assert (0, "1a2b3c4d (claude): revoked\n") == by_label[:2]
    assert "mayfly: 1a2b3c4d (claude): what AWS has issued may work until " in by_label.err
    assert "mayfly revoke --policy ID" in by_label.err
    assert (0, "0badc0de (job): revoked\n", "") == by_id
    assert (2, "mayfly: error: 2 grants are called job: 00c0ffee (nsrc), 0badc0de (nsrc)") == (
        ambiguous.code,
        ambiguous.err.splitlines()[0],
    )
    assert (2, "mayfly: error: there is no grant 'clade': did you mean claude?\n") == (unknown.code, unknown.err)
    assert ["/grants/1a2b3c4d", "/grants/0badc0de"] == [
        path for method, path, _ in granting.asked if method == "DELETE"
    ]


async def test_an_id_wins_over_a_label_that_looks_like_one(world: World, granting: Granter) -> None:
    """Nobody can shield a grant, or have another one approved, by a label."""
    granting.row("00c0ffee", "1a2b3c4d")
    granting.row()

    assert "1a2b3c4d (claude): revoked\n" == (await world.run("revoke", "1a2b3c4d")).out


async def test_all_are_revoked(world: World, granting: Granter) -> None:
    """One that has ended meanwhile is no failure; without any that is said."""
    none = await world.run("revoke", "--all")
    granting.row()
    granting.row("00c0ffee", "job", **{"as": "env"})
    granting.answers["DELETE /grants/1a2b3c4d"] = UNKNOWN_GRANT
    done = await world.run("revoke", "--all")

    assert (0, "", "mayfly: there are no grants\n") == none
    assert (0, "00c0ffee (job): revoked\n") == done[:2]
    assert "1a2b3c4d (claude) has ended already\n" in done.err
    assert "00c0ffee (job): has its credentials already, and they work until they expire\n" in done.err


async def test_what_was_issued_is_denied_by_a_policy(world: World, granting: Granter) -> None:
    """By the session's name where it has one of its own, else by AWS's time, for everyone; never by both at once."""
    granting.row()
    granting.row("00c0ffee", "job")
    granting.row("0badc0de", "ci", "admin")
    own = {"id": "1a2b3c4d", "session_name": NAME, "outlives_until": in_future(599)}
    granting.answers["DELETE /grants/1a2b3c4d"] = (200, own)
    granting.answers["DELETE /grants/0badc0de"] = (200, own | {"id": "0badc0de", "session_name": "the-configs-own"})
    before = datetime.now(UTC)
    done = await world.run("revoke", "--all", "--policy")
    after = datetime.now(UTC)
    policy = json.loads(done.out)

    everything = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    by_name, by_time = policy["Statement"]
    assert everything | {"Sid": "MayflyGrants", "Condition": {"StringLike": {"aws:userid": [f"*:{NAME}"]}}} == by_name
    issued = parse_instant(by_time["Condition"].pop("DateLessThan")["aws:TokenIssueTime"])
    assert everything | {"Sid": "MayflySessionsUntilNow", "Condition": {}} == by_time
    assert parse_instant(instant_text(before)) < issued <= after + timedelta(seconds=64)
    assert "nsrc, admin: the grant had no session of its own, so the policy ends everyone's until now\n" in done.err
    assert 3 == done.err.count(": revoked\n")


async def test_no_grant_is_no_policy(world: World, granting: Granter) -> None:
    """Wrong usage is a line, and nothing is revoked."""
    for argv in ([], ["--all", "x"], ["--policy"]):
        done = await world.run("revoke", *argv)
        assert (2, "") == (done.code, done.out)

    assert [] == granting.asked


# Approved.


async def test_a_person_sees_what_they_approve(world: World, granting: Granter) -> None:
    """Label, profile, narrowing, time left and who asks; no answer, and Enter, are a no."""
    granting.row(state="asking")
    for keys, code, said in (("y\r", 0, "1a2b3c4d (claude): approved"), ("\r", 1, "error: not approved")):
        terminal = Terminal(world, "approve", "claude", columns=120, of_nobody=True)
        await terminal.shows("mayfly: claude (1a2b3c4d) wants nsrc, read-only, for 59m ", "approve it? [y/N]:")
        assert "; asked by terraform" in terminal.text
        terminal.type(keys)
        assert code == await terminal.end()
        assert said in terminal.text

    assert 1 == len(granting.bodies("POST", "/grants/1a2b3c4d/approve"))


async def test_without_a_terminal_a_yes_must_be_given(world: World, granting: Granter) -> None:
    """`--yes`; and a label of several is refused."""
    granting.row(state="asking")
    done = [await _by_a_person(world, "approve", *argv, "claude") for argv in ([], ["--yes"])]
    granting.row("00c0ffee")
    ambiguous = [await _by_a_person(world, *argv, "claude") for argv in (["approve", "--yes"], ["deny"])]

    assert [(2, ""), (0, "1a2b3c4d (claude): approved\n")] == [(one.code, one.out) for one in done]
    assert "mayfly: hint: mayfly approve --yes 1a2b3c4d\n" in done[0].err
    assert [2, 2] == [one.code for one in ambiguous]
    assert 1 == len([path for method, path, _ in granting.asked if method == "POST"])


async def _by_a_person(world: World, *argv: str) -> Ended:
    return await world.run_program(*adopted(sys.executable, "-m", "mayfly", *argv))


MAYFLY = (sys.executable, "-m", "mayfly", "approve", "--yes", "claude")
# Marked itself, and below a marked process, whose mark it has shed.
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="ancestors are looked at on Linux only")
AGENTS = [
    (("env", "CURSOR_AGENT=1", *MAYFLY), "cursor"),
    (("env", "GEMINI_CLI=1", *MAYFLY), "gemini-cli"),
    pytest.param(
        ("env", "AI_AGENT=mine", "sh", "-c", shlex.join(("env", "-u", "AI_AGENT", *MAYFLY)) + "; exit $?"),
        "mine",
        marks=on_linux,
    ),
]


@pytest.mark.parametrize(("words", "agent"), AGENTS, ids=["by its mark", "by one of many", "by its parent's"])
async def test_an_agent_does_not_approve_itself(
    world: World, granting: Granter, words: tuple[str, ...], agent: str
) -> None:
    """It is told so, with `--yes` too, and the daemon is not asked."""
    granting.row(state="asking")
    done = await world.run_program(*adopted(*words))

    assert (4, "") == (done.code, done.out)
    assert f"this runs for a coding agent ({agent}), and only a person may approve" in done.err
    assert [] == granting.asked


async def test_a_no_is_told_to_the_daemon(world: World, granting: Granter) -> None:
    """An agent may say no."""
    granting.row(state="asking")
    done = await world.run("deny", "1a2b3c4d", env={"CLAUDECODE": "1"})

    assert (0, "1a2b3c4d (claude): denied\n", "") == done
    assert [None] == granting.bodies("POST", "/grants/1a2b3c4d/deny")
