"""Text that others wrote, on its way to a terminal: no command lets it steer the terminal or forge a line."""

from __future__ import annotations

import json
import socket
import sys

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mayfly.cli import speech
from mayfly.cli.main import main
from mayfly.cli.status.page import page
from mayfly.cli.terminal import Terminal
from mayfly.demo.output import Output
from mayfly.service import files
from support.control import daemon, response
from support.world import SEED_TOML, World


# A clipboard by OSC 52, a colour by C1, a bidirectional override, line ends of four kinds, half a character, DEL.
HOSTILE = "\x1b]52;c;QUFB\x07\x9b31m\u202ereverse\r\nmayfly: hint: rm -rf\u2028x\x85y\ud800\x7f"

INSTANT = "2026-11-22T12:00:00Z"
ERROR = {"code": HOSTILE, "message": HOSTILE, "hint": HOSTILE}
STATUS: dict[str, Any] = {
    "version": HOSTILE,
    "pid": HOSTILE,
    "address": HOSTILE,
    "config": HOSTILE,
    "service": HOSTILE,
    "started_at": INSTANT,
    "observed_at": INSTANT,
    "notes": [HOSTILE],
    "detours": [HOSTILE],
    "refusals": {HOSTILE: 2},
    "last_fetches": [{"profile": HOSTILE, "pid": 1, "program": HOSTILE, "agent": HOSTILE, "at": INSTANT}],
    "profiles": [
        {
            "profile": name,
            "phase": HOSTILE,
            "expiration": INSTANT,
            "expires_in_seconds": 5,
            "in_flight": False,
            "last_fetched_at": INSTANT,
            "last_error": ERROR,
            "retry_not_before_at": INSTANT,
            "next_step": f"tried again by itself {HOSTILE}",
            "skew_seconds": 0,
        }
        for name in ("nsrc", HOSTILE)
    ],
}


def foreign(text: str) -> list[str]:
    """The characters that are neither printable nor the ends of our own lines."""
    return [letter for letter in text.replace("\n", "") if not letter.isprintable()]


class Answers:
    """What a hostile daemon says, by the path that is asked for."""

    def __init__(self) -> None:
        self.of: dict[str, tuple[int, Any]] = {"/status": (200, STATUS)}

    def __call__(self, connection: socket.socket) -> None:
        target = connection.recv(65536).split()[1].decode()
        status, body = self.of.get(target, (400, ERROR | {"problems": []}))
        connection.sendall(response(status, body if isinstance(body, bytes) else json.dumps(body).encode()))


@pytest.fixture(name="answers")
def _answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("MAYFLY_LISTEN", "127.0.0.1:1")
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "mayfly.toml").write_text(SEED_TOML)
    monkeypatch.setenv("MAYFLY_CONFIG", str(tmp_path / "mayfly.toml"))
    answers = Answers()
    with daemon(tmp_path / "run/control.sock", answers, connections=99):
        yield answers


