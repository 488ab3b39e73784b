"""An error in one item, or of one prompt, and which other profiles it affects."""

from __future__ import annotations

import pytest

from mayfly.demo.op.vault import Vault
from support.exchange import ask, fields_of, key_profile, login, stand_in
from support.world import SEED_TOML, World


async def test_one_broken_item_fails_alone(world: World) -> None:
    """One bad reference fails a whole `op inject`; the other items are then read one by one."""
    world.write_toml(SEED_TOML + key_profile("lost", item="No Such Item"))

    ended = await ask(world, login(world, "lost", "nsrc"))

    assert {"lost": "ItemNotFound", "nsrc": "Credentials"} == ended.verdicts
    assert "op://NSRC/No Such Item" in ended.error("lost").message


FAULTS = [
    ({"mfa_id": ""}, "ItemValueInvalid", "1Password has nothing in op://NSRC/Odd/mfa_id"),
    ({"secret_access_key": "one line\nand another"}, "OnePasswordGarbled", "to op://NSRC/Odd"),
    ({}, "OnePasswordUnknown", "op://NSRC/Odd/totp"),
]
# Says something that nobody has heard, about one item.
PUZZLES = """
import subprocess, sys
asked = sys.stdin.read()
if "/Odd/" in asked:
    sys.exit("could not read secret 'op://NSRC/Odd/totp': it is a puzzle")
sys.exit(subprocess.run([REAL, *sys.argv[1:]], input=asked.encode()).returncode)
"""


@pytest.mark.parametrize(("fields", "verdict", "words"), FAULTS)
async def test_whatever_is_wrong_in_an_item_is_its_own(
    world: World, fields: dict[str, str], verdict: str, words: str
) -> None:
    """After an empty field, a line break or an unknown text of `op`, the other items are read one by one."""
    world.vault.add_item("Odd", fields_of(Vault()) | fields)
    world.write_toml(key_profile("odd", item="Odd") + SEED_TOML)
    if not fields:
        stand_in(world, PUZZLES)

    ended = await ask(world, login(world, "odd", "nsrc"))

    assert {"odd": verdict, "nsrc": "Credentials"} == ended.verdicts
    assert words in ended.error("odd").message


async def test_after_a_dismissed_prompt_nobody_else_is_asked(world: World) -> None:
    """A prompt that is dismissed between several items is not followed by another one."""
    world.write_toml(key_profile("lost", item="Lost") + SEED_TOML + key_profile("more", more="duration_seconds = 3600"))
    world.vault.update(auth={"session_key": "per-process"}, script=[{}, {}, {"prompt": {"answer": "reject"}}])

    ended = await ask(world, login(world, "lost", "nsrc", "more"))

    assert {"lost": "ItemNotFound", "nsrc": "ApprovalDismissed", "more": "ApprovalDismissed"} == ended.verdicts
    assert 3 == len(world.vault.calls())


async def test_an_item_that_holds_something_else_is_told_without_its_value(world: World) -> None:
    """A value of the wrong shape is named by its reference and never repeated."""
    vault = Vault()
    world.vault.add_item("Odd", fields_of(vault) | {"access_key_id": "hunter2"})
    world.write_toml(SEED_TOML + key_profile("odd", item="Odd"))

    ended = await ask(world, login(world, "nsrc", "odd"))

    assert {"nsrc": "Credentials", "odd": "ItemValueInvalid"} == ended.verdicts
    assert "op://NSRC/Odd/access_key_id" in ended.error("odd").message
    assert b"hunter2" not in ended.out


@pytest.mark.parametrize("env", [{}, {"HTTP_PROXY": "http://127.0.0.1:1"}, {"all_proxy": "http://127.0.0.1:1"}])
async def test_an_sts_that_does_not_answer_disturbs_nobody(world: World, env: dict[str, str]) -> None:
    """Nobody is prompted if nothing listens at STS; on loopback also with a proxy configured."""
    await world.sts.down()

    ended = await ask(world, login(world), env)

    assert {"nsrc": "AwsUnreachable"} == ended.verdicts
    assert [] == world.vault.calls()
