"""`mayfly import-aws-config`: the config made from `~/.aws`, and the notes on what is left out."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
import tomllib

from pathlib import Path
from typing import Any

import pytest

from mayfly.cli.aws_config.plan import Unreadable, make_plan, profiles_in, to_toml
from mayfly.demo.sts.server import Role
from support.people import ROLES, fetch_all, inhabited
from support.world import SEED_ACCOUNT, Ended, World


KEY, SECRET = "AKIAMADEUPMADEUP0000", "made/up/secret/made/up/secret/made/up/00"
SERIAL = f"arn:aws:iam::{SEED_ACCOUNT}:mfa/ann"
ITEM = "op://NSRC/ann"

CREDENTIALS = f"""
[work]
aws_access_key_id = {KEY}
aws_secret_access_key = {SECRET}

[shorty]
aws_access_key_id = ASIAMADEUPMADEUP0000
aws_secret_access_key = {SECRET}
aws_session_token = made-up
"""
CONFIG = f"""
[default]
region = eu-central-1
output = json

[profile work]
region = eu-west-1
s3 =
    max_concurrent_requests = 20

[profile Admin]
role_arn = {ROLES}/Admin
source_profile = work
mfa_serial = {SERIAL}
external_id = a b
role_session_name = me
duration_seconds = 1800
region = us-west-2

[profile "Deep one"]
role_arn = {ROLES}/Deep
source_profile = Admin
duration_seconds = 7200

[profile Long]
role_arn = {ROLES}/Long
source_profile = work
duration_seconds = 43200

[profile sso]
sso_session = corp
sso_account_id = {SEED_ACCOUNT}
sso_role_name = Admin
[sso-session corp]
sso_start_url = https://example.com
[services local]
sts =
  endpoint_url = http://localhost
