"""`mayfly doctor --sandbox`: names of what a program could reach, and no value."""

from __future__ import annotations

import re
import socket
import sys

from contextlib import ExitStack
from pathlib import Path

import pytest

from mayfly.cli import environment
from mayfly.cli.doctor.sandbox import is_secret
from support.patient import Diagnosis, Patient


VALUE = "hunter2hunter2hunter2"


def listen(stack: ExitStack, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sock = stack.enter_context(socket.socket(socket.AF_UNIX))
    sock.bind(str(path))
    sock.listen()


async def test_what_a_program_could_reach_is_named_and_its_values_are_not(patient: Patient) -> None:
    """Files, variables, tokens, sockets, op. Exit code 0: nothing is broken."""
    aws, here = patient.home / ".aws", patient.home
    aws.mkdir()
    (aws / "credentials").write_text(f"[work]\naws_access_key_id = AKIA\naws_secret_access_key = {VALUE}\n[empty]\n")
    (aws / "config").write_text("[profile sso]\nsso_session = corp\n[profile plain]\nregion = us-east-1\n")
    (here / ".boto").write_text(f"[Credentials]\naws_access_key_id = AKIA\naws_secret_access_key = {VALUE}\n")
    (here / ".env").write_text(f"# no\nexport GITHUB_TOKEN={VALUE}\nCOLOUR=blue\nEMPTY_SECRET=\n")
    (here / ".env.local").write_bytes(b"\xff\xfe\nDB_PASSWORD = '" + VALUE.encode() + b"'\n")
    variables = {"NPM_TOKEN": VALUE, "OP_SESSION_my": VALUE, "TOKENIZERS_PARALLELISM": "1", "SSH_AUTH_SOCK": ""}
    with ExitStack() as stack:
        agent = patient.memory / "agent.sock"
        for path in (agent, patient.memory / "systemd/private", patient.memory / "op-daemon.sock"):
            listen(stack, path)
        async with patient.serve():
            found = await patient.doctor("--sandbox", env=variables | {"SSH_AUTH_SOCK": str(agent)})
            hint = found.hint("sandbox.environment")
            after = await patient.follow(f"{hint}; {found.hint('sandbox.ssh-agent')}", variables)
            less = await patient.doctor("--sandbox", env=variables | {"SSH_AUTH_SOCK": str(agent)} | after)

    told = {name: found.message(name) for name in found.unwell}
    assert 0 == found.ended.code
    assert VALUE not in found.ended.out
    assert [
        f"{aws}/credentials: work (aws_access_key_id, aws_secret_access_key)",
        f"{aws}/config: sso (sso_session)",
        f"{here}/.boto: [Credentials] (aws_access_key_id)",
    ] == told["sandbox.aws"].splitlines()
    assert f"{here}/.env: GITHUB_TOKEN\n{here}/.env.local: DB_PASSWORD" == told["sandbox.dotenv"]
    assert "NPM_TOKEN, OP_SESSION_my" == told["sandbox.environment"]
    assert told["sandbox.tokens"].endswith("/tokens: nsrc")
    assert told["sandbox.control"].endswith("/control.sock: every profile")
    assert f"{patient.op}: asks 1Password" in told["sandbox.op"]
    assert "op-daemon.sock: the session of op" in told["sandbox.op"]
    assert told["sandbox.ssh-agent"].endswith("/agent.sock: signs with your SSH keys")
    assert "'systemd-run --user' starts any program" in told["sandbox.outside"]
    assert {"sandbox.environment", "sandbox.ssh-agent"} == set(found.unwell) - set(less.unwell)


async def test_what_a_program_is_given_is_no_finding(patient: Patient) -> None:
    """The profile of this shell, its token and its variables are what the program is meant to have."""
    empty = {"PATH": "/nonexistent", "XDG_RUNTIME_DIR": str(patient.memory)}
    variables = {"MAYFLY_PROFILE": "nsrc", "AWS_CONTAINER_AUTHORIZATION_TOKEN": VALUE}
    async with patient.serve():
        pass
    patient.op.unlink()
    found = await patient.doctor("--sandbox", env=empty | variables)

    assert "profile nsrc by AWS_CONTAINER_AUTHORIZATION_TOKEN" == found.message("sandbox.given")
    assert {} == found.unwell
    assert VALUE not in found.ended.out


async def test_in_a_grant_all_else_is_besides(patient: Patient) -> None:
    """The grant's own files and token are given; the user's files, the profile's token and other grants are not."""
    aws = patient.home / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(f"[work]\naws_access_key_id = AKIA\naws_secret_access_key = {VALUE}\n")
    other = patient.run_dir / "grants/00c0ffee/token"
    doctor = (sys.executable, "-m", "mayfly", "doctor", "--sandbox", "--json")
    async with patient.serve():
        other.parent.mkdir(parents=True, mode=0o700)
        other.write_text(VALUE)
        found = Diagnosis(await patient.run("grant", "nsrc", "--token-file", "--", *doctor))
    as_env = {"MAYFLY_GRANT": "1a2b3c4d", "MAYFLY_PROFILE": "nsrc"} | dict.fromkeys(environment.STATIC, VALUE)
    given = await patient.doctor("--sandbox", env=as_env | {"AWS_CONFIG_FILE": "/dev/null"})

    told = {name: found.message(name) for name in found.unwell}
    assert re.fullmatch(
        f"grant [0-9a-f]{{8}} of profile nsrc by {environment.URL}, {environment.TOKEN_FILE}, AWS_CONFIG_FILE",
        found.message("sandbox.given"),
    )
    assert f"{aws}/credentials: work (aws_access_key_id, aws_secret_access_key)" == told["sandbox.aws"]
    assert f"{patient.run_dir}/tokens: nsrc\n{patient.run_dir}/grants: 00c0ffee" == told["sandbox.tokens"]
    assert [[], []] == [
        [one.message(name) for name in one.unwell if name == "sandbox.environment"] for one in (found, given)
    ]
    assert f"grant 1a2b3c4d of profile nsrc by AWS_CONFIG_FILE, {', '.join(environment.STATIC)}" == given.message(
        "sandbox.given"
    )
    assert VALUE not in found.ended.out + given.ended.out


@pytest.mark.parametrize(
    ("name", "opens"),
    [
        ("AWS_SECRET_ACCESS_KEY", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("GITHUB_PAT", True),
        ("OPENAI_API_KEY", True),
        ("db_password", True),
        ("OP_SESSION_ABC", True),
        ("GOOGLE_APPLICATION_CREDENTIALS", True),
        ("PATH", False),
        ("TOKENIZERS_PARALLELISM", False),
        ("XDG_SESSION_ID", False),
        ("COMPOSE_PATH_SEPARATOR", False),
        ("KEYBOARD", False),
    ],
)
def test_a_name_says_whether_its_value_opens_something(name: str, opens: bool) -> None:
    """By the parts of the name, not by letters in the middle of a word."""
    assert opens == is_secret(name)
