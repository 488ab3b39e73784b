"""`mayfly ssh`: a shell on another host, by a real sshd."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from support.granter import TOKEN, Granter
from support.sshd import Sshd, needs_sshd, shell, sshd
from support.terminals import Terminal
from support.world import PATIENCE_SECONDS, World, measured


pytestmark = needs_sshd

ID = "1a2b3c4d"
ENDED = ("DELETE", f"/grants/{ID}")
URL = "$AWS_CONTAINER_CREDENTIALS_FULL_URI"
CURL = 'curl -s -w " %{{http_code}}" -H "Authorization: {}" ' + URL
OF_FILE = '$(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")'
# SHELL stays, and what the login shell's files set.
SHOW = "env | grep -E '^(AWS|MAYFLY|NO_PROXY|no_proxy)' | sort"


async def test_a_shell_there_gets_credentials_by_a_token_that_stands_in_a_file_of_its_user(
    world: World, granting: Granter, there: Sshd
) -> None:
    """No argv and no environment of sshd has the token, only this token opens the port, and all ends with the shell."""
    async with shell(world, there, "--token-file", "--read-only", "--for", "8h") as opened:
        shown = dict(line.split("=", 1) for line in (await opened.says(SHOW)).splitlines())
        (file,) = there.token_files()
        by_file = await opened.says(CURL.format(OF_FILE))
        by_other = await opened.says(CURL.format("X" * 43))
        mode = f"{file.stat().st_mode & 0o777:o}"
        told = file.read_text()
        commands = _of_processes("cmdline", os.listdir("/proc"))  # noqa: PTH208 - does not block
        around = _of_processes("environ", there.children())
        is_login = await opened.says("shopt login_shell; id -u")
        code, err = await opened.ended("exit 7\n")
        left = [*there.token_files(), *opened.tmp.iterdir()]

    port = shown["AWS_CONTAINER_CREDENTIALS_FULL_URI"].split("/")[2].split(":")[1]
    assert f"http://127.0.0.1:{port}/credentials/nsrc" == shown.pop("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    assert str(file) == shown.pop("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    assert THERE == shown
    assert ["GET /credentials/nsrc HTTP/1.1", f"127.0.0.1:{port}"] == json.loads(by_file.removesuffix(" 200"))
    assert by_other.endswith(" 401")
    assert ("600", TOKEN) == (mode, told)
    assert [] == [words for words in commands if TOKEN.encode() in words]
    assert around
    assert [] == [words for words in around if TOKEN.encode() in words]
    assert f"login_shell    \ton\n{os.getuid()}" == is_login
    assert (7, []) == (code, left)
    assert "mayfly: there has nsrc until " in err
    assert [("POST", "/grants"), ("POST", f"/grants/{ID}/hold"), ENDED] == [(how, to) for how, to, _ in granting.asked]
    wish = granting.bodies()[0]
    assert ("socket", "there", 28800, True, False) == tuple(
        wish[key] for key in ("as", "label", "seconds", "held", "token_file")
    )


def _of_processes(name: str, pids: Iterable[object]) -> list[bytes]:
    found = []
    for pid in pids:
        with suppress(OSError):  # it has ended, or is no process
            found.append(Path(f"/proc/{pid}/{name}").read_bytes())
    return found


# What the host had set (AWS_PROFILE, AWS_ACCESS_KEY_ID) is gone.
THERE = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_SDK_LOAD_CONFIG": "1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "MAYFLY_AWS_REGION": "us-east-1",
    "MAYFLY_AWS_DEFAULT_REGION": "us-east-1",
    "MAYFLY_PROFILE": "nsrc",
    "MAYFLY_GRANT": ID,
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}


async def test_the_shell_has_the_terminal_and_no_file_is_left_once_it_has_the_token(
    world: World, granting: Granter, there: Sshd
) -> None:
    """Ctrl-C is the other host's; its exit code is ours."""
    seen = Terminal(world, "ssh", "nsrc", "there", "--", *there.options, env={"PS1": "$ "}, columns=160)
    await seen.until_lines(lambda lines: any("there has nsrc" in line for line in lines))
    seen.process.sendline(
        f"PS1=; clear; tty | cut -c1-6; ls {there.tmp} | wc -l; " + CURL.format("$AWS_CONTAINER_AUTHORIZATION_TOKEN")
    )
    await seen.until_lines(lambda lines: any(line.endswith(" 200") for line in lines))
    assert ["/dev/p", "0"] == [line for line in seen.lines if line in {"/dev/p", "0"}]

    seen.process.sendline("sh -c 'trap \"echo got it; exit\" INT; clear; echo waits; while :; do sleep 0.1; done'")
    await seen.until_lines(lambda lines: lines[0] == "waits")
    seen.interrupt()
    await seen.until_lines(lambda lines: any(line.endswith("got it") for line in lines))
    seen.process.sendline("exit 9")
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.to_thread(seen.process.wait)

    assert 9 == seen.process.exitstatus
    await granting.until(*ENDED)
    seen.close()