@pytest.mark.parametrize("say", [speech.error, speech.warning, speech.hint, speech.say])
def test_what_is_said_is_one_line_of_printable_characters(say: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """With any text in it."""
    say(HOSTILE)
    _, err = capsys.readouterr()

    assert [] == foreign(err)
    assert (1, True) == (err.count("\n"), err.endswith("y??\n"))


@pytest.mark.parametrize("is_coloured", [False, True])
def test_the_status_page_is_printable(*, is_coloured: bool) -> None:
    """Its only control characters are the colours that it has put in itself."""
    lines = page(STATUS, Terminal(columns=80, has_colour=is_coloured, has_blocks=True))

    assert {"\x1b"} >= {letter for line in lines for letter in foreign(line)}
    assert not any("\x1b]" in line for line in lines)
    assert len(lines) == len("\n".join(lines).splitlines())


@pytest.mark.parametrize(
    "command",
    ["status", "login", "login nsrc", "forget nsrc", "whoami nsrc", "reload", "rotate", "credential-process nsrc"],
)
def test_no_command_passes_a_daemons_control_characters_on(
    answers: Answers, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Of a daemon that has been taken over: in what it says, and in why it refuses."""
    words = command.split()
    refused = main(words)
    text = capsys.readouterr()
    answers.of |= {
        "/profiles/nsrc/login": (200, {"expires_in_seconds": 5, "x": HOSTILE}),
        "/profiles/nsrc/verify": (200, {"user_id": HOSTILE, "account": HOSTILE, "arn": HOSTILE}),
        "/profiles/nsrc/forget": (200, {}),
        "/process/nsrc": (200, HOSTILE.encode(errors="replace")),
        "/reload": (200, {"config": HOSTILE}),
        "/tokens": (200, {"refused": {"nsrc": HOSTILE, HOSTILE: HOSTILE}}),
    }
    main(words)
    more = capsys.readouterr()

    assert [] == foreign(text.out + text.err + more.out + more.err)
    assert not any(line.startswith("mayfly: hint: rm") for line in (text.err + more.err).splitlines())
    assert refused in {0, 1, 2}


def test_the_status_stays_json(answers: Answers, capsys: pytest.CaptureFixture[str]) -> None:
    """A script reads every character as the daemon has sent it, and a terminal is steered by none."""
    assert 0 == main(["status", "--json"])
    out, _ = capsys.readouterr()

    assert answers.of["/status"][1] == json.loads(out)
    assert [] == foreign(out)


@pytest.mark.parametrize(
    "body", [b"no JSON", b"[]", b"{}", b"\xff", json.dumps(STATUS | {"profiles": [{}]}).encode(), b'{"profiles": 5}']
)
@pytest.mark.parametrize("command", ["status", "status --json", "login", "forget", "whoami nsrc", "reload", "rotate"])
def test_an_answer_that_makes_no_sense_is_told_in_a_line(
    answers: Answers, capsys: pytest.CaptureFixture[str], command: str, body: bytes
) -> None:
    """No traceback, whichever answer it is; `--json` prints any object."""
    answers.of = dict.fromkeys(["/status", "/reload", "/tokens", "/profiles/nsrc/verify"], (200, body))
    code = main(command.split())
    _, err = capsys.readouterr()

    assert code in ({0, 1} if command in {"status --json", "forget"} else {1})
    assert code == err.count("mayfly: error: the daemon's answer makes no sense\n")


def test_the_demo_shows_printable_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Also what the programs that it runs have printed; a line end stays one only where a text is shown as it is."""
    output = Output(sys.stdout, is_coloured=False)
    for tell in (output.title, output.step, output.say, output.show, output.good, output.plain):
        tell(HOSTILE)

    assert [] == foreign(capsys.readouterr().out)


# Locales that lack a character.

LATIN = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}


COMMANDS = (
    "login",
    "status",
    "status --json",
    "whoami nsrc",
    "reload",
    "aws-config",
    "env",
    "env --help",
    "nosuch-…",
    "--help",
)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_no_command_fails_because_a_locale_lacks_a_character(world: World, encoding: str) -> None:
    """A character that cannot be printed is replaced; the exit code is the same."""
    home = world.home / "…\u03c9"
    home.mkdir()
    env = LATIN | {"PYTHONIOENCODING": encoding, "MAYFLY_CONFIG": str(home / "config.toml")}
    (home / "config.toml").write_text(SEED_TOML)
    async with world.serve(env={"MAYFLY_CONFIG": env["MAYFLY_CONFIG"]}):
        ended = {
            command: await world.run_program(sys.executable, "-m", "mayfly", *command.split(), env=env)
            for command in COMMANDS
        }

    codes = dict.fromkeys(COMMANDS, 0) | {"nosuch-…": 2}
    assert codes == {command: how.code for command, how in ended.items()}, ended
    assert {} == {command: how.err for command, how in ended.items() if "Traceback" in how.err}


async def test_what_a_config_is_made_of_is_utf_8_in_every_locale(world: World) -> None:
    """The printed config can be put into a file, also if the terminal shows other characters."""
    (world.home / ".aws").mkdir()
    (world.home / ".aws/config").write_text(
        "[profile a]\naws_access_key_id = x\nmfa_serial = …\u202e\n", encoding="utf-8"
    )
    argv = (sys.executable, "-m", "mayfly", "import-aws-config", "--item", "op://v/i")
    ended = await world.run_program(*argv, env=LATIN)

    assert 'mfa_id            = "…\\U0000202e"' in ended.out.splitlines()
    assert [] == foreign(ended.out)
    assert "Traceback" not in ended.err


async def test_a_manager_that_speaks_another_encoding_is_understood(world: World) -> None:
    """systemd prints UTF-8, also if the command has another locale."""
    unit = world.home / ".config/systemd/user/mayfly.service"
    files.write(unit, files.stamped("[Service]\n"))
    systemctl = world.op.with_name("systemctl")
    systemctl.write_text("#!/bin/sh\nprintf 'ActiveState=active\\nStatusText=not serving: a\\033\\342\\200\\246\\n'\n")
    systemctl.chmod(0o755)

    ended = await world.run_program(sys.executable, "-m", "mayfly", "status", env=LATIN)

    assert (3, "") == (ended.code, ended.out)
    assert "mayfly: error: the service says: not serving: a?" in ended.err
    assert "Traceback" not in ended.err
