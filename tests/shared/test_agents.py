"""The marks of coding agents, and the walk through /proc that finds them."""

from __future__ import annotations

import os
import re

from collections.abc import Mapping
from pathlib import Path

import pytest

import mayfly

from mayfly.shared import ancestry
from mayfly.shared.agents import MARKS, MAX_NAME_CHARACTERS, Mark, agent_of_environment
from mayfly.shared.ancestry import UNKNOWN, Agent, Changed, agent_of, look


def environment(**variables: str) -> bytes:
    return b"".join(f"{name}={value}\0".encode() for name, value in variables.items())


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: f"{mark.variable}={mark.value or ''}")
def test_every_mark_names_its_agent_and_its_source(mark: Mark) -> None:
    """The mark alone is enough, an empty value or another one than a mark asks for is none, and somebody says so."""
    value = mark.value or "7"

    assert (mark.agent or "7") == agent_of_environment(environment(PATH="/bin", **{mark.variable: value}))
    assert agent_of_environment(environment(**{mark.variable: ""})) is None
    assert mark.value is None or agent_of_environment(environment(**{mark.variable: f"{value}x"})) is None
    assert "." in mark.source


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"CODEX_HOME": "/home/me/.codex"},
        {"CLAUDE_CONFIG_DIR": "/home/me/.claude", "ANTHROPIC_API_KEY": "x"},
        {"CURSOR_TRACE_ID": "x", "TERM_PROGRAM": "vscode"},
        {"REPL_ID": "x"},
        {"GOOSE_PROVIDER": "anthropic", "OPENCODE_CLIENT": "cli", "COPILOT_MODEL": "x"},
        {"GEMINI_API_KEY": "x", "GEMINI_CLI_HOME": "/x"},
        {"AGENT": "1", "SSH_AUTH_SOCK": "/tmp/agent"},
        {"MY_CLAUDECODE": "1", "CLAUDECODE_": "1", "claudecode": "1"},
        {"X": "\nCLAUDECODE=1"},
    ],
    ids=lambda variables: next(iter(variables), "nothing"),
)
def test_what_a_person_sets_is_no_mark(variables: Mapping[str, str]) -> None:
    """Settings of agents, and terminals of editors, say nothing of who runs a program."""
    assert agent_of_environment(environment(**variables)) is None


def test_the_agents_own_mark_names_it_before_the_common_one() -> None:
    """AI_AGENT is any text: it is made safe and short, and another mark's name comes first."""
    assert "claude-code" == agent_of_environment(environment(AI_AGENT="claude-code_2_agent", CLAUDECODE="1"))
    assert "a?b" == agent_of_environment(environment(AI_AGENT="a\x1bb"))
    assert "\ufffd" == agent_of_environment(b"AI_AGENT=\xff")
    assert MAX_NAME_CHARACTERS == len(agent_of_environment(environment(AI_AGENT="x" * 99)) or "")
    assert agent_of_environment(b"\0\0CLAUDECODE\0=\0") is None


class Proc:
    """A /proc of the test's own. The first process is 1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.put(1, 0, b"PATH=/bin\0")

    def put(self, pid: int, parent: int, marks: bytes, *, started: int = 0) -> None:
        (self.folder / str(pid)).mkdir(exist_ok=True)
        zeros = " 0" * 17
        (self.folder / f"{pid}/stat").write_text(f"{pid} (a) b) S {parent}{zeros} {started or pid} 0 0\n")
        (self.folder / f"{pid}/environ").write_bytes(marks)
        (self.folder / f"{pid}/cmdline").write_bytes(b"a\0")

    def becomes(self, pid: int) -> None:
        """The process is in the middle of an execve(2)."""
        (self.folder / f"{pid}/environ").write_bytes(b"")
        (self.folder / f"{pid}/cmdline").write_bytes(b"")

    def hide(self, pid: int) -> None:
        """The environment cannot be read, not even by root."""
        (self.folder / f"{pid}/environ").unlink()


@pytest.fixture(name="proc")
def _proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


MARKED, NAMED, UNMARKED = environment(CLAUDECODE="1"), environment(AI_AGENT="other"), environment(PATH="/bin")
NOTHING = b""


@pytest.mark.parametrize(
    ("line", "agent"),
    [
        ((UNMARKED, UNMARKED, UNMARKED), None),
        ((UNMARKED, UNMARKED, MARKED), Agent("claude-code", 11, 11)),
        ((UNMARKED, MARKED, UNMARKED), Agent("claude-code", 10, 10)),
        ((UNMARKED, MARKED, NAMED), Agent("claude-code", 10, 10)),
        ((UNMARKED, MARKED, UNMARKED, NAMED, UNMARKED), Agent("claude-code", 10, 10)),
        ((MARKED, UNMARKED), Agent("claude-code", 1, 1)),
    ],
)
def test_the_agent_is_the_parent_of_the_topmost_marked_process(
    proc: Proc, line: tuple[bytes, ...], agent: Agent | None
) -> None:
    """Agents mark what they start: the topmost mark names the agent, and its parent is the agent.

    The start time tells it from others that get its pid later.
    """
    for place, marks in enumerate(line):
        proc.put(10 + place, 9 + place if place else 1, marks)

    assert agent == agent_of(9 + len(line), proc.folder)


def test_an_ancestor_that_cannot_be_read_is_unmarked(proc: Proc) -> None:
    """What lies above and below it counts all the same."""
    proc.put(10, 1, MARKED)
    proc.put(11, 10, MARKED)
    proc.put(12, 11, UNMARKED)
    proc.hide(11)
    assert Agent("claude-code", 1, 1) == agent_of(12, proc.folder)
    proc.hide(10)
    assert agent_of(12, proc.folder) is None


def test_a_process_that_cannot_be_looked_at_is_unknown(proc: Proc) -> None:
    """It counts as an agent's: nobody knows what it is."""
    proc.put(10, 1, UNMARKED)
    proc.hide(10)

    assert [UNKNOWN] * 3 == [agent_of(pid, proc.folder) for pid in (10, 99, 0)]


