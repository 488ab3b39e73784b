"""`mayfly import-aws-config` for people whose keys are in 1Password, aws-vault or granted: no file has them."""

from __future__ import annotations

import sys
import tomllib

from pathlib import Path
from typing import Any

import pytest

from mayfly.cli.aws_config.plan import Plan, make_plan, profiles_in, to_toml
from mayfly.demo.sts.server import Role
from support.people import ROLES, inhabited
from support.world import SEED_ACCOUNT, World, which


SERIAL = f"arn:aws:iam::{SEED_ACCOUNT}:mfa/ann"
ITEM = "op://NSRC/ann"
MFA = f"mfa_serial = {SERIAL}\n"
ROLE = f"role_arn = {ROLES}/Admin\n"


def planned(config: str, *named: str, credentials: str = "") -> tuple[dict[str, Any], Plan]:
    plan = make_plan(profiles_in(config, credentials), named)
    return tomllib.loads(to_toml(plan, dict.fromkeys(plan.keys, ITEM))).get("profiles", {}), plan


@pytest.mark.parametrize(
    "text",
    [
        f"[profile work]\n{MFA}",
        f"[profile work]\nregion = eu-west-1\n[profile r]\n{ROLE}source_profile = work\n",
        "[profile work]\ncredential_process = aws-vault exec work --json\n",
        "[profile work]\ncredential_process = /usr/local/bin/aws-vault export --format=json work\n",
        "[profile work]\ncredential_process = /mnt/c/bin/aws-vault.exe export --format=json work\n",
        '[profile work]\ncredential_process = "C:\\bin\\op.exe" run -- keys\n',
        '[profile work]\ncredential_process = sh -c "op item get AWS --format json | jq ."\n',
        "[profile work]\ncredential_process = granted credential-process --profile work\n",
        f"[profile work]\ncredential_process = aws-vault exec work\n[profile r]\n{ROLE}source_profile = work\n",
        f"[profile work]\nsource_profile = work\n{MFA}",
    ],
)
def test_a_profile_that_must_have_keys_has_them_in_1password(text: str) -> None:
    """An MFA device, a role on top, or the credential_process of a vault says so."""
    profiles, plan = planned(text)

    assert f"{ITEM}/access key id" == profiles["work"]["access_key_id"]
    assert plan.keys["work"].is_elsewhere


@pytest.mark.parametrize(
    "text",
    [
        "[profile work]\nregion = eu-west-1\n",
        "[profile work]\n",
        "[profile work]\ncredential_process = /bin/mine\n",
        f"[profile r]\n{ROLE}source_profile = work\n",
        '[profile "two words"]\n',
    ],
)
def test_an_item_that_is_named_is_enough(text: str) -> None:
    """The user knows that the item has the profile's keys; without the item nothing is guessed."""
    name = "two words" if "two words" in text else "work"
    given = name.replace(" ", "-")

    assert given not in planned(text)[0]
    assert f"{ITEM}/access key id" == planned(text, name)[0][given]["access_key_id"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{MFA}sso_session = corp\n", "it uses SSO (IAM Identity Center)"),
        (f"{MFA}sso_start_url = corp\n", "it uses SSO (IAM Identity Center)"),
        (f"{MFA}web_identity_token_file = /t\n", "it uses a web identity"),
        (f"{MFA}login_session = x\n", "it uses aws login"),
        (f"{MFA}{ROLE}", "it has a role, and no source_profile"),
        (f"{MFA}aws_access_key_id = A\naws_session_token = x\n", "it uses temporary keys"),
        (f"{MFA}source_profile = top\n", "it has neither keys nor a role"),
        ("credential_process = /bin/shop --vault\n", "it uses credential_process"),
        ("credential_process = aws-vault exec x\ngranted_sso_start_url = x\n", "it uses SSO (IAM Identity Center)"),
    ],
)
def test_other_sources_of_credentials_are_no_keys(text: str, reason: str) -> None:
    """Not even with an MFA device beside them."""
    profiles, plan = planned(f"[profile work]\n{text}")
    assert ({}, [f"left out work: {reason}"]) == (profiles, plan.notes)


def test_what_a_role_says_of_its_session_is_taken_over() -> None:
    """Its source identity, its tags and the transitive ones, as aws-vault has them."""
    profiles, plan = planned(
        f"[profile work]\n{MFA}[profile r]\n{ROLE}source_profile = work\nsource_identity = ann\n"
        'session_tags = team = core, "a" = b=c\ntransitive_session_tags = team, a\n'
    )

    assert {"source_identity": "ann", "tags": {"team": "core", '"a"': "b=c"}, "transitive_tag_keys": ["team", "a"]} == {
        key: value for key, value in profiles["r"].items() if "tag" in key or "identity" in key
    }
    assert [] == plan.notes


