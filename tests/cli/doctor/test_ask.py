"""`mayfly doctor --ask`: the references, read by a child that says whether they resolve, and no more."""

from __future__ import annotations

import asyncio
import signal
import sys

from typing import Any

import pytest

from support.patient import Patient
from support.world import SEED_TOML


SECOND = SEED_TOML.replace("nsrc]", "second]")


def secrets_of(patient: Patient) -> set[str]:
    return {patient.vault.access_key_id, patient.vault.secret_access_key, patient.vault.totp_seed}


async def test_every_profile_is_asked_for_in_one_op_and_no_value_is_told(patient: Patient) -> None:
    """One prompt; without `--ask` there is none, and no `op` but `op --version`."""
    patient.write_toml(SEED_TOML + SECOND)
    before = await patient.doctor()
    assert [["--version"]] == [call["argv"] for call in patient.vault.calls()]
    found = await patient.doctor("--ask")

    assert set() == {name for name in before.checks if name.startswith("references")}
    assert {"references.nsrc": "ok", "references.second": "ok"} == {
        name: check["state"] for name, check in found.checks.items() if name.startswith("references")
    }
    assert 1 == patient.vault.state()["prompts"]
    assert (
        "mayfly: asking 1Password for the references of nsrc, second: approve its prompt when it comes\n"
        == found.ended.err
    )
    codes = {patient.vault.code_at(call["started"]) for call in patient.vault.calls() if "started" in call}
    assert set() == {secret for secret in secrets_of(patient) | codes if secret in found.ended.out + found.ended.err}


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a field that is not there": (SEED_TOML.replace("/totp", "/otp"), {}, "otp"),
    "an item that is not there": (SEED_TOML.replace("Training", "Trainee"), {}, "Trainee"),
    "a field with something else": (
        SEED_TOML.replace("/access_key_id", "/mfa_id"),
        {},
        "is not a long-term access key",
    ),
    "a dismissed prompt": (SEED_TOML, {"prompt": {"answer": "reject"}}, "dismissed"),
    "an app that does not run": (SEED_TOML, {"app": {"running": False}}, "not running"),
    "an op whose text is not known": (SEED_TOML, {"misbehave": "empty"}, "unexpected server response"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_does_not_resolve_is_named(patient: Patient, name: str) -> None:
    """The reference and the cause, in 1Password's words; the other profile is told by itself.

    Where `op` says nothing that is known, the next step is the config, and not the command that has just run.
    """
    text, state, words = WRONG[name]
    patient.write_toml(text + (SECOND if text != SEED_TOML else ""))
    patient.vault.update(**state)
    found = await patient.doctor("--ask")

    assert "failure" == found.unwell["references.nsrc"]
    assert words.lower() in found.message("references.nsrc").lower()
    assert found.hint("references.nsrc") == (
        "mayfly login nsrc" if state.keys() & {"prompt", "app"} else f"vi {patient.config}"
    )
    assert "references.second" not in found.unwell
    assert set() == {secret for secret in secrets_of(patient) if secret in found.ended.out}


async def test_a_locked_screen_is_not_prompted_through(patient: Patient) -> None:
    """Nobody could see the prompt."""
    hints = 'case "$1" in show-user) echo 7;; *) printf "LockedHint=yes\\nIdleHint=no\\n";; esac'
    patient.put_program("loginctl", hints)
    found = await patient.doctor("--ask")

    assert "warning" == found.unwell["references"]
    assert "the screen is locked" in found.message("desk.presence")
    assert 0 == patient.vault.state()["prompts"]


async def test_ctrl_c_takes_the_prompt_away(patient: Patient) -> None:
    """The child and its `op` end with the doctor."""
    patient.vault.update(prompt={"answer": "ignore", "timeout_s": 60})
    asking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "doctor", "--ask"), env=patient.env, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        while not patient.vault.state()["prompts"]:
            await asyncio.sleep(0.05)
        asking.send_signal(signal.SIGINT)
        assert 130 == await asking.wait()
        while patient.vault.state()["overlap"]["now"]:
            await asyncio.sleep(0.05)


async def test_ask_goes_with_no_sandbox(patient: Patient) -> None:
    """Wrong usage."""
    ended = await patient.run("doctor", "--ask", "--sandbox")

    assert (2, "") == (ended.code, ended.out)
