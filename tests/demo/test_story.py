"""`mayfly demo`: it reports what it has seen, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import tempfile

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mayfly.demo import fixtures, process_memory
from mayfly.demo.story import refresh_line
from support.user_site import base_python, install_for_user
from support.world import measured


PATIENCE_SECONDS = 60


# Coverage of all processes of all stories would take as long as the stories themselves, so one story has it.
PLAIN = {name: value for name, value in os.environ.items() if name not in measured()}


@pytest.fixture(name="scratch")
def _scratch() -> Iterator[Path]:
    """The demo's temporary folder, with a name short enough for sockets. What the demo leaves behind would be in it."""
    with tempfile.TemporaryDirectory(prefix="scratch-", dir="/tmp") as folder:
        yield Path(folder)


@asynccontextmanager
async def demo(
    scratch: Path,
    *argv: str,
    env: dict[str, str] | None = None,
    umask: int = 0o022,
    python: str = sys.executable,
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(python, "-m", "mayfly", "demo", *argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=PLAIN | {"TMPDIR": str(scratch)} | (env or {}),
        umask=umask,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def line_with(process: asyncio.subprocess.Process, text: str) -> str:
    """The first line of its output that has `text`."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        if text in line:
            return line
    raise AssertionError(f"no line has {text!r}")


def left_in(scratch: Path) -> list[str]:
    return [entry.name for entry in scratch.iterdir()]


def open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


def processes_in(scratch: Path) -> list[str]:
    """The command lines of the processes that name the folder in their environment or arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(scratch).encode() in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [command for command in found if "pytest" not in command]


# What a user may have set, and the demo must not follow.
ODD = {
    "AWS_PROFILE": "missing",
    "AWS_CONFIG_FILE": "/nowhere",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
    "MAYFLY_CONFIG": "/nowhere/config.toml",
    "OP_SERVICE_ACCOUNT_TOKEN": "ops_not-a-token",
}


async def test_story_is_told_with_an_unmodified_sdk(scratch: Path) -> None:
    """One run of op, one approval, one call to STS; the user's ARN; an answer from memory; a used code refused.

    No file and no process outlives it. The user's AWS profile, proxy, Mayfly and 1Password do not affect it, nor does
    a umask like Fedora's.
    """
    async with demo(scratch, "--once", env=ODD | measured(), umask=0o002) as process:
        out, err = (text.decode() for text in await process.communicate())

    assert (0, "") == (process.returncode, err)
    assert "   arn:aws:iam::058264411872:user/carmas\n" in out
    assert "approvals: 1\n" in out
    assert re.search(r"answered from memory in \d+\.\d ms", out)
    assert "refused: MultiFactorAuthentication failed with invalid MFA" in out
    assert re.search(r"nsrc +fresh +7h 5\dm", out)
    assert [] == [line for line in out.splitlines() if len(line) > 80 and str(scratch) not in line]
    assert "\x1b" not in out
    assert f"config {scratch}/mayfly-demo-" in out
    assert ([], []) == (left_in(scratch), processes_in(scratch))


async def test_demo_plays_from_an_installation_for_the_user_alone(scratch: Path, tmp_path: Path) -> None:
    """After `pip install --user` the demo's processes, whose home is another, find mayfly and its libraries."""
    await asyncio.to_thread(install_for_user, tmp_path, editable=False)
    async with demo(scratch, "--once", env={"HOME": str(tmp_path)}, python=base_python()) as process:
        out, err = (text.decode() for text in await process.communicate())

    assert (0, "") == (process.returncode, err)
    assert "approvals: 1\n" in out
    assert ([], []) == (left_in(scratch), processes_in(scratch))


async def test_demo_plays_without_a_stdout(scratch: Path) -> None:
    """A closed stdout (`>&-`) is no failure."""
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", '"$0" -m mayfly demo --once >&-', sys.executable),
        stderr=asyncio.subprocess.PIPE,
        env=PLAIN | {"TMPDIR": str(scratch)},
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, err = await process.communicate()

    assert (0, b"", []) == (process.returncode, err, left_in(scratch))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_in_the_middle_leaves_nothing_behind(scratch: Path, number: signal.Signals) -> None:
    """A signal ends the story, all its processes, and its folder."""
    async with demo(scratch, "--once") as process:
        await line_with(process, "a terminal")
        process.send_signal(number)
        await process.communicate()

    assert 128 + number == process.returncode
    assert ([], []) == (left_in(scratch), processes_in(scratch))


async def test_demo_that_stays_invites_and_ends_with_ctrl_c(scratch: Path) -> None:
    """The commands that it shows work in another terminal without Mayfly on its PATH; Ctrl-C is exit code 0."""
    plain = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    async with demo(scratch, env=plain | measured()) as process:
        lines = [(await line_with(process, text)).strip() for text in ("export ", "eval ")]
        other = await asyncio.create_subprocess_exec(
            *("sh", "-c", "; ".join([*lines, "mayfly whoami nsrc >&2", "mayfly status --json"])),
            env=plain | {"HOME": str(scratch)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, who = await other.communicate()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()

    assert ["nsrc"] == [row["profile"] for row in json.loads(out)["profiles"]]
    assert json.loads(out)["profiles"][0]["expires_in_seconds"] <= 90
    assert "arn:aws:iam::058264411872:user/carmas" == json.loads(who)["Arn"]
    assert (0, b"") == (process.returncode, err)
    assert ([], []) == (left_in(scratch), processes_in(scratch))


def test_path_is_extended_only_if_needed(tmp_path: Path) -> None:
    """No folder is added if PATH has our command or a link to it. Another `mayfly`, or our venv, does not count."""
    own, link, other = (tmp_path / name / "mayfly" for name in ("venv/bin", "link", "other"))
    for program in (own, other):
        program.parent.mkdir(parents=True)
        program.write_text("")
        program.chmod(0o700)
    link.parent.mkdir()
    link.symlink_to(own)

    def added(*folders: Path, active: str = "") -> str | None:
        environ = {"PATH": ":".join(map(str, folders)), "VIRTUAL_ENV": active}
        return fixtures.folder_to_add(environ, own)

    assert (None, None) == (added(own.parent), added(link.parent))
    assert (str(own.parent),) * 3 == (
        added(),
        added(other.parent, own.parent),
        added(own.parent, active=str(own.parent.parent)),
    )
    assert fixtures.folder_to_add({"PATH": ""}, tmp_path / "nowhere/mayfly") is None


def test_aws_cli_is_suggested_only_if_it_is_there(tmp_path: Path) -> None:
    """The AWS CLI is looked for on the other terminal's PATH and in the folder that is added to it."""
    aws = tmp_path / "aws"
    aws.write_text("")
    aws.chmod(0o700)

    assert [False, True, True] == [
        fixtures.has_aws({"PATH": "/nowhere"}, None),
        fixtures.has_aws({"PATH": "/nowhere"}, str(tmp_path)),
        fixtures.has_aws({"PATH": str(tmp_path)}, None),
    ]


async def test_failure_shows_the_daemons_log(scratch: Path) -> None:
    """The daemon fails in a folder that others may write to: its reason is shown, and nothing is left."""
    open_to_all(scratch)
    async with demo(scratch, "--once") as process:
        _, err = (text.decode() for text in await process.communicate())

    assert 1 == process.returncode
    assert f"mayfly: error: {scratch} is writable by others" in err
    assert "mayfly: error: mayfly serve did not start\n" in err
    assert [] == left_in(scratch)


def test_memory_that_cannot_be_read_has_no_result() -> None:
    """Without a process to read, the search has no result, rather than an empty one."""
    assert process_memory.search(2**22 + 1, {"needle"}) is None


@pytest.mark.skipif(sys.platform != "linux", reason="proc(5) is Linux's")
async def test_needle_in_memory_is_found() -> None:
    """The search finds a string that the process has, and not one that it does not have."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import sys; kept = sys.stdin.readline(); print(flush=True); sys.stdin.read()"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"a-needle-of-this-test\n")
    await process.stdout.readline()
    searched = process_memory.search(process.pid, {"a-needle-of-this-test", "another-needle-" + "x" * 8})
    process.stdin.close()
    await process.wait()

    assert searched is not None
    assert {"a-needle-of-this-test"} == searched.found


def test_refresh_is_a_line() -> None:
    """A refresh is a line with the new life, or with the error."""
    renewed = {"event": "session.refreshed", "profile": "nsrc", "expires_in_seconds": 90}
    failed = {"event": "session.refresh_failed", "profile": "nsrc", "code": "AwsFailed", "reason": "no answer"}

    assert ["nsrc renewed, valid for 90 s", "nsrc: AwsFailed: no answer"] == [
        refresh_line(renewed),
        refresh_line(failed),
    ]


def test_temporary_folder_leaves_room_for_a_sockets_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On macOS a socket's path has at most 103 bytes."""
    deep = tmp_path / ("deep" * 25)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    assert "/tmp" == fixtures.temporary_folder()