async def test_a_restart_of_the_daemon_leaves_the_shell_its_grant_and_its_end_is_told_there(
    world: World, granting: Granter, there: Sshd
) -> None:
    """The grant is taken hold of again. Once it has ended, clients there get 401, and the terminal no line of ssh's."""
    async with shell(world, there) as opened:
        await opened.says("true")
        await granting.stop()
        await granting.start()
        await granting.until_held(ID)
        again = await opened.says(CURL.format("$AWS_CONTAINER_AUTHORIZATION_TOKEN"))
        (world.folder / "grant.sock").unlink()
        granting.end(ID, "expired")
        await granting.until_held()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(way.is_symlink() for way in opened.tmp.glob("*/s")):
                await asyncio.sleep(0.02)
        ended = [await opened.says(CURL.format("$AWS_CONTAINER_AUTHORIZATION_TOKEN")) for _ in range(2)]
        code, err = await opened.ended("exit 3\n")

    assert again.endswith(" 200")
    assert ['{"code": "Unauthorized", "message": "the grant has ended (expired)"} 401'] * 2 == ended
    said = [line for line in err.splitlines() if "has nsrc until" not in line]
    assert (3, ["mayfly: warning: there got no more credentials: the grant has ended (expired)"]) == (code, said)


@pytest.mark.parametrize("whose", ["theirs", "ours", "the command's"])
async def test_the_loss_of_the_connection_ends_the_grant(
    world: World, granting: Granter, there: Sshd, whose: str
) -> None:
    """Whichever end of it is killed: nobody holds the grant any more, and the token's file is gone."""
    async with shell(world, there, "--token-file") as opened:
        await opened.says("true")
        assert 1 == len(there.token_files())
        if whose == "theirs":
            # The one with the connection is the outermost.
            os.kill(there.children()[-1], signal.SIGKILL)
        else:
            os.kill(_ssh_of(opened.process.pid) if whose == "ours" else opened.process.pid, signal.SIGKILL)
        await granting.until_held()
        code, err = await opened.ended()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while there.token_files():
                await asyncio.sleep(0.02)

    if whose == "the command's":
        assert -9 == code
    else:
        assert (255, True) == (code, "mayfly: error: ssh has lost the connection to there, so the grant has en" in err)
        assert 1 == len(granting.bodies(*ENDED))


def _ssh_of(pid: int) -> int:
    """The ssh that has the connection, or shall have it; 0 if there is none yet."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(child) for child in children if b"ControlMaster=yes" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return found[0] if found else 0


REFUSING = [
    (
        "GatewayPorts yes",
        "others on its network could reach the port that there forwards to us; the token was not sent",
    ),
    ("AllowTcpForwarding no", "there forwards no port to us"),
    ("ForceCommand echo you may not", "there does not run our script (exit code 0)"),
    ("AuthorizedKeysFile none", "ssh has no connection to there; what it says stands above"),
]


@pytest.mark.parametrize(("line", "said"), REFUSING)
async def test_a_host_that_does_not_suit_gets_no_token(
    world: World, granting: Granter, tmp_path: Path, line: str, said: str
) -> None:
    """One line says why, and the grant ends."""
    async with sshd(tmp_path / "there", line) as there:
        done = await world.run("ssh", "nsrc", "there", "--", *there.options, stdin=b"id -u\n")
        left = there.token_files()

    assert (1, "", True) == (done.code, done.out, f"mayfly: error: {said}\n" in done.err), done.err
    assert [] == left
    assert [ENDED] == [(how, to) for how, to, _ in granting.asked if how == "DELETE"]


async def test_a_server_that_binds_where_it_is_asked_to_is_fine(
    world: World, granting: Granter, tmp_path: Path
) -> None:
    """`GatewayPorts clientspecified` binds our port to 127.0.0.1 alone; one session a connection is enough."""
    async with sshd(tmp_path / "there", "GatewayPorts clientspecified", "MaxSessions 1") as there:
        done = await world.run("ssh", "nsrc", "there", "--", *there.options, stdin=b"exit 4\n")

    assert 4 == done.code, done.err
    assert [ENDED] == [(how, to) for how, to, _ in granting.asked if how == "DELETE"]


UNSUITABLE = ("StdinNull", "SessionType", "ForkAfterAuthentication")


@pytest.mark.parametrize("where", ["in the configuration", "as an option"])
async def test_a_configuration_for_no_shell_opens_one(world: World, granting: Granter, there: Sshd, where: str) -> None:
    """A host's configuration may be for a forward alone, in the background and without an input."""
    for name, value in zip(UNSUITABLE, ("yes", "none", "yes"), strict=True):
        options = (*there.options, *([f"-o{name}={value}"] if where == "as an option" else []))
        if where == "in the configuration":
            options = ("-F", str(there.folder / "unsuitable"))
            text = (there.folder / "ssh_config").read_text()
            (there.folder / "unsuitable").write_text(f"{text}{name} {value}\n")
        done = await world.run("ssh", "nsrc", "there", "--", *options, stdin=b"echo in a shell; exit 4\n")

        assert (4, "in a shell\n") == (done.code, done.out), (name, done.err)
    assert [ENDED] * 3 == [(how, to) for how, to, _ in granting.asked if how == "DELETE"]


async def test_a_signal_while_it_connects_leaves_nothing(world: World, granting: Granter, tmp_path: Path) -> None:
    """Nobody is let in by a host that says nothing; SIGTERM ends all of it."""
    silent = ("-F", "/dev/null", "-o", "ProxyCommand=sleep 60")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "ssh", "nsrc", "there", "--", *silent),
        env=world.env | measured() | {"TMPDIR": str(tmp_path)},
    )
    await granting.until_held(ID)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not _ssh_of(process.pid):
            await asyncio.sleep(0.02)
        process.terminate()
        code = await process.wait()

    assert 143 == code
    assert [ENDED] == [(how, to) for how, to, _ in granting.asked if how == "DELETE"]
