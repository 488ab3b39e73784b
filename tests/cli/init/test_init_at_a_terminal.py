"""`mayfly init` in a real pseudo-terminal: what a person sees and types, and what Ctrl-C leaves behind."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
import termios
import tomllib

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest

from cli.init.wild import WILD, as_item
from mayfly.demo.op.vault import new_id
from support.world import SEED_ACCOUNT, World, measured


ITEMS = {wild.name: wild for wild in WILD}
PATIENCE_SECONDS = 60


class Person:
    """Somebody at a terminal in which `mayfly init` runs."""

    def __init__(self, world: World, *argv: str, **env: str) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "mayfly", "init", *argv],
            env=measured() | world.with_env({"AWS_ENDPOINT_URL_IAM": world.sts.url, "LANG": "C.UTF-8", **env}),
            cwd=str(world.home),
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
            dimensions=(40, 200),
        )
        self.seen = ""
        self._modes = termios.tcgetattr(self.child.child_fd)

    async def sees(self, words: str) -> None:
        """Wait until the terminal shows this."""
        await asyncio.to_thread(self.child.expect_exact, words)
        self.seen += self.child.before + words

    async def answers(self, question: str, line: str = "") -> None:
        """Wait for the question, and type a line."""
        await self.sees(question)
        self.child.sendline(line)

    async def goes_through(self, story: Sequence[tuple[str, str | None]]) -> None:
        """What is seen, and what is typed then, if anything."""
        for words, line in story:
            await self.sees(words)
            if line is not None:
                self.child.sendline(line)

    async def ends(self) -> int:
        """The exit code, at the end; the terminal is as it was."""
        assert self._modes == termios.tcgetattr(self.child.child_fd)
        await asyncio.to_thread(self.child.expect, pexpect.EOF)
        self.seen += self.child.before
        await asyncio.to_thread(self.child.wait)
        self.child.close()
        return int(self.child.exitstatus)


@pytest.fixture(name="new")
async def _new(world: World) -> AsyncIterator[World]:
    """A world of a user without a config."""
    world.config.unlink()
    world.config.parent.rmdir()
    world.config.parent.parent.rmdir()
    yield world
    assert [] == _left(world)


def _left(world: World) -> list[str]:
    """The processes of this world that still run."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(world.folder).encode() in (place / "environ").read_bytes():
                found.append((place / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return [words for words in found if "mayfly" in words and "pytest" not in words]


def _item(world: World, name: str, **changes: Any) -> dict[str, Any]:
    return as_item(ITEMS[name], world.vault, world.vault.state()["vaults"][0]["id"]) | changes


WHICH = "which one? a number, or a part of the name"
AGAIN = [
    ("mayfly: error: the 1Password prompt was dismissed\r\nmayfly: hint: press Enter when you are ready", None),
    ("Enter tries again, Ctrl-C ends: ", ""),
    ("   1  AWS  (vault NSRC, api credential)\r\n", None),
]
ON = [
    (f"{WHICH} [1]: ", ""),
    ("mayfly: error: 1Password finds no such item", None),
    (f"{WHICH} [1]: ", "nothing"),
    (f"mayfly: error: nothing here is called so\r\n{WHICH} [1]: ", "PROD"),
    ("fields that may be an access key id (AKIA and 16 characters):\r\n   1  prod / access key id\r\n", None),
    (f"{WHICH}: ", "prod"),
    ("mayfly: AWS / prod 🚀: no field holds a one-time password\r\n", None),
    ("mayfly: hint: no item has it? Ctrl-C, then: mayfly init --otp-command 'ykman oath", None),
    ("   1  Console  (vault NSRC, login)\r\n      … and 20 more: type a part of the name\r\n", None),
    (f"{WHICH} [1]: ", ""),
    ("name of the profile [aws-prod]: ", "a b"),
    ("mayfly: error: is no profile name", None),
    ("name of the profile [aws-prod]: ", "prod"),
    ("AWS region for your programs [us-east-1]: ", "eu-west-1"),
    (f"mayfly: AWS names arn:aws:iam::{SEED_ACCOUNT}:mfa/carmas\r\n", None),
    ("# AWS / prod 🚀, in the vault NSRC\r\n# Console, in the vault NSRC\r\n[profiles.prod]\r\n", None),
    ("write this to ~/.config/mayfly/config.toml? [Y/n]: ", ""),
    ("keeps all else there)? [Y/n]: ", "maybe"),
    ("mayfly: error: y or n\r\n", None),
    ("keeps all else there)? [Y/n]: ", "n"),
    ("log in now, and ask AWS who that is (1Password asks once more)? [Y/n]: ", ""),
    ("prod: fresh until ", None),
    (f'"Arn": "arn:aws:iam::{SEED_ACCOUNT}:user/carmas"', None),
]


async def test_from_nothing_to_whoami_with_everything_in_the_way(new: World) -> None:
    """The prompt is dismissed, the item goes away meanwhile, two keys are alike, the code is elsewhere: init goes on.

    1Password is asked once in this terminal for all of it, and once by the daemon.
    """
    gone = _item(new, "the seed's", title="AWS")
    keys = _item(new, "two keys with the same labels in two sections", title="AWS / prod 🚀")
    code = _item(new, "a Login with fields of its own", title="Console")
    code["urls"] = [{"href": "https://x.signin.aws.amazon.com"}]
    code["fields"] = [field for field in code["fields"] if field["label"] in {"username", "one-time password"}]
    others = [code | {"id": new_id(), "title": f"Login {number}", "urls": [], "fields": []} for number in range(20)]
    new.vault.update(items=[*others, gone, code])
    new.vault.update(prompt={"answer": "reject"}, auth={"session_key": "per-process"})
    person = Person(new)

    await person.goes_through(AGAIN[:1])
    new.vault.update(prompt={"answer": "approve"})
    await person.goes_through(AGAIN[1:])
    new.vault.update(items=[*others, keys, code])
    await person.goes_through(ON)
    code_of_end = await person.ends()

    profile = tomllib.loads((new.home / ".config/mayfly/config.toml").read_text())["profiles"]["prod"]
    references = [profile[key].split("/")[3] for key in ("access_key_id", "secret_access_key", "otp")]
    secrets = (new.vault.access_key_id, new.vault.secret_access_key, new.vault.totp_seed, "hunter2")
    assert (0, [keys["id"], keys["id"], code["id"]]) == (code_of_end, references)
    assert [] == [secret for secret in secrets if secret in person.seen]
    assert (3, False) == (new.vault.state()["prompts"], (new.home / ".aws").exists())


@pytest.mark.parametrize(
    ("state", "moment"),
    [
        ({"prompt": {"answer": "ignore"}}, "waiting for 1Password: approve its prompt if there is one"),
        ({"app": {"running": False}}, "Enter tries again, Ctrl-C ends: "),
        ({}, "write this to ~/.config/mayfly/config.toml? [Y/n]: "),
    ],
)
async def test_ctrl_c_leaves_nothing_behind(new: World, state: dict[str, Any], moment: str) -> None:
    """At a question, and while `op` waits for the person: no file, no process, and the terminal as it was."""
    new.vault.update(**state)
    person = Person(new, "--item", "op://NSRC/NSRC AWS Training Account", "--profile", "p", "--region", "eu-west-1")
    await person.sees(moment)
    person.child.sendintr()

    assert 130 == await person.ends()
    assert ([], False) == (list(new.home.iterdir()), new.run_dir.exists())


NO_STEPS = [("keeps all else there)? [Y/n]: ", "n"), ("(1Password asks once more)? [Y/n]: ", "n")]
WRITES = [("write this to ~/.config/mayfly/config.toml? [Y/n]: ", ""), *NO_STEPS]


async def test_the_next_access_key_is_offered_at_the_end(new: World) -> None:
    """One more item that looks as if it had one is named, and the hint can be pasted; after that there is none."""
    work, private = (_item(new, "the seed's", title=title) | {"id": new_id()} for title in ("AWS work", "AWS private"))
    login = _item(new, "a Login with fields of its own", title="AWS console")
    new.vault.update(items=[work, private, login])
    listed = [("   3  AWS console  (vault NSRC, login)\r\n", None), (f"{WHICH} [1]: ", "work")]
    first = Person(new, "--profile", "work", "--region", "eu-west-1")
    await first.goes_through([*listed, *WRITES])
    codes = [await first.ends()]
    hint = first.seen.splitlines()[-1]
    second = Person(new, *shlex.split(hint.partition("mayfly init ")[2], comments=True), "--region", "eu-west-1")
    await second.goes_through([("[aws-private]: ", ""), *WRITES])
    codes.append(await second.ends())
    third = Person(new)
    await third.goes_through([*listed, *NO_STEPS])
    codes.append(await third.ends())

    pasted = f"mayfly init --item op://{private['vault']}/{private['id']}"
    assert f"mayfly: hint: another access key? {pasted}   # AWS private  (vault NSRC, api credential)" == hint
    assert ([0, 0, 0], False) == (codes, "another access key?" in third.seen)


async def test_ctrl_c_ends_a_login_with_the_daemon_that_was_started_for_it(new: World) -> None:
    """No prompt stays, and nothing is kept: the person is told so, and not what a daemon that stays would do."""
    new.vault.update(auth={"session_key": "per-process"})
    person = Person(new, "--item", "op://NSRC/NSRC AWS Training Account", "--profile", "p", "--region", "eu-west-1")
    await person.answers("write this")
    await person.answers("keeps all else there)? [Y/n]: ", "n")
    await person.sees("log in now")
    new.vault.update(prompt={"answer": "ignore"})
    person.child.sendline()
    await person.sees("approve the prompt for p")
    person.child.sendintr()

    assert 130 == await person.ends()
    assert "stopped waiting: the daemon that was started for this ends, and 1Password's prompt with it" in person.seen
    assert [] == [words for words in ("still up", "kept", "mayfly forget") if words in person.seen.partition("^C")[2]]


async def test_a_killed_init_leaves_no_op_behind(new: World) -> None:
    """The reader sees that nobody waits for it, and ends with its `op`: no prompt stays for nobody."""
    new.vault.update(prompt={"answer": "ignore"})
    person = Person(new, "--item", "op://NSRC/NSRC AWS Training Account")
    await person.sees("waiting for 1Password: approve its prompt if there is one")
    person.child.kill(signal.SIGKILL)
    person.child.wait()

    async with asyncio.timeout(PATIENCE_SECONDS):
        while _left(new):
            await asyncio.sleep(0.05)
    person.child.close()


async def test_the_end_of_the_input_is_an_answer(new: World) -> None:
    """After Ctrl-D, and after a no, nothing is written."""
    argv = ("--item", "op://NSRC/NSRC AWS Training Account", "--region", "eu-west-1")
    one, other = Person(new, *argv), Person(new, *argv, "--profile", "p")
    await one.sees("name of the profile [nsrc-aws-training-account]: ")
    one.child.sendeof()
    await other.answers("write this to ~/.config/mayfly/config.toml? [Y/n]: ", "no")

    assert [1, 1] == [await one.ends(), await other.ends()]
    assert ("the answers have ended" in one.seen, "nothing was written" in other.seen) == (True, True)
    assert [] == list(new.home.iterdir())


async def test_a_config_json_goes_on_to_the_login(world: World) -> None:
    """The seed's config needs nothing written: what is left are two questions."""
    person = Person(world)
    await person.sees("~/.config/mayfly/config.json works as it is, with nsrc: nothing is to be written")
    await person.answers("by AWS_PROFILE and --profile")
    await person.answers("log in now, and ask AWS who that is (1Password asks)? [Y/n]: ", "n")
    await person.sees("mayfly: hint: log in: mayfly login nsrc")

    assert 0 == await person.ends()
    assert "[profile nsrc]" in (world.home / ".aws/config").read_text()


async def test_a_second_account_is_asked_for(new: World) -> None:
    """Two accounts are shown with address and email, and the chosen one is in the config by its ID."""
    first = new.vault.state()["accounts"][0]
    second = first | {"url": "team.1password.com", "user_uuid": "B" * 26, "account_uuid": "C" * 26}
    new.vault.update(accounts=[first, second])
    person = Person(new, "--item", "op://NSRC/NSRC AWS Training Account", "--region", "eu-west-1", TERM="dumb")
    await person.answers(
        "   2  carmas@example.com at team.1password.com\r\nwhich one? a number, or a part of the name: ", "team"
    )
    await person.answers("name of the profile")
    await person.answers("write this")
    await person.answers("keeps all else there)? [Y/n]: ", "n")
    await person.answers("log in now", "n")

    assert 0 == await person.ends()
    assert "B" * 26 == tomllib.loads((new.home / ".config/mayfly/config.toml").read_text())["onepassword"]["account"]
