"""`mayfly grant` with a real daemon and a real exchange: what AWS is asked for, and what the command gets."""

from __future__ import annotations

import sys

from mayfly.demo.sts.server import EmbeddedSts, Role
from support import clients
from support.terminals import Terminal
from support.world import SEED_ACCOUNT, SEED_TOML, World


ROLES = f"""
[profiles.admin]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"
region = "us-east-1"

[profiles.narrow]
source_profile = "nsrc"
role_arn = "arn:aws:iam::{SEED_ACCOUNT}:role/Admin"
policy_arns = ["arn:aws:iam::aws:policy/job-function/Billing"]
"""
POLICY_ARN = "PolicyArns.member.1.arn"


async def test_a_word_narrows_by_the_policy_of_awss_that_it_names(world: World) -> None:
    """The command that asked for it runs with that session, under a name of its own."""
    world.write_toml(SEED_TOML + ROLES)
    async with EmbeddedSts(world.account(Role(name="Admin"))) as sts:
        world.sts = sts
        async with world.serve():
            commands = [("--read-only", "claude"), ("--view-only", "codex")]
            ended = [
                await world.run("grant", "admin", word, "--label", label, "--", "sh", "-c", clients.CLIENTS["aws"])
                for word, label in commands
            ]
            refused = [
                await world.run("grant", profile, "--read-only", "--", "sh", "-c", "echo ran")
                for profile in ("nsrc", "narrow")
            ]
            calls = [call.parameters for call in sts.calls if call.action == "AssumeRole"]

    assert ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"] == [
        call[POLICY_ARN] for call in calls
    ]
    for (_, label), done, call in zip(commands, ended, calls, strict=True):
        assert 0 == done.code, done.err
        name = call["RoleSessionName"]
        assert name.startswith(f"mayfly-{label}-")
        assert f"arn:aws:sts::{SEED_ACCOUNT}:assumed-role/Admin/{name}" == done.out.strip()
    assert [(2, ""), (2, "")] == [(done.code, done.out) for done in refused]
    assert "GetSessionToken's, which takes no session policy" in refused[0].err
    assert "an allow in any is an allow, so one more would widen it" in refused[1].err


async def test_mayfly_in_a_grant_says_why_it_finds_neither_daemon_nor_config(world: World) -> None:
    """The user's own places are not passed on; in a shell that has them, nothing is said of that."""
    mayfly = f"{sys.executable} -m mayfly"
    inner = f"export XDG_RUNTIME_DIR=/none XDG_CONFIG_HOME=/none; {mayfly} status; {mayfly} login; {mayfly} env nsrc"
    async with world.serve():
        ended = await world.run("grant", "nsrc", "--", "sh", "-c", inner)
    outside = await world.run("status", env={"MAYFLY_GRANT": "1a2b3c4d"})

    lines = [line for line in ended.err.splitlines() if "this runs in the grant " in line]
    assert 3 == len(lines), ended.err
    assert "whose command inherits neither MAYFLY_RUNTIME_DIR nor MAYFLY_CONFIG: try it outside" in lines[0]
    assert (3, False) == (outside.code, "this runs in the grant" in outside.err)


async def test_ctrl_c_before_the_first_session_leaves_nothing(world: World) -> None:
    """The grant that nobody waits for is not made, and nothing else is said of it."""
    world.write_toml(SEED_TOML + ROLES)
    async with EmbeddedSts(world.account(Role(name="Admin"))) as sts:
        world.sts = sts
        async with world.serve() as daemon:
            await world.get()
            sts.faults.latency_seconds = 60
            terminal = Terminal(world, "grant", "admin", "--read-only", "--", "sh", "-c", "echo ran")
            await sts.called("AssumeRole")
            await terminal.until_lines(lambda lines: lines and lines[0])
            terminal.interrupt()
            code = await terminal.end()
            listed = await world.run("grants")
            daemon.process.kill()

    assert 130 == code
    # It may have been interrupted while it was drawing the line before.
    assert terminal.lines[-1].endswith("mayfly: stopped waiting; sh was not run")
    assert "no grants" in listed.err