def test_another_users_process_is_unknown(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is not for us to read, also where we could."""
    proc.put(10, 1, UNMARKED)
    monkeypatch.setattr(os, "getuid", lambda: os.stat(proc.folder).st_uid + 1)  # noqa: PTH116

    assert UNKNOWN == agent_of(10, proc.folder)


def test_parents_that_go_in_circles_end(proc: Proc) -> None:
    """No state of /proc makes the walk endless."""
    proc.put(10, 11, UNMARKED)
    proc.put(11, 10, MARKED)

    assert Agent("claude-code", 10, 10) == agent_of(10, proc.folder)


@pytest.mark.parametrize(
    ("changes", "agent"), [(1, None), (ancestry.TRIES - 1, None), (ancestry.TRIES, UNKNOWN)], ids=str
)
def test_a_pid_that_is_used_again_during_the_walk_is_noticed(
    proc: Proc, monkeypatch: pytest.MonkeyPatch, changes: int, agent: Agent | None
) -> None:
    """The start times are compared at the end: the walk is repeated, and after some tries the process is unknown."""
    proc.put(10, 1, UNMARKED)
    proc.put(11, 10, NOTHING)
    turns = iter(range(changes))

    def other_process(marks: bytes) -> str | None:
        if marks == NOTHING and (turn := next(turns, None)) is not None:
            proc.put(10, 1, UNMARKED, started=1000 + turn)
        return agent_of_environment(marks)

    monkeypatch.setattr(ancestry, "agent_of_environment", other_process)
    assert agent == agent_of(11, proc.folder)


@pytest.mark.parametrize("becoming", [10, 11], ids=["its parent", "itself"])
def test_a_process_that_becomes_another_program_is_not_unmarked(proc: Proc, becoming: int) -> None:
    """For a moment it has neither an environment nor a command line; `env -i` leaves a command line."""
    proc.put(10, 1, MARKED)
    proc.put(11, 10, NOTHING)
    proc.becomes(becoming)
    found = agent_of(11, proc.folder)
    proc.put(becoming, becoming - 1 if becoming > 10 else 1, NOTHING)

    assert (UNKNOWN, becoming == 10) == (found, agent_of(11, proc.folder) is None)


def test_one_walk_says_that_the_processes_were_others(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent that ends takes its child to another one, which is another line of ancestors."""
    proc.put(10, 1, MARKED)
    proc.put(11, 10, NOTHING)

    def orphaned(marks: bytes) -> str | None:
        proc.put(11, 1, NOTHING, started=11)
        return agent_of_environment(marks)

    monkeypatch.setattr(ancestry, "agent_of_environment", orphaned)
    with pytest.raises(Changed):
        look(11, proc.folder)


def test_a_process_that_ends_during_the_walk_is_unknown(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that was read of a process that has gone counts for nothing."""
    proc.put(10, 1, UNMARKED)

    def ends(_marks: bytes) -> str | None:
        (proc.folder / "10/stat").unlink(missing_ok=True)
        return None

    monkeypatch.setattr(ancestry, "agent_of_environment", ends)
    assert UNKNOWN == agent_of(10, proc.folder)


def test_the_page_on_agents_has_every_mark() -> None:
    """Each mark is a row of docs/agents.md, and the page has no other."""
    page = (Path(mayfly.__file__).parents[2] / "docs/agents.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (?:`(.*?)`|any) \| (.*?) \|$", page, re.MULTILINE)

    assert rows == [(mark.variable, mark.value or "", mark.agent or "the value") for mark in MARKS]
