"""The command line: help, version, wrong usage, exit codes."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys

from types import ModuleType

import pytest

from mayfly import __version__
from mayfly.shared.errors import ApprovalDismissed, AwsUnreachable, MayflyError
from support.world import World


@pytest.fixture(name="cli")
def _cli() -> ModuleType:
    """The module: the package gives its function the same name."""
    return importlib.import_module("mayfly.cli.main")


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_command(cli: ModuleType, capsys: pytest.CaptureFixture[str], word: str) -> None:
    """The help has a line of at most 80 columns for each command, and explains the exit codes."""
    assert 0 == cli.main([word])
    lines = capsys.readouterr().out.splitlines()

    assert [] == [line for line in lines if len(line) > 80]
    for name, _, does in cli.COMMANDS:
        assert 1 == len([line for line in lines if line.split()[:1] == [name] and line.endswith(does)])
    assert "  3  the daemon does not run" in lines


def test_the_version_is_the_packages(cli: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints name and version."""
    assert (0, f"mayfly {__version__}\n") == (cli.main(["--version"]), capsys.readouterr().out)


def test_no_command_is_answered_by_the_help(cli: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, the help is printed on stderr, and the exit code is 2."""
    assert 2 == cli.main([])
    out, err = capsys.readouterr()

    assert "" == out
    assert err.startswith("usage: mayfly COMMAND ...\n")
    assert err.endswith("\nmayfly: error: a command is missing\n")


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["serv"], "there is no command 'serv': did you mean serve?"),
        (["INIT"], "there is no command 'INIT': did you mean init?"),
        (["xyzzy"], "there is no command 'xyzzy'"),
        (["--config", "x", "env"], "--config: options follow the command"),
    ],
)
def test_an_unknown_command_is_told_in_a_line(
    cli: ModuleType, capsys: pytest.CaptureFixture[str], argv: list[str], line: str
) -> None:
    """The command with the most similar name is suggested, if there is one."""
    assert 2 == cli.main(argv)
    assert line == capsys.readouterr().err.splitlines()[0].removeprefix("mayfly: error: ")


def test_a_commands_help_is_its_own(cli: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """`mayfly env --help` prints the usage of `env`."""
    with pytest.raises(SystemExit) as end:
        cli.main(["env", "--help"])

    assert 0 == end.value.code
    assert capsys.readouterr().out.startswith("usage: mayfly env ")


@pytest.mark.parametrize("argv", [["env", "--shell", "csh"], ["env", "a", "b"], ["env", "--tok"]])
def test_wrong_usage_has_our_voice(cli: ModuleType, capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    """Wrong usage prints the command's usage, one error and one hint; abbreviated options are refused."""
    assert 2 == cli.main(argv)
    *usage, error, hint = capsys.readouterr().err.splitlines()

    assert usage[0].startswith("usage: mayfly env ")
    assert error.startswith("mayfly: error: ")
    assert "mayfly: hint: mayfly env --help" == hint


@pytest.mark.parametrize(
    ("reason", "code", "lines"),
    [
        (ApprovalDismissed("no"), 4, ["error: no", "hint: run 'mayfly login' when you are ready"]),
        (AwsUnreachable("gone"), 1, ["error: gone"]),
        (KeyboardInterrupt(), 130, []),
    ],
)
def test_an_ending_has_its_exit_code(
    cli: ModuleType,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    reason: MayflyError | KeyboardInterrupt,
    code: int,
    lines: list[str],
) -> None:
    """If a human must act the code is 4, after a failure 1, after Ctrl-C 130; the line and the hint are printed."""

    def run(_: list[str]) -> int:
        raise reason

    monkeypatch.setattr(cli, "_run", run)

    assert code == cli.main(["env"])
    assert [f"mayfly: {line}" for line in lines] == capsys.readouterr().err.splitlines()


async def test_a_reader_that_has_gone_is_no_traceback(world: World) -> None:
    """`mayfly env | true` ends without a word, with the exit code of SIGPIPE."""
    reader, writer = os.pipe()
    os.close(reader)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "env"), stdout=writer, stderr=asyncio.subprocess.PIPE, env=world.env
    )
    os.close(writer)
    _, err = await process.communicate()

    assert (141, b"") == (process.returncode, err)


