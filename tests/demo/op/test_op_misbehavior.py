"""How the stand-in `op` misbehaves, what it records, and how it is installed."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import stat
import subprocess

import pytest

from mayfly.demo.op import messages
from mayfly.demo.op.vault import Vault
from support.op import Op, template, until


@pytest.mark.parametrize("how", ["crlf", "invalid-utf8", "truncated"])
def test_output_can_be_spoilt(op: Op, vault: Vault, how: str) -> None:
    """Lines can end in CR LF, be no UTF-8, or be missing."""
    vault.update(misbehave=how, same_code=True)
    code, stdout, stderr = op.run("inject", stdin=template(vault))
    values = (vault.access_key_id, vault.secret_access_key, vault.state()["first_code"])
    lines = tuple(value.encode() for value in values)
    spoilt = {
        "crlf": b"%b\r\n%b\r\n%b\r\n" % lines,
        "invalid-utf8": b"\xff%b\n\xff%b\n\xff%b\n" % lines,
        "truncated": lines[0] + b"\n",
    }

    assert (0, spoilt[how], "") == (code, stdout, stderr)


def test_output_can_be_empty_with_exit_code_0(op: Op, vault: Vault) -> None:
    """As before 2.32.1: nothing on stdout, an error on stderr, and exit code 0."""
    vault.update(misbehave="empty")

    assert (0, b"", "unexpected server response\n") == op.run("inject", stdin=template(vault))


def test_output_can_be_a_flood(op: Op, vault: Vault) -> None:
    """It can print a megabyte, and survives a reader that stops reading."""
    vault.update(misbehave="flood")

    assert 1024 * 1024 == len(op.ask("inject", stdin=template(vault)))
    with op.start("vault", "list") as process:
        assert process.stdout is not None
        process.stdout.close()
    assert 0 == process.returncode


def test_errors_can_be_coloured(op: Op, vault: Vault) -> None:
    """Errors can be red even in a pipe."""
    vault.update(misbehave="ansi", fail="throttle")
    text, _ = op.refused("vault", "list")

    assert f"\x1b[31m{messages.FAILURES['throttle'][0]}\x1b[0m" == text


def test_stdin_can_stay_unread(op: Op, vault: Vault) -> None:
    """It can leave a template unread that is longer than a pipe holds."""
    vault.update(misbehave="ignore_stdin")

    assert (messages.NO_STDIN, 1) == op.refused("inject", stdin="x" * 500_000)
    assert [None] == [call["stdin"] for call in vault.calls()]


def test_call_can_hang(op: Op, vault: Vault) -> None:
    """A call that hangs is logged, prints nothing, and dies of SIGTERM."""
    vault.update(hang=True)
    process = op.start("--version")
    until(vault.calls)
    process.terminate()

    assert (b"", b"") == process.communicate()
    assert (-signal.SIGTERM, None) == (process.returncode, vault.calls()[0]["exit"])


def test_call_can_ignore_sigterm(op: Op, vault: Vault) -> None:
    """A call that ignores SIGTERM dies of SIGKILL alone."""
    vault.update(network="hang", ignore_sigterm=True)
    process = op.start("vault", "list")
    until(lambda: vault.state()["prompts"])
    process.terminate()

    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    process.kill()
    process.communicate()
    assert (-signal.SIGKILL, []) == (process.returncode, vault.calls())


def test_call_can_be_terminated_at_the_prompt(op: Op, vault: Vault) -> None:
    """A call that is terminated while it waits for the human is logged with its signal."""
    vault.update(prompt={"answer": "ignore"})
    process = op.start("vault", "list")
    until(lambda: vault.state()["prompts"])
    process.terminate()
    process.communicate()

    assert -signal.SIGTERM == process.returncode
    assert [-signal.SIGTERM] == [call["exit"] for call in vault.calls()]


@pytest.mark.parametrize("hold_pipes", [True, False])
def test_call_can_leave_a_daemon_behind(op: Op, vault: Vault, hold_pipes: bool) -> None:
    """The daemon is out of reach of killpg, and may hold the pipes open."""
    vault.update(daemon={"spawn": True, "hold_pipes": hold_pipes, "hold_s": 60})
    with op.start("vault", "list") as process:
        process.wait()
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        stdout = process.stdout
        assert stdout is not None
        assert os.read(stdout.fileno(), 100).startswith(b"ID ")
        ended, _, _ = select.select([stdout], [], [], 0.1)

    (daemon,) = vault.state()["daemons"]
    os.kill(daemon, 0)
    assert hold_pipes != bool(ended)


def test_log_has_the_input_of_a_call(op: Op, vault: Vault) -> None:
    """A line has the arguments, the names of the OP_ variables, stdin and the exit code."""
    vault.update(mode="service")
    op.ask("inject", stdin=template(vault), OP_SERVICE_ACCOUNT_TOKEN="ops_secret", OP_CACHE="false")

    line = {
        "argv": ["inject"],
        "op_env": ["OP_CACHE", "OP_SERVICE_ACCOUNT_TOKEN"],
        "stdin": template(vault),
        "exit": 0,
    }
    assert [line] == vault.calls()


def test_log_has_no_secret(op: Op, vault: Vault) -> None:
    """The log has no value of the vault or of the environment."""
    op.ask("inject", stdin=template(vault), OP_SESSION_x="a-session")
    text = json.dumps(vault.calls())

    secrets = (vault.access_key_id, vault.secret_access_key, vault.totp_seed, "a-session")
    assert [] == [secret for secret in secrets if secret in text]


def test_overlapping_calls_are_counted(op: Op, vault: Vault) -> None:
    """The state has the number of calls that run now, and the most that ran at one time."""
    op.ask("--version")
    vault.update(prompt={"answer": "ignore"})
    processes = [op.start("vault", "list") for _ in range(3)]
    until(lambda: vault.state()["prompts"] == 3)
    assert {"now": 3, "max": 3} == vault.state()["overlap"]
    vault.update(prompt={"answer": "approve"})
    for process in processes:
        process.communicate()

    assert {"now": 0, "max": 3} == vault.state()["overlap"]


def test_killed_calls_do_not_overlap(op: Op, vault: Vault) -> None:
    """A call that was killed with SIGKILL is no longer counted."""
    vault.update(network="hang")
    process = op.start("vault", "list")
    until(lambda: vault.state()["prompts"])
    process.kill()
    process.communicate()
    op.ask("--version")

    assert {"now": 0, "max": 1} == vault.state()["overlap"]


def test_installed_files_are_the_users_alone(op: Op) -> None:
    """Nobody else may read or write what a vault installs."""
    folder = op.path.parent.parent
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.rglob("*"))}

    files = {"bin": 0o700, "op": 0o700, "op.log": 0o600, "state.json": 0o600}
    assert {folder.name: 0o700} | files == modes


def test_keys_are_made_up(vault: Vault) -> None:
    """Keys have the shapes of real ones, and no two vaults have the same."""
    other = Vault()

    assert re.fullmatch(r"AKIA[A-Z0-9]{16}", vault.access_key_id)
    assert re.fullmatch(r"[A-Za-z0-9/+]{40}", vault.secret_access_key)
    assert vault.secret_access_key != other.secret_access_key
    assert vault.totp_seed != other.totp_seed
    assert [] == vault.calls()


def test_state_can_change_beside_running_calls(op: Op, vault: Vault) -> None:
    """Neither a test's changes nor those of running calls are lost."""
    processes = [op.start("vault", "list") for _ in range(4)]
    for number in range(100):
        vault.update(marks={str(number): number})
    for process in processes:
        process.communicate()

    assert list(range(100)) == list(vault.state()["marks"].values())
    assert (4, 4) == (vault.state()["calls"], len(vault.calls()))
