"""`mayfly grant -- CMD` in a shell on a terminal: Ctrl-C, Ctrl-Z and fg are the command's, as if we were not there."""

from __future__ import annotations

import sys

from collections.abc import AsyncIterator

import pytest

from support.granter import Granter
from support.terminal import Terminal
from support.world import World


ID = "1a2b3c4d"
COMMAND = f"{sys.executable} -m mayfly grant nsrc -- "
# Counts what it gets, so that a signal that came twice is seen.
COUNTING = """import signal, sys
def note(number, _):
    print("got", signal.Signals(number).name, flush=True)
for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH):
    signal.signal(number, note)
print("ready", flush=True)
for line in sys.stdin:
    print("read", line.strip(), flush=True)
print("over")
"""


@pytest.fixture(name="bash")
async def _bash(world: World) -> AsyncIterator[Terminal]:
    """An interactive shell, with the command's program in its folder."""
    (world.home / "counting.py").write_text(COUNTING)
    env = world.env | {"PS1": "$ ", "HISTFILE": ""}
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"], env, world.home, columns=160)
    try:
        yield shell
    finally:
        shell.close()


async def lines(shell: Terminal, text: str, times: int = 1) -> None:
    """Read until so many lines of the screen are this text."""
    await shell.until(lambda now: now.lines.count(text) >= times)


async def test_the_terminals_signals_come_once(bash: Terminal, granting: Granter) -> None:
    """Ctrl-C, Ctrl-\\ and a resize reach the command once, and it goes on; so does the grant."""
    bash.type(f"{COMMAND}{sys.executable} counting.py\n")
    await bash.shows("ready")
    bash.type("\x03")
    await bash.shows("got SIGINT")
    bash.type("\x1c")
    await bash.shows("got SIGQUIT")
    bash.process.setwinsize(24, 150)
    await bash.shows("got SIGWINCH")
    bash.type("a line\n")
    await bash.shows("read a line")
    assert [ID] == list(granting.held)
    bash.type("\x04")
    await bash.shows("over")
    await granting.until("DELETE", f"/grants/{ID}")

    assert [1, 1, 1] == [bash.raw.count(f"got {name}".encode()) for name in ("SIGINT", "SIGQUIT", "SIGWINCH")]


async def test_a_stopped_command_gives_the_shell_back(bash: Terminal, granting: Granter) -> None:
    """Ctrl-Z stops both, the grant is held meanwhile, and fg has the command read the terminal again."""
    bash.type(f"{COMMAND}{sys.executable} counting.py\n")
    await bash.shows("ready")
    for times in (1, 2):
        bash.type("\x1a")
        await bash.wrote(b"Stopped", times)
        bash.type("echo shell-$((40 + 2))\n")
        await lines(bash, "shell-42", times)
        assert [ID] == list(granting.held)
        bash.type("fg\n")
        bash.type(f"again {times}\n")
        await lines(bash, f"read again {times}")
    bash.type("\x1a")
    await bash.wrote(b"Stopped", 3)
    # In the background it may not read the terminal, and is stopped again.
    bash.type("bg; while jobs | grep -q Running; do sleep 0.05; done; echo waited\n")
    await lines(bash, "waited")
    bash.type("fg\n")
    bash.type("again 3\n")
    await lines(bash, "read again 3")
    bash.type("\x1a")
    await bash.wrote(b"counting.py", 6)
    bash.type("kill %1; wait; echo gone\n")
    await lines(bash, "gone")
    await granting.until("DELETE", f"/grants/{ID}")


async def test_a_command_that_is_a_shell_has_jobs_of_its_own(bash: Terminal, granting: Granter) -> None:
    """It takes the terminal's foreground, and we neither stop it nor lose it."""
    bash.type(f"{COMMAND}bash --norc --noprofile -i\n")
    bash.type("PS1='inner '\n")
    await lines(bash, "inner")
    bash.type("cat\n")
    bash.type("\x1a")
    await bash.wrote(b"Stopped")
    bash.type("echo still-$MAYFLY_GRANT\n")
    await lines(bash, f"still-{ID}")
    bash.type("fg\n")
    bash.type("a line\n")
    await lines(bash, "a line", 2)
    bash.type("\x04")
    bash.type("exit 3\n")
    bash.type("echo code-$?\n")
    await lines(bash, "code-3")
    await granting.until_held()


async def test_ctrl_c_ends_a_command_that_minds_it(bash: Terminal, granting: Granter) -> None:
    """The shell sees a death by SIGINT, as it would without us."""
    bash.type(f"{COMMAND}sh -c 'echo up; exec sleep 60'\n")
    await lines(bash, "up")
    bash.type("\x03")
    bash.type("echo code-$?\n")
    await lines(bash, "code-130")
    await granting.until("DELETE", f"/grants/{ID}")