@pytest.mark.parametrize("command", ["status", "login", "forget", "whoami nsrc", "reload", "demo --once", "uninstall"])
def test_a_config_is_not_taken_where_it_has_no_meaning(
    cli: ModuleType, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """A command that ignores the config refuses --config."""
    assert 2 == cli.main([*command.split(), "--config", "/nosuch"])
    assert "unrecognized arguments: --config" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "env", "aws-config", "rotate", "credential-process nsrc"])
async def test_a_config_that_is_named_and_not_there_is_an_error(world: World, command: str) -> None:
    """No other config is used instead."""
    ended = await world.run(*command.split(), "--config", "/nosuch.toml")

    assert (2, "") == (ended.code, ended.out)
    assert "/nosuch.toml" in ended.err.splitlines()[0]


COMMANDS = ["--version", "--help", "env --help", "env", "aws-config", "status", "credential-process nsrc"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_an_older_encoding_gets_three_dots(world: World, encoding: str) -> None:
    """Our own sign for what is left out is no escape sequence; letters of others are, if the encoding lacks them."""
    (world.home / ".aws").mkdir()
    (world.home / ".aws/credentials").write_text("[work]\naws_access_key_id = AKIAX\naws_secret_access_key = x\n")
    ended = await world.run("import-aws-config", "--item", "プ=op://a/b", env={"PYTHONIOENCODING": encoding})

    assert 2 == ended.code
    assert "mayfly: error: --item \\u30d7=...: there is no profile \\u30d7 with keys" in ended.err.splitlines()


async def test_a_closed_output_is_no_traceback(world: World) -> None:
    """With `>&-` the output is dropped, and the command succeeds."""
    async with world.serve():
        await world.get()  # credentials are there, so no command says that it waits for them
        ended = {
            (command, closed): await world.run_program("sh", "-c", f"mayfly {command} {closed}")
            for command in COMMANDS
            for closed in (">&-", ">&- 2>&-")
        }

    assert dict.fromkeys(ended, (0, "", "")) == ended


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="full(4) is Linux's")  # noqa: PTH110
@pytest.mark.parametrize("commands", [COMMANDS, ["login"]], ids=["any", "login"])
async def test_a_full_disk_is_told_in_a_line(world: World, commands: list[str]) -> None:
    """The error is the same whether the first write fails or the last one, at exit."""
    async with world.serve():
        ended = {command: await world.run_program("sh", "-c", f"mayfly {command} >/dev/full") for command in commands}

    # login may have said before for what it waits
    told = {command: (how.code, how.out, how.err.splitlines()[-1]) for command, how in ended.items()}
    assert dict.fromkeys(commands, (1, "", "mayfly: error: cannot write: No space left on device")) == told
    assert [] == [command for command, how in ended.items() if "Traceback" in how.err]


@pytest.mark.parametrize("command", ["status", "login", "credential-process nsrc"])
async def test_a_runtime_folder_with_too_long_a_name_is_told(world: World, command: str) -> None:
    """The control socket cannot have such a long name: the line names the way out."""
    folder = world.folder / ("deep" * 30)

    ended = await world.run(*command.split(), env={"MAYFLY_RUNTIME_DIR": str(folder)})

    assert (2, "") == (ended.code, ended.out)
    assert ended.err == (
        f"mayfly: error: {folder}/control.sock: cannot be connected to: its name is too long: "
        "set MAYFLY_RUNTIME_DIR to a folder with a shorter one\n"
    )


# Python must be loaded first: that user may not read it.
AS_NOBODY = """
import importlib, os, sys
names = ("main", "install.uninstall", "install.with_systemd")
main, *_ = [importlib.import_module(f"mayfly.cli.{name}") for name in names]
sys.argv = ["mayfly", "uninstall"]
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.exit(main.main())
"""


@pytest.mark.skipif(os.getuid() != 0 or sys.platform != "linux", reason="needs root, to be somebody else")
async def test_a_home_that_is_not_ours_is_told(world: World) -> None:
    """With another user's HOME, as `sudo -u` keeps it, there is one line with the path, and no traceback."""
    closed = world.folder / "closed"
    closed.mkdir(mode=0o700)

    ended = await world.run_program(sys.executable, "-c", AS_NOBODY, env={"HOME": str(closed), "XDG_CONFIG_HOME": ""})

    assert (1, 1) == (ended.code, ended.err.count("mayfly: error: "))
    assert f"{closed}/" in ended.err
    assert "Traceback" not in ended.err
