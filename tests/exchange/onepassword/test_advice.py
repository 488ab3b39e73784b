"""What a person is told to do about an error of `op`: by the way to 1Password that is configured, and in its terms."""

from __future__ import annotations

import json

from datetime import UTC, datetime

import pytest

from exchange.onepassword.op_texts import FIREWALL_PAGE, FIREWALL_RULE, MULTIPLE_ACCOUNTS
from mayfly.demo.op.vault import ITEM, VAULT
from support.exchange import ask, key_profile, login, program, stand_in, with_onepassword
from support.world import SEED_TOML, World


DESKTOP, SERVICE, COMMAND, CONNECT = "", "token_file", "token_command", "connect"
SETTING = "'Integrate with 1Password CLI'"
NO_ACCOUNTS = "No accounts configured for use with 1Password CLI."


def _configure(world: World, way: str) -> None:
    token = world.home / "token"
    token.write_text("ops_made-up")
    token.chmod(0o600)
    command = program(world.home / "command", "#!/bin/sh\necho ops_made-up\n")
    lines = {
        DESKTOP: "",
        "account": 'account = "my.1password.com"',
        SERVICE: f'token_file = "{token}"',
        COMMAND: f'token_command = ["{command}"]',
        CONNECT: f'connect_host = "http://127.0.0.1:1"\nconnect_token_file = "{token}"',
    }
    with_onepassword(world, lines[way])


@pytest.mark.parametrize(
    ("way", "text", "code", "told", "not_told"),
    [
        (DESKTOP, MULTIPLE_ACCOUNTS, "AccountAmbiguous", ["account =", "[onepassword]"], "--account"),
        ("account", 'found multiple accounts for filter "x"', "AccountAmbiguous", ["account =", "[onepassword]"], ""),
        ("account", "no account found for filter x", "AccountNotFound", ["account in [onepassword]"], ""),
        (DESKTOP, NO_ACCOUNTS, "AccountNotFound", [SETTING, "Settings > Developer"], "account in"),
        (DESKTOP, "account is not signed in", "NotSignedIn", [SETTING], "op signin"),
        (DESKTOP, "response: unsupportedClientType", "IntegrationOff", [SETTING, "Settings > Developer"], ""),
        (
            DESKTOP,
            "1Password CLI couldn't connect to the 1Password desktop app.",
            "OnePasswordNotRunning",
            [SETTING],
            "",
        ),
        (
            DESKTOP,
            "(401) Unauthorized: no",
            "NotSignedIn",
            ["1Password app", "account in [onepassword]"],
            "service account",
        ),
        (SERVICE, "(401) Unauthorized: no", "ServiceAccountRejected", ["token_file of [onepassword]"], "app"),
        (COMMAND, "(401) Unauthorized: no", "ServiceAccountRejected", ["token_command in [onepassword]"], "token_file"),
        (CONNECT, "(401) Unauthorized: no", "ServiceAccountRejected", ["connect_token_file of", "Connect"], "service"),
        (SERVICE, FIREWALL_PAGE, "OnePasswordOffline", ["firewall"], "token"),
        (SERVICE, FIREWALL_RULE, "OnePasswordOffline", ["firewall rule"], "token"),
        (SERVICE, "x509: certificate signed by unknown authority", "OnePasswordOffline", ["SSL_CERT_FILE"], "token"),
        (DESKTOP, 'unknown command "inject" for "op"', "OnePasswordMissing", ["too old", "2.18"], ""),
    ],
)
async def test_the_advice_fits_the_way_to_1password(
    world: World, way: str, text: str, code: str, told: list[str], not_told: str
) -> None:
    """The next step names the key of the config, the setting of the app, or the variable that mends it."""
    _configure(world, way)
    stand_in(world, f"import sys\nsys.exit('[ERROR] 2026/11/28 12:00:00 ' + {text!r})")
    error = (await ask(world, login(world))).error()

    assert code == error.code
    assert [] == [words for words in told if words not in error.sentence()]
    assert not not_told or not_told not in error.sentence()


VARIABLES = {
    "OP_ACCOUNT": "account",
    "OP_SERVICE_ACCOUNT_TOKEN": "token_file",
    "OP_CONNECT_HOST": "connect_host",
    "OP_CONNECT_TOKEN": "connect_token_file",
}


async def test_a_variable_that_op_does_not_get_is_named_with_its_key(world: World) -> None:
    """A person's own `op` works by it, and ours is refused: the hint names both, and never the value."""
    _configure(world, DESKTOP)
    stand_in(world, f"import sys\nsys.exit('[ERROR] 2026/11/28 12:00:00 ' + {MULTIPLE_ACCOUNTS!r})")
    planted = dict.fromkeys(VARIABLES, "planted-value")
    hint = (await ask(world, login(world), planted)).error().hint
    _configure(world, "account")
    with_account = (await ask(world, login(world), planted)).error().hint

    for name, key in VARIABLES.items():
        words = f"{name} of the daemon's environment does not count: {key} in [onepassword] takes its place"
        assert (True, name != "OP_ACCOUNT") == (words in hint, words in with_account)
    assert "planted-value" not in hint + with_account


async def test_the_advice_names_the_table_of_the_profile(world: World) -> None:
    """A profile with a way of its own to 1Password is mended there."""
    world.write_toml(
        SEED_TOML + '[onepasswords.work]\naccount = "work"\n' + key_profile("work", more='onepassword = "work"')
    )
    stand_in(world, f"import sys\nsys.exit({MULTIPLE_ACCOUNTS!r})")
    error = (await ask(world, login(world, "work"))).error("work")

    assert "[onepasswords.work]" in error.hint


def _spend_the_code_of_now(world: World) -> None:
    step = int(datetime.now(UTC).timestamp()) // 30
    world.run_dir.mkdir(mode=0o700, exist_ok=True)
    lock = world.run_dir / "op.lock"
    lock.write_text(json.dumps({f" op://{VAULT}/{ITEM}/totp?attribute=otp": [step, step + 1]}))
    lock.chmod(0o600)


@pytest.mark.parametrize("version", ["1.12.4", "2.0.0", "2.17.9"])
async def test_an_old_op_is_told_before_a_code_is_waited_for(world: World, version: str) -> None:
    """Its own `--version` is enough: nobody waits for a code that this op could not read."""
    world.vault.update(version=version)
    _spend_the_code_of_now(world)
    started = datetime.now(UTC)
    error = (await ask(world, login(world))).error()

    assert "OnePasswordMissing" == error.code
    assert f"op {version.rpartition('.')[0]}" in error.message
    assert "too old" in error.message
    assert not [call for call in world.vault.calls() if "inject" in call["argv"]]
    assert (datetime.now(UTC) - started).total_seconds() < 25


async def test_a_missing_op_is_told_before_a_code_is_waited_for(world: World) -> None:
    """Nor does anybody wait for a code that no op will read."""
    _spend_the_code_of_now(world)
    with_onepassword(world, f'op = "{world.home}/op"')
    started = datetime.now(UTC)
    error = (await ask(world, login(world))).error()

    assert "OnePasswordMissing" == error.code
    assert (datetime.now(UTC) - started).total_seconds() < 25
