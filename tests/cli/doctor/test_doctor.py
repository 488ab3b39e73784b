"""`mayfly doctor` on a machine that is well, and on one where a single thing is wrong."""

from __future__ import annotations

import json

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mayfly.cli import environment
from support.patient import Patient


Env = dict[str, str]

ALL = [
    "mayfly",
    "config.file",
    "config.access",
    "config.content",
    "runtime.folder",
    "runtime.memory",
    "runtime.tokens",
    "op.program",
    "op.version",
    "op.group",
    "op.app",
    "op.account",
    "op.integration",
    "port",
    "service.installed",
    "daemon.running",
    "daemon.version",
    "daemon.config",
    "daemon.notes",
    "daemon.detours",
    "session.nsrc",
    "environment.keys",
    "environment.profile",
    "environment.endpoint",
    "aws.default",
    "aws.profiles",
    "network.proxy",
    "network.settings",
    "network.sts",
    "clock",
    "clients.aws",
    "clients.boto3",
    "clients.terraform",
    "desk.presence",
    "desk.notifications",
    "key-age.nsrc",
]


async def test_a_machine_that_is_well_has_nothing_to_mend(patient: Patient) -> None:
    """Every check is ok, in the order of what stands on what; nobody is prompted, and nothing is changed."""
    async with patient.serve():
        assert 0 == (await patient.run("login")).code
        prompts, before = patient.vault.state()["prompts"], _files(patient)
        found = await patient.doctor()
        page = await patient.run("doctor")

        assert {} == found.unwell
        assert ALL == list(found.checks)
        assert (0, "", 0, "") == (found.ended.code, found.ended.err, page.code, page.err)
        assert (prompts, before) == (patient.vault.state()["prompts"], _files(patient))
    assert f"{len(ALL)} checks: {len(ALL)} ok, 0 warnings, 0 failures" == page.out.splitlines()[-1]
    assert not any(call["argv"] != ["--version"] for call in patient.vault.calls()[1:])


def _files(patient: Patient) -> list[tuple[str, int, int]]:
    places = [place for folder in (patient.home, patient.run_dir) for place in folder.rglob("*")]
    return sorted((str(place), place.lstat().st_mode, place.lstat().st_mtime_ns) for place in places)


# Faults: each changes one thing, and returns the variables of the shell that has it.


def _write(path: Path, text: str, mode: int = 0o600) -> Env:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return {}


def _aws(patient: Patient, name: str, text: str, **env: str) -> Env:
    return _write(patient.home / ".aws" / name, text) | env


def _chmod(path: Path, mode: int) -> Env:
    path.chmod(mode)
    return {}


def _linked(patient: Patient) -> Env:
    token = patient.run_dir / "tokens/nsrc"
    token.rename(token.with_name("elsewhere"))
    token.symlink_to("elsewhere")
    return {}


def _op_version(patient: Patient, version: str) -> Env:
    patient.put_op(version)
    return {}


def _put(patient: Patient, name: str, script: str) -> Env:
    patient.put_program(name, script)
    return {}


def _skew(patient: Patient, seconds: float) -> Env:
    patient.sts.faults.clock_skew_seconds = seconds
    return {}


def _endpoint(patient: Patient, *, port: int = 0, profile: str = "nsrc", token: str = "") -> Env:
    return {
        environment.URL: f"http://127.0.0.1:{port or patient.port}/credentials/{profile}",
        environment.TOKEN: token or patient.token(),
        "MAYFLY_PROFILE": profile,
    }


def _settings(patient: Patient, *, is_on: bool) -> Env:
    text = json.dumps({"developers.cliSharedLockState.enabled": is_on})
    return _write(patient.home / ".config/1Password/settings/settings.json", text)


def _op_config(patient: Patient, mode: int = 0o700, **tree: Any) -> Env:
    folder = patient.home / ".config/op"
    _write(folder / "config", json.dumps(tree))
    return _chmod(folder, mode)


KEYS = "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = hunter2hunter2\n"
BOTO = KEYS.replace("default", "Credentials")
SSO = "[other]\nx = 1\n[default]\nsso_session = work\nregion = us-east-1\n"
BY_HAND = {"shorthand": "my", "url": "https://my.1password.com", "accountKey": "A3-SECRET"}