def test_tags_that_cannot_be_read_are_named() -> None:
    """A tag without a value's sign is none."""
    profiles, plan = planned(f"[profile work]\n{MFA}[profile r]\n{ROLE}source_profile = work\nsession_tags = team\n")

    assert "tags" not in profiles["r"]
    assert ["r: left out session_tags, which are not written as KEY=VALUE,KEY=VALUE"] == plan.notes


# The example of aws-vault's USAGE.md: a fragment that others include, and is no profile itself.
COMMON = f"""
[profile common]
region = eu-west-1
{MFA}source_profile = root
[profile root]
include_profile = common
[profile order-dev]
include_profile = common
{ROLE}
[profile admin]
include_profile = order-dev
role_arn = {ROLES}/Other
region = us-west-2
"""


def test_what_a_profile_includes_is_followed() -> None:
    """The nearest value counts; the fragment itself has no keys."""
    profiles, plan = planned(COMMON)

    assert {"root", "order-dev", "admin"} == profiles.keys()
    assert (SERIAL, "eu-west-1") == (profiles["root"]["mfa_id"], profiles["root"]["region"])
    assert ("root", "eu-west-1") == (profiles["order-dev"]["source_profile"], profiles["order-dev"]["region"])
    assert ("root", "us-west-2", f"{ROLES}/Other") == tuple(
        profiles["admin"][key] for key in ("source_profile", "region", "role_arn")
    )
    assert ["left out common: it has neither keys nor a role"] == plan.notes


@pytest.mark.parametrize(("parent", "why"), [("missing", "there is no such profile"), ("work", "it includes itself")])
def test_an_include_that_leads_nowhere_is_named(parent: str, why: str) -> None:
    """The profile is taken over without it."""
    profiles, plan = planned(f"[profile work]\n{MFA}include_profile = {parent}\n", "work")

    assert ["work"] == list(profiles)
    assert [f"work: left out include_profile {parent}: {why}"] == plan.notes


def test_settings_without_a_place_are_named() -> None:
    """Each setting that the config does not have, of keys and of roles."""
    _, plan = planned(
        f"[profile work]\n{MFA}duration_seconds = 900\nmfa_process = x\ncredential_process = aws-vault exec work\n"
        f"[profile r]\n{ROLE}source_profile = work\noutput = json\ns3 =\n  a = b\n"
    )
    assert {"work": ["duration_seconds", "mfa_process", "credential_process"], "r": ["output", "s3"]} == plan.unused


# As a command


async def test_an_import_of_aws_vaults_profiles_ends_in_working_profiles(tmp_path: Path) -> None:
    """Import, `aws-config --write --replace`, and the AWS CLI is who it was with aws-vault: no file ever had a key."""
    async with inhabited(tmp_path, ["ann"], [Role(name="Admin")]) as world:
        ann = world.vault.state()["items"][-1]
        labels = {"access_key_id": "access key id", "secret_access_key": "secret access key"}
        labels |= {"totp": "one-time password", "mfa_id": "mfa serial"}
        for field in ann["fields"]:
            field["label"] = labels[field["label"]]
        world.vault.update(items=[ann])
        world.config.unlink()
        (world.home / ".aws").mkdir()
        config = world.home / ".aws/config"
        config.write_text(
            f"[profile work]\n{MFA}credential_process = aws-vault exec work --json\noutput = text\n\n"
            f"[profile admin]\ninclude_profile = work\n{ROLE}source_profile = work\n"
        )
        imported = await world.run("import-aws-config", "--item", f"work={ITEM}", "--write")
        world.config = world.home / ".config/mayfly/config.toml"
        written = await world.run("aws-config", "--write", "--replace")
        async with world.serve():
            who = [
                await world.run_program(
                    sys.executable, which("aws"), "--profile", name, "sts", "get-caller-identity", "--query", "Arn"
                )
                for name in ("work", "admin")
            ]

    assert (0, 0) == (imported.code, written.code)
    assert f"mayfly: work: left out credential_process, output: not in mayfly's config, and still in {config}\n" in (
        imported.err
    )
    assert imported.err.count("mayfly aws-config --write --replace\n") == 1
    assert "delete them" not in imported.err
    assert [(0, f"arn:aws:iam::{SEED_ACCOUNT}:user/ann"), (0, f"arn:aws:sts::{SEED_ACCOUNT}:assumed-role/Admin")] == [
        (
            end.code,
            end.out.strip().strip('"').rpartition("/")[0] if "assumed" in end.out else end.out.strip().strip('"'),
        )
        for end in who
    ]


async def test_without_a_profile_the_way_is_named(world: World) -> None:
    """Keys in 1Password alone: the error says how to tell."""
    world.config.unlink()
    (world.home / ".aws").mkdir()
    (world.home / ".aws/config").write_text("[profile work]\nregion = eu-west-1\n")
    ended = await world.run("import-aws-config", "--item", ITEM)
    named = await world.run("import-aws-config", "--item", f"work={ITEM}")

    assert (1, 0) == (ended.code, named.code)
    assert "mayfly import-aws-config --item PROFILE=op://VAULT/ITEM\n" in ended.err
