"""`mayfly grant` without a command: what a shell evaluates, and what the user is told."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys

import pytest

from support.granter import Granter
from support.world import World, measured


CREDENTIALS = {
    "AccessKeyId": "ASIA1",
    "SecretAccessKey": "s",
    "SessionToken": "t",
    "Expiration": "2027-01-01T00:00:00Z",
}
END = "mayfly: hint: to end it: mayfly revoke 1a2b3c4d   (this shell: mayfly env --off)\n"


async def test_a_shell_gets_the_token_and_the_user_the_id(world: World, granting: Granter) -> None:
    """Standard output is for eval; the id, the end and how to revoke are on standard error."""
    granting.made["outlives_seconds"] = 900
    done = await world.run("grant", "nsrc", "--for", "8h", "--shell", "json")
    told = json.loads(done.out)

    assert (0, "1a2b3c4d", "T" * 43) == (done.code, told["MAYFLY_GRANT"], told["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
    first = r"mayfly: granted nsrc to shell, until (\w{3} \d\d \w{3}, )?\d\d:\d\d \((8h|7h 59m)\); its id is 1a2b3c4d\n"
    assert re.fullmatch(
        f"{first}mayfly: what AWS has issued by the end may work 15m longer\n{re.escape(END)}", done.err
    )
    assert [False] == [body["held"] for body in granting.bodies()]


async def test_a_shells_credentials_of_its_own_are_undone_by_off(world: World, granting: Granter) -> None:
    """`--as env` in a real shell; it is said that nothing takes them back."""
    warning = "'mayfly revoke' cannot take these credentials back: they count until they end"
    granting.made |= {"token": None, "credentials": CREDENTIALS, "outlives_seconds": 900, "warnings": [warning]}
    mayfly = "python -m mayfly"
    show = "env | grep -E '^(AWS|MAYFLY)_' | grep -v -E 'RUNTIME|LISTEN|ENDPOINT|METADATA' | sort | tr '\\n' ' '; echo"
    script = f'eval "$({mayfly} grant nsrc --as env)"; {show}; eval "$({mayfly} env --off)"; {show}'
    done = await world.run_program("sh", "-c", script)

    inside, after = done.out.splitlines()
    assert "AWS_ACCESS_KEY_ID=ASIA1 AWS_CREDENTIAL_EXPIRATION=2027-01-01T00:00:00Z " in inside
    assert ("", [True, False]) == (after.strip(), [text in done.err for text in (warning, "15m longer")])


@pytest.mark.parametrize(("delivery", "warned"), [("endpoint", 1), ("file", 0)])
async def test_keys_in_default_are_warned_of_where_they_would_win(
    world: World, granting: Granter, delivery: str, warned: int
) -> None:
    """As by `env`. A grant by file puts its own files in their place."""
    (world.home / ".aws").mkdir()
    (world.home / ".aws/credentials").write_text("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n")
    if delivery == "file":
        granting.made |= {"token": None, "config_file": "/run/c/config", "credentials_file": "/run/f/json"}
    done = await world.run("grant", "nsrc", "--as", delivery)

    assert (0, warned) == (done.code, done.err.count("AWS SDKs take that before mayfly's credentials"))


async def test_a_grant_that_cannot_be_printed_is_ended(world: World, granting: Granter) -> None:
    """A full disk, a reader that has gone, or a closed output leaves no grant behind whose token nobody has."""
    full = await world.run_program("sh", "-c", "python -m mayfly grant nsrc >/dev/full")
    reader, writer = os.pipe()
    os.close(reader)
    argv = (sys.executable, "-m", "mayfly", "grant", "nsrc")
    gone = await asyncio.create_subprocess_exec(*argv, stdout=writer, env=world.env | measured())
    os.close(writer)

    closed = await world.run_program("sh", "-c", "python -m mayfly grant nsrc >&-")

    assert (1, "mayfly: error: cannot write: No space left on device\n") == (full.code, full.err)
    assert 141 == await gone.wait()
    assert [None, None] == granting.bodies("DELETE", "/grants/1a2b3c4d")
    told = "mayfly: error: standard output is closed, and would be all that has the token; nothing was granted\n"
    assert (1, told, 2) == (closed.code, closed.err, len(granting.bodies("POST", "/grants")))


async def test_another_profile_after_a_grant_by_file_is_not_warned_of_it(world: World, granting: Granter) -> None:
    """The grant's own config is no [default] of the user's: `env` takes it away, and says nothing."""
    config = world.folder / "config"
    config.write_text("[default]\ncredential_process = /bin/cat /run/f/json\n")
    granting.made |= {"token": None, "config_file": str(config), "credentials_file": "/run/f/json"}
    script = """eval "$(python -m mayfly grant nsrc --as file 2>/dev/null)"; echo "$AWS_CONFIG_FILE"
        python -m mayfly exec nsrc -- sh -c 'echo "${AWS_CONFIG_FILE-none}"' 2>/dev/null
        eval "$(python -m mayfly env nsrc)"; echo "${AWS_CONFIG_FILE-none}" """
    done = await world.run_program("sh", "-c", script)

    assert (0, [str(config), "none", "none"], "") == (done.code, done.out.split(), done.err)