# By name: what goes wrong, the check that says so, its state, and whether its hint can be followed here.
FAULTS: dict[str, tuple[Callable[[Patient], Env], str, str, bool]] = {
    "config: others can write it": (lambda p: _chmod(p.config, 0o666), "config.access", "failure", True),
    "config: a folder that others can write": (
        lambda p: _chmod(p.config.parent, 0o777),
        "config.access",
        "failure",
        True,
    ),
    "config: named by a variable, and not there": (
        lambda _: {"MAYFLY_CONFIG": "/nosuch/config.toml"},
        "config.file",
        "failure",
        True,
    ),
    "runtime folder: open to others": (lambda p: _chmod(p.run_dir, 0o755), "runtime.folder", "failure", True),
    "tokens: open to others": (lambda p: _chmod(p.run_dir / "tokens/nsrc", 0o644), "runtime.tokens", "failure", True),
    "tokens: a link": (_linked, "runtime.tokens", "failure", True),
    "op: too old": (lambda p: _op_version(p, "2.17.3"), "op.version", "failure", False),
    "op: old": (lambda p: _op_version(p, "2.25.0-beta.01"), "op.version", "warning", False),
    "op: others can write it": (lambda p: _chmod(p.op, 0o777), "op.program", "failure", True),
    "op: its folder is open": (lambda p: _op_config(p, 0o755), "op.account", "failure", True),
    "op: signed in by hand": (lambda p: _op_config(p, accounts=[BY_HAND]), "op.account", "warning", False),
    "op: an account by variable": (lambda _: {"OP_ACCOUNT": "work"}, "op.variables", "warning", False),
    "app: does not answer op": (lambda p: _settings(p, is_on=False), "op.integration", "warning", False),
    "shell: keys": (
        lambda _: {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "hunter2hunter2"},
        "environment.keys",
        "failure",
        True,
    ),
    "shell: a profile with keys": (
        lambda p: _aws(p, "credentials", KEYS.replace("default", "other"), AWS_PROFILE="other"),
        "environment.profile",
        "warning",
        True,
    ),
    "shell: a profile that is not there": (
        lambda _: {"AWS_DEFAULT_PROFILE": "gone"},
        "environment.profile",
        "failure",
        True,
    ),
    "shell: a profile that mayfly could write": (
        lambda _: {"AWS_PROFILE": "nsrc"},
        "environment.profile",
        "failure",
        True,
    ),
    "shell: an old token": (lambda p: _endpoint(p, token="x" * 43), "environment.endpoint", "failure", True),
    "shell: an old port": (lambda p: _endpoint(p, port=9), "environment.endpoint", "failure", True),
    "shell: a profile that is gone": (lambda p: _endpoint(p, profile="old"), "environment.endpoint", "failure", True),
    "shell: a proxy": (lambda _: {"HTTPS_PROXY": "http://proxy:3128"}, "network.proxy", "warning", True),
    "shell: certificates that are none": (
        lambda p: {"AWS_CA_BUNDLE": str(p.config)},
        "network.settings",
        "failure",
        True,
    ),
    "aws: keys of [default]": (lambda p: _aws(p, "credentials", KEYS), "aws.default", "failure", True),
    "aws: [default] by SSO": (lambda p: _aws(p, "config", SSO), "aws.default", "failure", True),
    "aws: keys that boto 2 has left": (lambda p: _write(p.home / ".boto", BOTO), "aws.default", "failure", True),
    "aws: a head without its end": (lambda p: _aws(p, "config", "[default\n"), "aws.profiles", "failure", False),
    "aws: a section twice": (lambda p: _aws(p, "credentials", "[a]\n[a]\n"), "aws.profiles", "failure", False),
    "aws: binary": (lambda p: _aws(p, "config", "\0\0"), "aws.profiles", "failure", False),
    "clock: 20 s off": (lambda p: _skew(p, 20), "clock", "warning", False),
    "clock: hours off": (lambda p: _skew(p, -7200), "clock", "failure", False),
    "aws cli: too old": (
        lambda p: _put(p, "aws", "echo aws-cli/2.9.19 Python/3.11.2"),
        "clients.aws",
        "warning",
        False,
    ),
    "boto3: too old": (lambda p: _put(p, "python3", "echo botocore/1.29.76"), "clients.boto3", "warning", False),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_has_its_check_and_its_remedy(ward: Patient, name: str) -> None:
    """One check says what is wrong, and no other; where its hint is followed, the machine is well again."""
    arrange, check, state, is_mended = FAULTS[name]
    ward.recover()
    env = arrange(ward)
    found = await ward.doctor(env=env, are_followed=False)

    assert {check: state} == found.unwell
    assert int(state == "failure") == found.ended.code
    assert [] == [secret for secret in ("hunter2", "A3-SECRET") if secret in found.ended.out]
    if is_mended:
        after = await ward.follow(found.hint(check), env)
        assert {} == (await ward.doctor(env=env | after, are_followed=False)).unwell
