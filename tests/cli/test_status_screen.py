"""`mayfly status` on real terminals: every state, in several widths, colours and character sets.

The expected screens are in `snapshots/`. After a change, `MAYFLY_SNAPSHOTS=write` writes them anew: look at the diff.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from mayfly.cli.status.page import page
from mayfly.cli.status.phrases import instant, usage
from mayfly.cli.terminal import Terminal as Shape
from mayfly.cli.terminal import width_of
from support.scripted import scripted
from support.states import STATES, status
from support.terminal import Terminal


SNAPSHOTS = Path(__file__).parent / "snapshots"
MAYFLY = (sys.executable, "-m", "mayfly")
ALL_ROWS = 90


@pytest.fixture(name="env")
async def _env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    """The environment of a shell whose daemon has a profile in each state; `op` has put a prompt on the screen."""
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(tmp_path / "run"))
    async with scripted(tmp_path / "run/control.sock", status()):
        yield {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MAYFLY_RUNTIME_DIR": str(tmp_path / "run")}


async def shown(env: dict[str, str], columns: int, **options: str) -> Terminal:
    """The terminal after `mayfly status` has ended."""
    terminal = Terminal((*MAYFLY, "status"), env, Path(env["HOME"]), columns=columns, rows=ALL_ROWS, **options)
    assert 0 == await terminal.end(), terminal.text
    return terminal


def expected(name: str) -> list[str]:
    return (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.unfollowed
@pytest.mark.parametrize("columns", [60, 80, 140])
async def test_the_screen_in_three_widths(env: dict[str, str], columns: int) -> None:
    """Every state has its bar, its word, its next step and its instants."""
    terminal = await shown(env, columns)

    if os.environ.get("MAYFLY_SNAPSHOTS") == "write":
        SNAPSHOTS.joinpath(f"status-{columns}.txt").write_text(terminal.text + "\n", encoding="utf-8")
    assert expected(f"status-{columns}") == terminal.lines


COLOURS = {
    "fresh": "green",
    "due": "brown",
    "renewing": "cyan",
    "waiting for a touch": "cyan",
    "cooling off": "red",
    "expired": "red",
    "never asked": "default",
}
WORDS = {"waiting for a touch": "waiting", "cooling off": "failed", "never asked": "empty"}


async def test_a_phase_has_a_colour_and_a_word(env: dict[str, str]) -> None:
    """With NO_COLOR the words alone are left; an empty NO_COLOR asks for nothing."""
    coloured = await shown(env | {"NO_COLOR": ""}, 80)
    plain = await shown(env | {"NO_COLOR": "1"}, 80)

    def seen(terminal: Terminal) -> dict[str, str]:
        return {name: terminal.colour_of(WORDS.get(name, name), f"{STATES[name].profile} ") for name in COLOURS}

    assert COLOURS == seen(coloured)
    assert {"default"} == set(seen(plain).values())
    assert b"\x1b" not in plain.raw
    assert coloured.lines == plain.lines


@pytest.mark.unfollowed
@pytest.mark.parametrize("others", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "latin-1"}])
async def test_a_terminal_without_blocks_gets_ascii(env: dict[str, str], others: dict[str, str]) -> None:
    """The same lines, with other signs for the bar; a dumb one gets no escape sequences either."""
    terminal = await shown(env | others, 80)

    in_ascii = str.maketrans("█░·", "#--")
    assert [line.translate(in_ascii) for line in expected("status-80")] == terminal.lines
    assert terminal.raw.isascii()
    assert (others.get("TERM") != "dumb") == (b"\x1b" in terminal.raw)


async def test_a_pipe_gets_a_line_for_each_profile(env: dict[str, str]) -> None:
    """Nothing is wrapped or coloured for another program; watch(1) says by COLUMNS how wide its terminal is."""
    piped = await output(env)
    narrow = await output(env | {"COLUMNS": "60"})

    assert "\x1b" not in piped
    starts = [f"{row.profile} " for row in STATES.values()]
    assert starts == [line[: len(start)] for start, line in zip(starts, bars(piped), strict=True)]
    assert expected("status-60") == narrow.splitlines()


STAGES = [
    ("connect", 3, None, "connecting to AWS"),
    ("code", 3, 14, "waiting for the next one-time password, 14 s"),
    ("op", 3, None, "waiting for 1Password"),
    ("approve", 61, None, "waiting for 1Password: approve the prompt, 61 s so far"),
    ("aws", 3, None, "asking AWS"),
    ("of a later version", 3, None, "waiting for the daemon"),
]


@pytest.mark.parametrize(("name", "since", "left", "text"), STAGES)
def test_what_is_waited_for_is_told_of_each_profile(name: str, since: int, left: int | None, text: str) -> None:
    """In the words of `mayfly login`; a prompt of one profile is not told of another that waits for AWS."""
    tree = status("waiting for a touch", "renewing")
    tree["profiles"][0]["stage"] = {"name": name, "since_seconds": since, "left_seconds": left}
    lines = page(tree, Shape(has_blocks=True))

    assert [text, "asking AWS"] == [line[50:].split("  ")[0].partition(" · ")[0] for line in lines[:2]]


def test_the_time_so_far_goes_on() -> None:
    """By the daemon's clock, as `--watch` shows it; an earlier daemon's next step is told as it is."""
    tree = status("waiting for a touch")
    later = instant(tree["observed_at"]) + timedelta(seconds=4)
    told = page(tree, Shape(), now=later)[0]
    tree["profiles"][0]["stage"] = None

    assert told.endswith("  waiting for 1Password: approve the prompt, 7 s so far")
    assert page(tree, Shape())[0].endswith("  waiting for 1Password and AWS")


async def output(env: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *MAYFLY, "status", stdout=asyncio.subprocess.PIPE, env={"TZ": "UTC", "PYTHONUTF8": "1", **env}
    )
    out, _ = await process.communicate()
    assert 0 == process.returncode
    return out.decode()


def bars(text: str) -> list[str]:
    return [line for line in text.splitlines() if "░" in line or "█" in line]


async def test_a_reader_that_has_gone_is_no_error(env: dict[str, str]) -> None:
    """`mayfly status | head -1` ends without a word."""
    line = f"{sys.executable} -m mayfly status | head -1; exec 3>&1; {sys.executable} -m mayfly status | exec 3>&-"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", line, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env
    )
    out, err = await process.communicate()

    assert (b"work ", b"") == (out[:5], err)


@pytest.mark.parametrize("has_blocks", [True, False])
def test_no_line_is_wider_than_the_terminal(*, has_blocks: bool) -> None:
    """From 30 columns to more than 200, where long words may be broken; and no profile is lost."""
    told = json.loads(json.dumps(status(config="/home/" + "long/" * 30)))
    told["last_fetches"][0]["program"] = "プログラム" * 5
    for columns in range(30, 230, 7):
        lines = page(told, Shape(columns=columns, has_blocks=has_blocks), breaks_words=True)
        assert columns >= max(map(width_of, lines))
        assert len(STATES) == sum(line.startswith(tuple(row.profile for row in STATES.values())) for line in lines)


def test_a_long_name_has_a_line_of_its_own() -> None:
    """The bar stands under it, as wide as the others'."""
    told = json.loads(json.dumps(status("fresh", "due")))
    told["profiles"][0]["profile"] = "a" * 64
    lines = page(told, Shape(columns=60, has_blocks=True))

    assert ("a" * 64, 1) == (lines[0], len({line.index("█") for line in bars("\n".join(lines))}))


