"""`mayfly status --watch` in a real terminal: it follows, and leaves the terminal as it was."""

from __future__ import annotations

import os
import re
import signal
import sys

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.scripted import Scripted, scripted
from support.states import status
from support.terminal import Terminal
from support.world import World


WATCH = (sys.executable, "-m", "mayfly", "status", "--watch")
ENTERED, LEFT = b"\x1b[?1049h\x1b[?25l", b"\x1b[?25h\x1b[?1049l"


@pytest.fixture(name="env")
def _env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir(mode=0o700)
    config = tmp_path / "mayfly.toml"
    config.write_text("")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "MAYFLY_RUNTIME_DIR": str(tmp_path / "run"),
        "MAYFLY_LISTEN": "127.0.0.1:1",
        "MAYFLY_CONFIG": str(config),
    }


@pytest.fixture(name="told")
async def _told(env: dict[str, str]) -> AsyncIterator[Scripted]:
    """A daemon with two profiles."""
    async with scripted(Path(env["MAYFLY_RUNTIME_DIR"]) / "control.sock", two("fresh")) as told:
        yield told


def two(first: str) -> dict[str, Any]:
    """A status with one profile in this state, and another."""
    return status(first, "never asked", notes=[])


def watching(env: dict[str, str], *argv: str, **options: Any) -> Terminal:
    return Terminal(argv or WATCH, env, Path(env["HOME"]), **options)


async def test_it_follows_a_real_daemon(world: World) -> None:
    """What happens is seen without a key; the daemon goes and comes back; a resize is followed."""
    env = world.env | {"COLUMNS": "", "LANG": "C.UTF-8"}
    terminal = watching(env)
    await terminal.shows("mayfly: error: the daemon does not run", "mayfly: hint: start it: mayfly serve")
    async with world.serve():
        await terminal.shows("nsrc  empty", "got when a client asks")
        await world.get()
        await terminal.shows("nsrc  fresh", "7h 59m", "with a touch · used")
        await world.run("forget", "nsrc")
        await terminal.shows("nsrc  empty")
        terminal.resize(60, 12)
        await terminal.wrote(b"\x1b[2J", times=2)
        await terminal.shows("nsrc  empty", "q or ctrl-c ends")
        assert max(map(len, terminal.lines)) < 60
        assert 12 == len(terminal.lines)
    await terminal.shows("the daemon does not run")
    async with world.serve():
        await terminal.shows("nsrc  empty")
        terminal.type("q")
        assert 0 == await terminal.end()


ENDINGS = {
    "q": (lambda terminal: terminal.type("q"), 0),
    "ctrl-c": (lambda terminal: terminal.type("\x03"), 130),
    "SIGINT": (lambda terminal: terminal.kill(signal.SIGINT), 130),
    "SIGTERM": (lambda terminal: terminal.kill(signal.SIGTERM), -signal.SIGTERM),
    "SIGHUP": (lambda terminal: terminal.kill(signal.SIGHUP), -signal.SIGHUP),
    "ctrl-\\": (lambda terminal: terminal.type("\x1c"), -signal.SIGQUIT),
}


@pytest.mark.usefixtures("told")
async def test_it_leaves_the_terminal_as_it_was(env: dict[str, str]) -> None:
    """However it ends: the screen from before, its cursor, echo and line input are back, once."""
    terminals = {name: watching(env) for name in ENDINGS}
    idle = watching(env, "sleep", "60")
    before = idle.modes()
    idle.close()
    for name, (end, code) in ENDINGS.items():
        terminal = terminals[name]
        await terminal.shows("work  fresh")
        assert before != terminal.modes()
        end(terminal)
        ended = await terminal.end()

        assert (name, code) == (name, ended)
        assert before == terminal.modes()
        assert [1, 1] == [terminal.raw.count(ENTERED), terminal.raw.count(LEFT)]
        assert b"Traceback" not in terminal.raw
        assert terminal.raw.rstrip().endswith(LEFT)


@pytest.mark.usefixtures("told")
async def test_ctrl_z_gives_the_terminal_back_until_fg(env: dict[str, str]) -> None:
    """In an interactive shell: while it is stopped the shell has its terminal, afterwards the page is drawn anew."""
    shell = watching(env | {"PS1": "ready> "}, "bash", "--norc", "-i")
    await shell.wrote(b"ready> ")
    shell.type("stty -g; " + " ".join(WATCH) + "\n")
    await shell.shows("work  fresh")
    shell.type("\x1a")
    await shell.wrote(b"Stopped")
    stopped = shell.raw
    shell.type("stty -g; fg\n")
    await shell.wrote(ENTERED, times=2)
    await shell.shows("work  fresh")
    shell.type("\x03")
    await shell.wrote(LEFT, times=2)
    shell.type("exit 7\n")

    assert 7 == await shell.end()
    modes = re.findall(rb"[0-9a-f]+(?::[0-9a-f]+){20,}\r\n", shell.raw)
    assert (2, 1) == (len(modes), len(set(modes)))
    assert stopped.index(LEFT) < stopped.index(b"Stopped")