[profile above-sso]
role_arn = {ROLES}/Admin
source_profile = sso
[profile process]
credential_process = /bin/creds
[profile pod]
role_arn = {ROLES}/Admin
web_identity_token_file = /token
[profile box]
role_arn = {ROLES}/Admin
credential_source = Ec2InstanceMetadata
[profile nowhere]
role_arn = {ROLES}/Admin
[profile lost]
role_arn = {ROLES}/Admin
source_profile = missing
[profile round]
role_arn = {ROLES}/Admin
source_profile = about
[profile about]
role_arn = {ROLES}/Admin
source_profile = round
[profile new]
login_session = arn:aws:iam::{SEED_ACCOUNT}:user/ann
"""

NOTES = [
    "left out default: it has neither keys nor a role",
    "left out sso: it uses SSO (IAM Identity Center)",
    "left out above-sso: its source sso uses SSO (IAM Identity Center)",
    "left out process: it uses credential_process",
    "left out pod: it uses a web identity",
    "left out box: it uses credential_source",
    "left out nowhere: it has a role, and no source_profile",
    "left out lost: there is no profile missing, its source",
    "left out round: its sources lead back to round",
    "left out about: its sources lead back to about",
    "left out new: it uses aws login",
    "left out shorty: it uses temporary keys",
    "Deep one is called Deep-one here",
    "Deep-one: left out duration_seconds: a role assumed by a role lives an hour at most in AWS",
    'Long: lives over an hour, so it has mfa = "each": a prompt and a code for each session',
]

Tree = dict[str, Any]


def _planned(config: str, credentials: str = CREDENTIALS) -> tuple[Tree, list[str]]:
    plan = make_plan(profiles_in(config, credentials))
    text = to_toml(plan, dict.fromkeys(plan.keys, ITEM))
    return tomllib.loads(text).get("profiles", {}), plan.notes


def test_profiles_become_profiles() -> None:
    """Keys become references, roles keep AssumeRole's parameters, and a role's MFA device goes to its source."""
    profiles, _ = _planned(CONFIG)

    assert {
        "work": {
            "access_key_id": f"{ITEM}/access key id",
            "secret_access_key": f"{ITEM}/secret access key",
            "otp": f"{ITEM}/one-time password",
            "mfa_id": SERIAL,
            "region": "eu-west-1",
        },
        "Admin": {
            "source_profile": "work",
            "role_arn": f"{ROLES}/Admin",
            "region": "us-west-2",
            "external_id": "a b",
            "role_session_name": "me",
            "duration_seconds": 1800,
        },
        "Deep-one": {"source_profile": "Admin", "role_arn": f"{ROLES}/Deep"},
        "Long": {"source_profile": "work", "role_arn": f"{ROLES}/Long", "duration_seconds": 43200, "mfa": "each"},
    } == profiles


def test_what_is_left_out_is_said() -> None:
    """Each profile that is left out, and each change, has a line with the reason."""
    assert NOTES == _planned(CONFIG)[1]


def _keys_of(name: str, *lines: str) -> str:
    return "\n".join([f"[{name}]", f"aws_access_key_id={KEY}", f"aws_secret_access_key={SECRET}", *lines, ""])


@pytest.mark.parametrize(
    ("config", "credentials", "names"),
    [
        ("", _keys_of("default"), ["default"]),
        ("[default]\nregion=x-1\n", _keys_of("default"), ["default"]),
        (_keys_of("profile a"), "", ["a"]),
        (_keys_of("a"), "", []),
        ('[profile "a b"]\nregion=x-1\n', _keys_of("a b"), ["a-b"]),
        ("", _keys_of("a") + _keys_of("A"), ["a", "A-2"]),
        ("", _keys_of(".é") + _keys_of("x" * 80), ["profile", "x" * 60]),
        ("", _keys_of("é") + _keys_of("ü"), ["profile", "profile-2"]),
        ("", "[a]\naws_access_key_id=\n", []),
        ("[profile a]\nregion=1\n[profile a]\nregion=2\n", _keys_of("a"), ["a"]),
        (f"[profile me]\nrole_arn={ROLES}/X\nsource_profile=me\n", _keys_of("me"), ["me-keys", "me"]),
        (f"[profile me]\nrole_arn={ROLES}/X\nsource_profile=me\n", "", []),
        (
            f"[profile r]\nrole_arn={ROLES}/X\nsource_profile=me\n",
            _keys_of("me", f"role_arn={ROLES}/Y"),
            ["me-keys", "r"],
        ),
        (
            f"[profile r]\nrole_arn={ROLES}/X\nsource_profile={'y' * 64}\n",
            _keys_of("y" * 64, f"role_arn={ROLES}/Y"),
            [f"{'y' * 55}-keys", "r"],
        ),
    ],
)
def test_names_are_such_that_mayfly_takes_them(config: str, credentials: str, names: list[str]) -> None:
    """Sections are read as the CLI reads them; a name that Mayfly would refuse is changed."""
    profiles, _ = _planned(config, credentials)
    assert names == list(profiles)


@pytest.mark.parametrize("seconds", ["899", "-1", "long", "9999999"])
def test_a_duration_that_cannot_be_is_left_out(seconds: str) -> None:
    """It is less than AWS takes, or no number."""
    config = f"[profile r]\nrole_arn={ROLES}/X\nsource_profile=work\nduration_seconds={seconds}\n"
    profiles, notes = _planned(config)

    assert "duration_seconds" not in profiles["r"]
    assert "r: left out duration_seconds, which is less than AWS takes, or no number" in notes


def test_comments_after_values_are_left_out() -> None:
    """Most SDKs leave them out, and the CLI does not, so there is a note; a # within a value belongs to it."""
    config = (
        f"[profile r]\nrole_arn={ROLES}/X ; mine\nsource_profile=work  # theirs\n"
        "region = eu-west-1   # Ireland\nexternal_id = a#b\noutput = json # not ours\nduration_seconds = # none\n"
    )
    profiles, notes = _planned(config)

    assert {"role_arn": f"{ROLES}/X", "source_profile": "work", "region": "eu-west-1", "external_id": "a#b"} == (
        profiles["r"]
    )
    assert [
        f"r: left out the comment after {key}, which the AWS CLI takes for a part of it"
        for key in ("role_arn", "source_profile", "duration_seconds", "region")
    ] == [note for note in notes if note.startswith("r: ")]


