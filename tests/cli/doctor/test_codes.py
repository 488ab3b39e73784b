"""Profiles without MFA and with an `otp_command`, in a daemon: they work, and what is weak or missing is told."""

from __future__ import annotations

from support.codes import Authenticator, on_command, without_mfa
from support.patient import Patient


async def test_what_is_weaker_and_what_is_missing_is_told_by_the_daemon_and_the_doctor(patient: Patient) -> None:
    """The daemon serves the profiles that it can; the doctor runs no command, and asks IAM nothing without MFA."""
    key = Authenticator(patient)
    lost = on_command("lost", "keyman-of-nobody", "duration_seconds = 3600")
    patient.write_toml(without_mfa("plain") + on_command("key", key.path) + lost)
    async with patient.serve() as daemon:
        replies = {name: await patient.get(f"/credentials/{name}") for name in ("plain", "key", "lost")}
        found = await patient.doctor()
        log = daemon.log_text

    assert {"plain": 200, "key": 200, "lost": 400} == {name: reply.status for name, reply in replies.items()}
    missing = "otp_command: keyman-of-nobody is not on PATH"
    assert ("ConfigInvalid", True) == (replies["lost"].json["code"], missing in replies["lost"].json["message"])
    assert f"warning: {patient.config}: profiles.plain: has no MFA" in log
    assert f"warning: {patient.config}: profiles.lost.{missing}" in log
    unwell = {"config.content": "warning", "otp-command.lost": "failure", "session.lost": "failure"}
    assert unwell == found.unwell
    assert f"by {key.path}, which asks a person and is not run here" == found.message("otp-command.key")
    assert "its sessions have no MFA" in found.message("key-age.plain")
    assert 1 == len(key.runs)
