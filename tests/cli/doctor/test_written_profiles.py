"""The profiles that `aws-config --write` has written: still right, and still the ones that SDKs take."""

from __future__ import annotations

import sys

from pathlib import Path

import pytest

from support.patient import Patient


WRONG = {
    "keys in its section": ("region = ", "aws_access_key_id = AKIA\nregion = ", "which SDKs take before"),
    "a mayfly that is gone": (str(Path(sys.executable).parent), "/opt/gone", "which is not there"),
    "another runtime folder": ("/mayfly/control.sock", "/elsewhere/control.sock", "and mayfly is at"),
}


async def written(patient: Patient) -> Path:
    """The config file, as mayfly writes it where curl is on PATH."""
    patient.recover()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    assert 0 == (await patient.run_program("mayfly", "aws-config", "--write", env={"PATH": path})).code
    assert {} == (await patient.doctor(env={"AWS_PROFILE": "nsrc"})).unwell
    return patient.home / ".aws/config"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", WRONG)
async def test_a_profile_that_no_longer_works_is_written_anew(ward: Patient, name: str) -> None:
    """The hint mends it, and keeps what is the user's."""
    old, new, words = WRONG[name]
    config = await written(ward)
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    found = await ward.doctor()

    assert ({"aws.profiles": "failure"}, True) == (found.unwell, words in found.message("aws.profiles"))
    await ward.follow(found.hint("aws.profiles"))
    assert {} == (await ward.doctor()).unwell


@pytest.mark.asyncio(loop_scope="module")
async def test_keys_of_the_same_name_win_and_are_left_to_the_user(ward: Patient) -> None:
    """They may be the only copy: the hint opens the file."""
    config = await written(ward)
    credentials = config.with_name("credentials")
    credentials.write_text("[nsrc]\naws_access_key_id = AKIA\naws_secret_access_key = hunter2\n")
    found = await ward.doctor(env={"EDITOR": "nano"})

    assert {"aws.profiles": "failure"} == found.unwell
    assert "has aws_access_key_id for nsrc" in found.message("aws.profiles")
    assert f"nano {credentials}" == found.hint("aws.profiles")
    assert "hunter2" not in found.ended.out