def test_a_source_with_keys_and_a_role_means_its_keys() -> None:
    """As for botocore, only a client of the source itself gets its role."""
    config = (
        f"[profile both]\nrole_arn={ROLES}/Both\nsource_profile=work\nmfa_serial={SERIAL}\n"
        f"[profile top]\nrole_arn={ROLES}/Top\nsource_profile=both\nduration_seconds=7200\n"
        f"[profile next]\nrole_arn={ROLES}/Next\nsource_profile=both\n"
    )
    profiles, _ = _planned(config, CREDENTIALS + _keys_of("both"))

    assert {"both": "work", "top": "both-keys", "next": "both-keys"} == {
        name: profile["source_profile"] for name, profile in profiles.items() if "source_profile" in profile
    }
    assert (SERIAL, f"{ITEM}/mfa serial") == (profiles["work"]["mfa_id"], profiles["both-keys"]["mfa_id"])
    assert "each" == profiles["top"]["mfa"]


def test_a_device_other_than_the_sources_is_left_out_with_a_note() -> None:
    """Keys have one device in our config, whose codes would be wrong for a role with another device."""
    other = f"mfa_serial={SERIAL}-other\n"
    config = (
        f"[profile work]\nmfa_serial={SERIAL}\n"
        f"[profile r]\nrole_arn={ROLES}/R\nsource_profile=work\n{other}"
        f"[profile deep]\nrole_arn={ROLES}/Deep\nsource_profile=r\n{other}"
        f"[profile same]\nrole_arn={ROLES}/Same\nsource_profile=work\nmfa_serial={SERIAL}\n"
    )
    profiles, notes = _planned(config)

    assert SERIAL == profiles["work"]["mfa_id"]
    assert [f"{name}: left out mfa_serial: work gives the codes of another device" for name in ("r", "deep")] == [
        note for note in notes if "mfa_serial" in note
    ]


def test_without_a_device_the_item_names_it() -> None:
    """If no profile names the MFA device, it is a field of the item."""
    profiles, _ = _planned("")
    assert f"{ITEM}/mfa serial" == profiles["work"]["mfa_id"]


@pytest.mark.parametrize("text", ["no section\n", f"[a]\n{SECRET}\n  = x\n= y\n", "[a\n", f"[a]\n{SECRET}\n"])
def test_what_cannot_be_read_is_not_repeated(text: str) -> None:
    """The error names the line's number, and not its text."""
    with pytest.raises(Unreadable) as caught:
        profiles_in("", text)
    assert SECRET not in str(caught.value)


# As a command


def _aws(world: World, config: str = CONFIG, credentials: str = CREDENTIALS) -> None:
    folder = world.home / ".aws"
    folder.mkdir()
    (folder / "config").write_text(config)
    (folder / "credentials").write_text(credentials)
    world.config.unlink()


async def _imported(world: World, *argv: str, config: str = CONFIG, credentials: str = CREDENTIALS) -> Ended:
    _aws(world, config, credentials)
    return await world.run("import-aws-config", *argv)


