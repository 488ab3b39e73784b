"""The daemon takes the file that every command takes, also after another one has come or gone."""

from __future__ import annotations

import json

from support.exchange import key_profile
from support.world import SEED_TOML, World


async def test_from_json_to_toml_under_a_running_daemon(world: World) -> None:
    """The README's way: config.toml is written, config.json removed. A reload takes it over, and says which it took."""
    before, toml = world.config, world.config.with_name("config.toml")
    async with world.serve() as daemon:
        assert 200 == (await world.get()).status
        toml.write_text(SEED_TOML + key_profile("other"))
        both = json.loads((await world.run("status", "--json")).out)
        before.unlink()
        reloaded = await world.run("reload")
        told = await daemon.event("config.reloaded")
        assert 0 == (await world.run("env", "other")).code
        replies = [await world.get("/credentials/nsrc"), await world.get("/credentials/other")]
        after = json.loads((await world.run("status", "--json")).out)

    assert (0, f"took over {toml}\n") == (reloaded.code, reloaded.out)
    assert str(toml) == told["path"] == after["config"]
    assert [200, 200] == [reply.status for reply in replies]
    assert str(before) == both["config"]
    assert f"the daemon runs on {before}, and commands read {toml}: 'mayfly reload'" in both["notes"][0]
    assert [] == after["notes"]


async def test_a_reload_after_the_config_has_gone_is_refused(world: World) -> None:
    """The line says where one would be; what is in memory goes on."""
    async with world.serve():
        assert 200 == (await world.get()).status
        world.config.unlink()
        ended = await world.run("reload")
        reply = await world.get()

    assert (2, 200) == (ended.code, reply.status)
    assert "config.toml: no config yet (config.json neither)" in ended.err


async def test_two_configs_are_told(world: World) -> None:
    """`serve` warns, and `status` goes on telling, which of the two is not read."""
    world.config.with_name("config.toml").write_text(SEED_TOML)
    line = f"{world.config} is not read, because config.toml stands beside it: remove one of them"
    async with world.serve() as daemon:
        status = json.loads((await world.run("status", "--json")).out)
        text = daemon.log_text

    assert [line] == status["notes"]
    assert f"mayfly: warning: {line}" in text


async def test_a_config_that_was_named_stays_the_one(world: World) -> None:
    """With --config no other file counts, also if the usual folder has one."""
    named = world.home / "named.toml"
    named.write_text(SEED_TOML)
    async with world.serve("--config", str(named)):
        world.config.with_name("config.toml").write_text(SEED_TOML)
        reloaded = await world.run("reload")
        status = json.loads((await world.run("status", "--json")).out)

    assert (0, f"took over {named}\n") == (reloaded.code, reloaded.out)
    assert (str(named), []) == (status["config"], status["notes"])