@pytest.mark.unfollowed
async def test_what_stays_the_same_is_not_drawn_again(env: dict[str, str], told: Scripted) -> None:
    """No flicker: while only the clock turns, nothing but changed lines is written; an event has the page asked for."""
    terminal = watching(env)
    await terminal.shows("work  fresh", "new   empty")
    drawn = len(terminal.raw)
    asked = told.asked
    await terminal.until(lambda now: now.raw.count(b"\x1b[24;1H") >= 3)
    since, asked_since = terminal.raw[drawn:], told.asked
    told.tell(two("due"))
    await terminal.shows("night  due")

    assert b"\x1b[2J" not in since
    assert b"new " not in since
    assert asked == asked_since < told.asked
    terminal.close()


async def test_a_page_that_is_too_long_is_cut(env: dict[str, str], told: Scripted) -> None:
    """The last lines say how many are missing, and how to end; after a resize they are there."""
    told.tell(status())
    terminal = watching(env, rows=10)
    await terminal.shows("more lines", "q or ctrl-c ends")
    cut = terminal.lines
    terminal.resize(80, 80)
    await terminal.shows("sales-admin", "q or ctrl-c ends")
    terminal.close()

    assert (10, True) == (len(cut), cut[7].startswith("… "))


@pytest.mark.unfollowed
@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ((b"{}", 200), "mayfly: error: the daemon's answer makes no sense"),
        ((b"no JSON", 200), "mayfly: error: the daemon's answer makes no sense"),
        (({"profiles": [], "observed_at": 5}, 200), "mayfly: error: the daemon's answer makes no sense"),
        (
            ({"code": "ConfigInvalid", "problems": ["colour: no such key"], "hint": "mend it"}, 400),
            "colour: no such key",
        ),
    ],
)
async def test_an_odd_answer_is_told_and_outlived(
    env: dict[str, str], told: Scripted, answer: tuple[Any, int], shown: str
) -> None:
    """In the place of the page, until a better one comes."""
    told.tell(*answer)
    terminal = watching(env)
    await terminal.shows(shown)
    told.tell(two("fresh"))
    await terminal.shows("work  fresh")
    terminal.type("q")

    assert 0 == await terminal.end()


async def test_a_daemon_that_hangs_holds_nothing_up(env: dict[str, str], told: Scripted) -> None:
    """Keys and resizes are answered while the daemon is not."""
    told.hangs = True
    terminal = watching(env)
    await terminal.shows("q or ctrl-c ends")
    terminal.resize(50, 9)
    await terminal.until(lambda now: now.lines[8:] != [])
    terminal.type("q")

    assert 0 == await terminal.end()


@pytest.mark.unfollowed
@pytest.mark.parametrize(
    ("redirection", "term", "reason"),
    [(" | cat", "xterm", "standard output is none"), ("", "dumb", "it is dumb"), ("", "", "it is dumb")],
)
async def test_it_needs_a_terminal(env: dict[str, str], redirection: str, term: str, reason: str) -> None:
    """One that can move its cursor."""
    line = f"{' '.join(WATCH)}{redirection}; echo ${{PIPESTATUS[0]}}"
    terminal = watching(env | {"TERM": term}, "bash", "-c", line)
    await terminal.end()

    assert [
        f"mayfly: error: --watch needs a terminal, and {reason}",
        "mayfly: hint: mayfly status",
        "2",
    ] == terminal.lines


@pytest.mark.usefixtures("told")
@pytest.mark.unfollowed
async def test_it_works_without_a_keyboard(env: dict[str, str]) -> None:
    """With standard input elsewhere it is watched until a signal comes; `nohup`'s SIGHUP is none."""
    terminal = watching(env, "bash", "-c", f"trap '' HUP; exec {' '.join(WATCH)} < /dev/null")
    await terminal.shows("work  fresh")
    terminal.kill(signal.SIGHUP)
    await terminal.wrote(b"\x1b[24;1H", times=2)
    terminal.kill(signal.SIGTERM)

    assert -signal.SIGTERM == await terminal.end()