async def test_an_imported_config_works(tmp_path: Path) -> None:
    """The file is private and has no key, and a daemon with it gets credentials for each profile."""
    roles = [Role(name=name, external_id="ab" if name == "Admin" else None) for name in ("Admin", "Deep")]
    async with inhabited(tmp_path, ["ann"], roles) as world:
        ann = world.vault.state()["items"][-1]
        labels = {"access_key_id": "access key id", "secret_access_key": "secret access key"}
        labels |= {"totp": "one-time password", "mfa_id": "mfa serial"}
        for field in ann["fields"]:
            field["label"] = labels[field["label"]]
        world.vault.update(items=[ann])
        short = CONFIG.partition("[profile Long]")[0].replace("a b", "ab")
        ended = await _imported(world, "--item", ITEM, "--write", config=short)
        world.config = world.home / ".config/mayfly/config.toml"
        mode = world.config.stat().st_mode & 0o777
        async with world.serve():
            replies = await fetch_all(world, ["work", "Admin", "Deep-one"])

    assert (0, "", 0o600) == (ended.code, ended.out, mode)
    assert {200} == {reply.status for reply in replies.values()}
    assert KEY not in world.config.read_text() + ended.err
    assert SECRET not in world.config.read_text() + ended.err


async def test_it_prints_and_says_what_is_left_to_do(world: World) -> None:
    """The config is on stdout; the notes, the fields, and the advice to delete the keys are on stderr."""
    ended = await _imported(world, "--item", f"work={ITEM}/")

    assert (1, False) == (ended.code, world.config.exists())
    assert {"work", "Admin", "Deep-one", "Long"} == tomllib.loads(ended.out)["profiles"].keys()
    assert [f"mayfly: {note}" for note in NOTES] == ended.err.splitlines()[: len(NOTES)]
    assert "mayfly: warning: mend this: profiles.Admin.external_id: " in ended.err
    assert ended.err.endswith(
        "mayfly: fields of the items: 'access key id', 'secret access key', 'one-time password': "
        "if yours have other names, change them there or here\n"
        f"mayfly: hint: move the keys of work into their items, and delete them in {world.home}/.aws/credentials: "
        "they work without a code\n"
    )
    assert [] == [secret for secret in (KEY, SECRET) if secret in ended.out + ended.err]


async def test_without_an_input_nothing_is_asked(world: World) -> None:
    """A closed standard input (`<&-`, as some schedulers have it) is no terminal."""
    folder = world.home / ".aws"
    folder.mkdir()
    (folder / "config").write_text(f"[profile work]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    ended = await world.run_program("sh", "-c", f"exec {sys.executable} -m mayfly import-aws-config <&-")

    assert (2, "mayfly: error: which 1Password item has the keys of work?") == (ended.code, ended.err.splitlines()[0])


async def test_keys_are_to_be_deleted_where_they_are(world: World) -> None:
    """In ~/.aws/config, in ~/.aws/credentials, or in both: each file with the profiles whose keys it has."""
    folder = world.home / ".aws"
    folder.mkdir()
    keys = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    (folder / "config").write_text(f"[profile both]\n{keys}[profile here]\n{keys}[profile none]\nregion = x\n")
    (folder / "credentials").write_text(f"[both]\n{keys}[there]\n{keys}")
    ended = await world.run("import-aws-config", "--item", ITEM)

    assert [
        f"mayfly: hint: move the keys of {names} into their items, and delete them in {folder / file}: "
        "they work without a code"
        for names, file in (("both, there", "credentials"), ("both, here", "config"))
    ] == [line for line in ended.err.splitlines() if "move the keys" in line]


async def test_what_serve_would_refuse_is_not_written(world: World) -> None:
    """Each problem is an error, and the next step is named."""
    ended = await _imported(world, "--item", ITEM, "--write")

    assert (1, "", False) == (ended.code, ended.out, world.config.with_name("config.toml").exists())
    assert "mayfly: error: profiles.Admin.external_id: " in ended.err
    assert f"mayfly import-aws-config … > {world.config.with_name('config.toml')}" in ended.err


async def test_a_file_of_windows_is_read(world: World) -> None:
    """A byte order mark and CRLF are read."""
    ended = await _imported(
        world, "--item", ITEM, config="", credentials="\ufeff" + _keys_of("work").replace("\n", "\r\n")
    )

    assert (0, ["work"]) == (ended.code, list(tomllib.loads(ended.out)["profiles"]))


async def test_a_config_that_is_there_stays(world: World) -> None:
    """`--write` never overwrites: neither a config.toml, nor a config.json."""
    before = world.config.read_bytes()
    ended = await world.run("import-aws-config", "--write", "--item", ITEM)

    assert (1, f"mayfly: error: {world.config} is there already, and stays as it is") == (
        ended.code,
        ended.err.splitlines()[0],
    )
    assert before == world.config.read_bytes()


async def test_an_item_that_nobody_named_is_asked_for(world: World) -> None:
    """It is asked for at a terminal, and the answer is in the config."""
    _aws(world)
    parent, terminal = pty.openpty()
    os.write(parent, f"{ITEM}\n".encode())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "import-aws-config"),
        stdin=terminal,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=world.env,
    )
    out, err = await process.communicate()
    os.close(parent)
    os.close(terminal)

    assert f"{ITEM}/access key id" == tomllib.loads(out.decode())["profiles"]["work"]["access_key_id"]
    assert b"1Password item with the keys of work (op://VAULT/ITEM): " in err


