"""A client whose patience is shorter than whatever has to be found out first; and one for whom nobody is asked."""

from __future__ import annotations

import sys

import pytest

from support.world import SEED_TOML, World


@pytest.mark.slow
@pytest.mark.parametrize("patience_seconds", [0, 1])
@pytest.mark.skipif(sys.platform != "linux", reason="loginctl is Linux's")
async def test_a_client_that_has_no_patience_starts_op(world: World, patience_seconds: int) -> None:
    """`loginctl` takes longer than `cold_wait_seconds`: `op` runs all the same, and serves the next client."""
    logind = world.op.parent / "loginctl"
    logind.write_text("#!/bin/sh\nsleep 1.5\n")
    logind.chmod(0o755)
    world.write_toml(f"cold_wait_seconds = {patience_seconds}\n" + SEED_TOML)
    async with world.serve() as daemon:
        reply = await world.get()
        await daemon.event("session.refreshed")
        later = await world.get()

    assert (403, "ApprovalPending") == (reply.status, reply.json["code"])
    assert (200, 1) == (later.status, len(world.vault.calls()))


@pytest.mark.slow
async def test_a_slow_service_account_waits_for_nobody_s_approval(world: World) -> None:
    """Nobody is asked, so nobody is told to act: the client may come again, and is served then."""
    world.vault.update(mode="service", latency_s=2)
    token = world.home / "token"
    token.write_text("ops_made_up")
    token.chmod(0o600)
    world.write_toml(
        f'cold_wait_seconds = 1\n[onepassword]\ntoken_file = "{token}"\n{SEED_TOML}refresh = "on-demand"\n'
    )
    async with world.serve() as daemon:
        reply = await world.get()
        await daemon.event("session.refreshed")
        later = await world.get()

    assert (503, "ExchangePending") == (reply.status, reply.json["code"])
    assert "the credentials are not there after 1 s: ask again" == reply.json["message"]
    assert (200, 1) == (later.status, len(world.vault.calls()))