def test_a_daemon_of_an_earlier_version_is_understood() -> None:
    """It tells neither when a session was issued nor when it is renewed: the bar is blank, the words are there."""
    told = json.loads(json.dumps(status("fresh", "never asked")))
    for row in told["profiles"]:
        for name in ("source", "issued_at", "renewal_at", "renewal_takes"):
            del row[name]
    lines = page(told, Shape())

    assert ["work", "fresh", "5h", "renewed", "by", "itself"] == lines[0].split()[:6]
    assert "got when a client asks, or by 'mayfly login new'" in lines[1]


def test_the_agent_that_a_program_works_for_is_told_with_it() -> None:
    """An older daemon does not say; a narrow page has room for the agent, too."""
    rows = status("fresh")
    row, now = rows["profiles"][0], instant(rows["observed_at"])
    fetch = {"profile": row["profile"], "pid": 7, "program": "python3", "agent": "Boto3", "at": row["last_fetched_at"]}

    assert usage(row, (), [fetch], now).endswith(" by python3 (pid 7, Boto3)")
    fetch["acting_agent"] = "claude-code"
    assert usage(row, (), [fetch], now).endswith(" by python3 (pid 7, Boto3, for claude-code)")
    assert usage(row, (), [fetch], now, is_short=True).endswith(" by python3 (pid 7, for claude-code)")