REFUSED = [
    ([], "which 1Password item has the keys of work?"),
    (["--item", "work=op://NSRC"], "an item is op://VAULT/ITEM"),
    (["--item", f"wrok={ITEM}"], "there is no profile wrok with keys"),
    (["--item", f"{ITEM}/field"], "an item is op://VAULT/ITEM"),
]


@pytest.mark.parametrize(("argv", "words"), REFUSED)
async def test_without_an_item_nothing_is_made(world: World, argv: list[str], words: str) -> None:
    """No item, a malformed one, or one for nobody: exit 2, and nothing on stdout."""
    ended = await _imported(world, *argv)
    assert (2, "", True) == (ended.code, ended.out, words in ended.err)


async def test_two_profiles_with_one_item_are_warned_about(world: World) -> None:
    """They would have the same keys."""
    ended = await _imported(world, "--item", ITEM, credentials=CREDENTIALS + _keys_of("home"))
    assert "mayfly: warning: work and home have the same item, and so the same keys: --item home=op://…" in ended.err


@pytest.mark.parametrize(
    ("config", "credentials", "words"),
    [
        ("", "", "has no profile with permanent keys, and no role on such a profile"),
        ("", "", "hint: if the keys are in 1Password alone, choose the item there: mayfly init"),
        ("[profile a]\nsso_session = b\n", "", "left out a: it uses SSO"),
        ("[profile a\n", "", "line 1 cannot be read"),
        (f"x = {SECRET}\n", "", "line 1 cannot be read"),
    ],
)
async def test_nothing_to_import_is_said(world: World, config: str, credentials: str, words: str) -> None:
    """Exit 1, with the reason for each profile that there is."""
    ended = await _imported(world, "--item", ITEM, config=config, credentials=credentials)

    assert (1, "", True) == (ended.code, ended.out, words in ended.err)
    assert SECRET not in ended.err


async def test_files_that_cannot_be_read_or_written_are_named(world: World) -> None:
    """A folder in the place of a file is told by its name."""
    _aws(world, config="")
    unreadable = await world.run("import-aws-config", env={"AWS_CONFIG_FILE": str(world.home)})
    blocked = await world.run("import-aws-config", "--item", ITEM, "--write", "--config", f"{world.home}/.aws/config/x")

    assert (1, f"mayfly: error: {world.home}: Is a directory\n") == (unreadable.code, unreadable.err)
    assert (1, True) == (blocked.code, f"mayfly: error: {world.home}/.aws/config/x: " in blocked.err)


async def test_what_mayfly_wrote_itself_is_not_imported(world: World) -> None:
    """The profiles of `aws-config --write` are not taken for somebody else's credential_process."""
    await world.run("aws-config", "--write")
    aws_config = (world.home / ".aws/config").read_text()
    assert {} == profiles_in(aws_config, "")
