"""What in ~/.aws would win over the endpoint, and that env warns of it and exec refuses."""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from mayfly.cli.aws_config import shadows
from support.clients import CLIENTS, WITH_REGION
from support.world import World


KEYS = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = SECRETSECRET\n"


def found_in(folder: Path, config: str = "", credentials: str = "") -> list[str]:
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    return shadows.find(
        {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}
    )


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (f"[default]\n{KEYS}", "aws_access_key_id, aws_secret_access_key"),
        ("[default]\nAWS_Access_Key_ID=x\n", "aws_access_key_id"),
        ("[ default ]\naws_access_key_id : x", "aws_access_key_id"),
        ("[profile default]\ncredential_process = /bin/x = y\n", "credential_process"),
        ('[profile "default"]\nlogin_session = x\n', "login_session"),
        ("[default] # mine\nrole_arn = x\nsource_profile = y\n", "role_arn"),
        ("[default]\nsso_session = x\nsso_account_id = y\nregion = z\n", "sso_account_id, sso_session"),
        ("[a]\nregion = x\n\n; c\n# c\n[default]\n  aws_access_key_id = x\n  output = y\n", "aws_access_key_id"),
        ("[default]\ns3 =\n  max = 1\naws_access_key_id = x\n", "aws_access_key_id"),
        ("[default]\r\naws_access_key_id = x\r\n", "aws_access_key_id"),
        ("[default]\noutput = a\u2028[b]\naws_access_key_id = x\n", "aws_access_key_id"),
    ],
)
def test_default_with_credentials_is_a_shadow(tmp_path: Path, text: str, keys: str) -> None:
    """Keys, SSO, a process, a login or a role in [default] are found, however they are written."""
    line = f"{tmp_path}/config: [default] has {keys}: AWS SDKs take that before mayfly's credentials"

    assert [line] == found_in(tmp_path, config=text)
    assert [line.replace("/config", "/credentials")] == found_in(tmp_path, credentials=text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[default]\nregion = eu-central-1\noutput = json\n",
        f"[work]\n{KEYS}[profile other]\n{KEYS}[default2]\n{KEYS}[profile default x]\n{KEYS}",
        f"{KEYS}[default]\n",
        "[default]\ns3 =\n  aws_access_key_id = x\n",
        "[default]\n# aws_access_key_id = x\n",
        "[sso-session default]\nsso_start_url = x\n",
        "no ini at all \x00\xff",
    ],
)
def test_what_does_no_harm_is_not_reported(tmp_path: Path, text: str) -> None:
    """A region, other profiles, comments and nested values are nobody's credentials."""
    assert [] == found_in(tmp_path, config=text, credentials=text)


def test_no_value_is_repeated(tmp_path: Path) -> None:
    """A warning names keys, and never what they hold."""
    assert "SECRETSECRET" not in str(found_in(tmp_path, credentials=f"[default]\n{KEYS}"))


def test_a_home_without_files_has_no_shadows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual places are below the home, and may be missing; a ~ in a variable is the home, too."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [] == shadows.find({})

    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(f"[default]\n{KEYS}")
    assert 1 == len(shadows.find({}))
    assert 1 == len(shadows.find({"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}))
    assert [] == shadows.find({"AWS_SHARED_CREDENTIALS_FILE": "/dev/null"})


@pytest.mark.parametrize(
    ("text", "is_shadow"),
    [
        (f"[Credentials]\n{KEYS}", True),
        ("[Boto]\ndebug = 1\n[Credentials]\nAWS_Access_Key_Id : x\n", True),
        ("[Credentials]\ngs_oauth2_refresh_token = x\n", False),
        (f"[default]\n{KEYS}[credentials]\n{KEYS}", False),
    ],
)
def test_what_boto_2_has_left_is_a_shadow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, is_shadow: bool
) -> None:
    """boto3 and the AWS CLI still read its file, before they ask the endpoint."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".boto").write_text(text)

    line = f"{tmp_path}/.boto: [Credentials] has aws_access_key_id: boto3 takes that before mayfly's credentials"
    assert ([line] if is_shadow else []) == shadows.find({})
    assert [] == shadows.find({"BOTO_CONFIG": "/dev/null"})
    (tmp_path / ".boto").rename(tmp_path / "mine")
    assert ([line.replace(".boto", "mine")] if is_shadow else []) == shadows.find({"BOTO_CONFIG": "~/mine"})


def test_a_pipe_is_left_for_the_sdk(tmp_path: Path) -> None:
    """What can be read only once is not read by us."""
    os.mkfifo(tmp_path / "pipe")

    assert [] == shadows.find({"AWS_CONFIG_FILE": str(tmp_path / "pipe"), "AWS_SHARED_CREDENTIALS_FILE": "/x"})


def test_a_file_that_cannot_be_read_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SDK could not read it either."""
    (tmp_path / "config").write_text(f"[default]\n{KEYS}")
    (tmp_path / "config").chmod(0)
    if os.access(tmp_path / "config", os.R_OK):
        # For root no mode is an obstacle; a folder in the file's place is.
        monkeypatch.setattr(os.path, "isfile", lambda _: True)
        (tmp_path / "config").unlink()
        (tmp_path / "config").mkdir()

    assert [] == shadows.find({"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": "/x"})


def shadowed(world: World) -> str:
    (world.home / ".aws").mkdir()
    (world.home / ".aws/credentials").write_text(f"[default]\n{KEYS}")
    return f"{world.home}/.aws/credentials: [default] has aws_access_key_id, aws_secret_access_key"


async def test_env_warns_and_goes_on(world: World) -> None:
    """A shell start-up does not fail over it; stdout is as ever."""
    before = await world.run("env")
    text = shadowed(world)
    ended = await world.run("env")

    assert (0, before.out) == (ended.code, ended.out)
    assert ended.err.startswith(f"mayfly: warning: {text}")
    assert "" == (await world.run("env", "--off")).err


async def test_exec_refuses_and_can_be_told_to(world: World) -> None:
    """The command does not run in what may be another account, unless --allow-shadow says so."""
    text = shadowed(world)
    refused = await world.run("exec", "nsrc", "--", "echo", "ran")
    allowed = await world.run("exec", "nsrc", "--allow-shadow", "--", "echo", "ran")

    assert (2, "") == (refused.code, refused.out)
    assert refused.err.startswith(f"mayfly: error: {text}")
    assert "mayfly exec --allow-shadow" in refused.err
    assert (0, "ran\n", "") == (allowed.code, allowed.out, allowed.err)


async def test_a_shadow_really_wins(world: World) -> None:
    """boto3 takes [default] keys before the endpoint: what we warn of is so."""
    world.write_toml(WITH_REGION)
    shadowed(world)
    async with world.serve():
        ended = await world.run("exec", "nsrc", "--allow-shadow", "--", "sh", "-c", CLIENTS["boto3"])

    assert "InvalidClientTokenId" in ended.err
    assert [] == world.vault.calls()


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("[default]\nregion = eu-west-1\n", "eu-west-1"),
        ("[profile default]\nRegion : eu-west-1\n", "eu-west-1"),
        ("[default]\ns3 =\n  region = eu-west-1\n", None),
        ("[profile other]\nregion = eu-west-1\n", None),
        ("[default]\nregion =\n", None),
        ("[default]\nregion\n", None),
    ],
)
def test_region_of_default_is_read_as_botocore_does(text: str, region: str | None) -> None:
    """Its own key, and nobody else's."""
    assert region == shadows.region_in(text)
