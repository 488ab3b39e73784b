"""`mayfly aws-config`: the profiles in `~/.aws/config`, and real SDKs that use them."""

from __future__ import annotations

import json
import stat
import sys

from pathlib import Path

import pytest

import mayfly

from mayfly.cli.aws_config import sections
from support.clients import ARN
from support.world import SEED_TOML, Ended, World, which


SDK = """
import boto3
print(boto3.Session(profile_name="nsrc").client("sts").get_caller_identity()["Arn"])
"""


def aws_config_of(world: World) -> Path:
    return Path(world.home, ".aws/config")


def backups_of(world: World) -> list[Path]:
    return sorted(aws_config_of(world).parent.glob("config.mayfly-backup-*"))


async def use(world: World, *, path: str = "") -> list[Ended]:
    """The user that boto3 and the AWS CLI are with the profile, without the endpoint's variables."""
    env = {"PATH": path}
    cli = ("--profile", "nsrc", "sts", "get-caller-identity", "--output", "text", "--query", "Arn")
    return [
        await world.run_program(sys.executable, "-c", SDK, env=env),
        await world.run_program(sys.executable, which("aws"), *cli, env=env),
    ]


def path_without_curl(world: World) -> str:
    folder = world.folder / "nocurl"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    return str(folder)


async def test_sdks_use_the_profile_through_curl(world: World) -> None:
    """boto3 and the AWS CLI are the vault's user by curl alone, without the command."""
    async with world.serve():
        await world.run("aws-config", "--write")
        config = aws_config_of(world)
        config.write_text(config.read_text().replace("exec '", "exec '/nowhere"))
        ended = await use(world)

    assert [(0, f"{ARN}\n")] * 2 == [(end.code, end.out) for end in ended]
    assert 1 == len(world.vault.calls())


async def test_sdks_use_the_profile_without_curl(world: World) -> None:
    """Without curl, or if its file is gone, the command gives the credentials."""
    async with world.serve():
        await world.run("aws-config", "--write")
        config = aws_config_of(world)
        gone = config.read_text().replace("curl' -q", "gone' -q")
        config.write_text(gone)
        ended = await use(world)
        bare = await world.run("aws-config", env={"PATH": path_without_curl(world)})
        config.write_text(bare.out)
        ended += await use(world)

    assert [(0, f"{ARN}\n", "")] * 4 == [tuple(end) for end in ended]
    assert ("gone' -q" in gone, False) == (True, "curl" in bare.out)
    assert "mayfly: warning: curl is not on PATH: the profiles work without it, more slowly" in bare.err


async def test_a_curl_that_others_can_replace_is_not_written(world: World) -> None:
    """The line has the whole path of the first curl that no other user can change."""
    loose, sound = world.folder / "loose", world.folder / "sound"
    for folder in (loose, sound):
        folder.mkdir()
        (folder / "curl").write_text("#!/bin/sh\n")
        (folder / "curl").chmod(0o755)
    loose.chmod(0o777)

    written = await world.run("aws-config", env={"PATH": f".:{loose}:{sound}"})
    alone = await world.run("aws-config", env={"PATH": f"{loose}"})

    assert (0, True, False) == (written.code, f"'{sound}/curl' -q" in written.out, str(loose) in written.out)
    assert (0, False) == (alone.code, "curl" in alone.out)
    assert f"warning: {loose}/curl cannot be trusted: {loose} is writable by others" in alone.err


@pytest.mark.parametrize("mode", [0o777, 0o770])
async def test_no_line_leads_through_a_folder_that_others_can_write(world: World, mode: int) -> None:
    """A stranger could put a socket of theirs there, and curl would believe it."""
    shared = world.folder / "shared"
    shared.mkdir()
    shared.chmod(mode)
    env = {"MAYFLY_RUNTIME_DIR": f"{shared}/run"}

    ended = [await world.run(*argv, env=env) for argv in (("aws-config",), ("aws-config", "--write"), ("env",))]

    line = f"mayfly: error: {shared} is writable by others: chmod go-w {shared}\n"
    assert [(2, "", line)] * 3 == [tuple(end) for end in ended]
    assert ([], False) == (list(shared.iterdir()), aws_config_of(world).exists())


async def test_without_a_script_the_current_folder_is_not_run(world: World, tmp_path: Path) -> None:
    """`python -m mayfly` would run ./mayfly of somebody's repository: the line says -P."""
    repository = tmp_path / "repository"
    (repository / "mayfly").mkdir(parents=True)
    for name in ("__init__", "__main__"):
        (repository / f"mayfly/{name}.py").write_text(f"print('planted'); open('{tmp_path}/sung', 'w')\n")
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    package = str(Path(mayfly.__file__).parents[1])
    path = ":".join([package, *(entry for entry in sys.path if "site-packages" in entry)])
    env = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin"}

    written = await world.run_program(str(python), "-P", "-m", "mayfly", "aws-config", env=env)
    lines = [line for line in written.out.splitlines() if line.startswith("credential_process = ")]
    (repository / "process.sh").write_text(lines[0].removeprefix("credential_process = "))
    ended = await world.run_program("sh", "-c", f"cd {repository} && sh process.sh", env=env)

    assert f"exec '{python}' '-P' '-m' 'mayfly' credential-process nsrc" in lines[0]
    assert (3, "", False) == (ended.code, ended.out, (tmp_path / "sung").exists())


async def test_curl_takes_no_proxy_and_no_curlrc(world: World) -> None:
    """Neither a proxy nor ~/.curlrc changes curl's request to the socket."""
    (world.home / ".curlrc").write_text("max-time = 0.001\ninclude\n")
    async with world.serve():
        await world.run("aws-config", "--write")
        config = aws_config_of(world)
        config.write_text(config.read_text().replace("exec '", "exec '/nowhere"))
        line = config.read_text().partition("credential_process = ")[2].splitlines()[0]
        ended = await world.run_program("sh", "-c", line, env={"http_proxy": "http://127.0.0.1:1"})

    assert 0 == ended.code
    assert {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken"} <= json.loads(ended.out).keys()


async def test_sdk_shows_what_mayfly_says(world: World) -> None:
    """An SDK shows mayfly's own error, and takes no output of curl for credentials."""
    await world.run("aws-config", "--write")
    ended = await use(world)

    for end in ended:
        assert 0 != end.code
        assert "mayfly: hint: start it: mayfly serve" in end.err


async def test_printed_block_has_a_profile_for_each_of_the_config(world: World) -> None:
    """Each profile has the region that the config names."""
    world.write_toml(SEED_TOML + 'region = "eu-central-1"\n')
    ended = await world.run("aws-config")

    assert (0, "") == (ended.code, ended.err)
    assert ["[profile nsrc]", "region = eu-central-1"] == ended.out.splitlines()[:2]
    assert not aws_config_of(world).exists()


async def test_profile_without_a_region_gets_one(world: World) -> None:
    """It is the fallback, or the region of the user's own [default], because SDKs look in the profile alone."""
    usual = await world.run("aws-config")
    config = aws_config_of(world)
    config.parent.mkdir()
    ours = usual.out.replace("profile nsrc", "default").replace("nsrc", "default").replace("east-1", "east-2")
    config.write_text(ours)
    mine = await world.run("aws-config")
    config.write_text("[default]\nregion = us-west-2\n")
    default = await world.run("aws-config")

    assert [f"region = {region}" for region in ("us-east-1", "us-east-1", "us-west-2")] == [
        end.out.splitlines()[1] for end in (usual, mine, default)
    ]


@pytest.mark.parametrize(
    "region", ['"a b"', '"x\\nsource_profile = y"', "5", "['x']", '"us-east-1 ; x"', '"us_east.1"', '""']
)
@pytest.mark.parametrize("argv", [[], ["--write"]])
async def test_malformed_region_is_refused_and_not_repeated(world: World, region: str, argv: list[str]) -> None:
    """As `env` refuses it: one line with the key, and nothing is printed or written."""
    path = world.write_toml(f"{SEED_TOML}region = {region}\n")
    ended = await world.run("aws-config", *argv)

    line = f"mayfly: error: {path}: profiles.nsrc.region: is no region\n"
    assert (2, "", line) == (ended.code, ended.out, ended.err)
    assert not aws_config_of(world).exists()


async def test_new_file_is_this_users_alone(world: World) -> None:
    """It has mode 0600 in a 0700 folder, and no backup."""
    ended = await world.run("aws-config", "--write")
    config = aws_config_of(world)

    assert 0 == ended.code
    assert [0o700, 0o600] == [stat.S_IMODE(place.stat().st_mode) for place in (config.parent, config)]
    assert ["config"] == [entry.name for entry in config.parent.iterdir()]


async def test_second_write_says_that_nothing_changed(world: World) -> None:
    """The second write makes no backup."""
    await world.run("aws-config", "--write")
    before = aws_config_of(world).read_bytes()
    ended = await world.run("aws-config", "--write")

    assert (0, f"mayfly: {aws_config_of(world)}: nothing changed\n") == (ended.code, ended.err)
    assert (before, []) == (aws_config_of(world).read_bytes(), backups_of(world))


async def test_change_keeps_mode_link_and_a_backup(world: World) -> None:
    """The file behind a link is replaced, with its mode, and its old text is backed up."""
    real = world.home / "dotfiles/aws config"
    real.parent.mkdir()
    real.write_bytes(b"[profile old]\r\nregion = x \xff\r\n")
    real.chmod(0o640)
    aws_config_of(world).parent.mkdir()
    aws_config_of(world).symlink_to(real)
    ended = await world.run("aws-config", "--write")
    backup = next(real.parent.glob("aws config.mayfly-backup-*"))

    assert aws_config_of(world).is_symlink()
    assert b"[profile old]\r\nregion = x \xff\r\n" == backup.read_bytes()
    assert real.read_bytes().startswith(backup.read_bytes() + b"\r\n[profile nsrc]\r\nregion = ")
    assert [0o640, 0o640] == [stat.S_IMODE(place.stat().st_mode) for place in (real, backup)]
    assert f"mayfly: the file as it was before: {backup}\n" in ended.err


async def test_name_that_is_taken_is_reported_and_the_rest_is_written(world: World) -> None:
    """The exit code is 1, the way out is named, and the other profiles are written."""
    world.write_toml(SEED_TOML + SEED_TOML.replace("profiles.nsrc", "profiles.default"))
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text("[profile nsrc]\naws_access_key_id = mine\n")
    ended = await world.run("aws-config", "--write")
    prefixed = await world.run("aws-config", "--write", "--prefix", "mayfly-")

    assert (1, 0) == (ended.code, prefixed.code)
    assert f"mayfly: error: {config}: has a profile nsrc that mayfly did not write, and keeps it\n" in ended.err
    assert f"mayfly: {config}: wrote default\n" in ended.err
    assert f"mayfly: {config}: removed default\n" in prefixed.err
    assert ["nsrc", "mayfly-nsrc", "mayfly-default"] == sections.section_names(config.read_text())


async def test_keys_that_would_win_are_reported(world: World) -> None:
    """SDKs take static keys before they run a process."""
    credentials = world.home / ".aws/credentials"
    credentials.parent.mkdir()
    credentials.write_text("[nsrc]\naws_access_key_id = mine\n")
    ended = await world.run("aws-config", "--write")

    assert 1 == ended.code
    assert f"mayfly: error: {credentials}: has keys for nsrc, which win over credential_process\n" in ended.err
    assert (
        f"mayfly: hint: when they are in 1Password, remove them: delete [nsrc] and its lines from {credentials}\n"
        in ended.err
    )


async def test_aws_config_file_names_another_place(world: World) -> None:
    """AWS_CONFIG_FILE is used, as by the SDKs."""
    elsewhere = world.folder / "elsewhere/config"
    ended = await world.run("aws-config", "--write", env={"AWS_CONFIG_FILE": str(elsewhere)})

    assert 0 == ended.code
    assert ["nsrc"] == sections.section_names(elsewhere.read_text())


MALFORMED = [
    (b"[profile a]\nx = 1\n[profile a]\n", "line 3: [profile a] is there already, in line 1"),
    (b"[profile a]\nx = 1\nX = 2\n", "line 3: [profile a] has x already, in line 2"),
    (b"\xef\xbb\xbf[profile a]\n", "line 1: begins with a byte order mark"),
    ("[profile a]\n".encode("utf-16"), "line 1: is no UTF-8, but UTF-16 or binary"),
    (b"[profile a]\nregion\n", "line 2: is neither a [section] nor a key with a value"),
]


@pytest.mark.parametrize(("text", "words"), MALFORMED)
async def test_a_file_that_programs_read_differently_is_not_written(world: World, text: bytes, words: str) -> None:
    """The line is named, and nothing changes: not even a backup is made."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_bytes(text)
    ended = await world.run("aws-config", "--write")

    assert (1, text) == (ended.code, config.read_bytes())
    assert f"mayfly: error: {config}: {words}" in ended.err
    assert ["config"] == [entry.name for entry in config.parent.iterdir()]


async def test_file_that_cannot_be_written_is_told(world: World) -> None:
    """A file that cannot be written is an error in a line, without a traceback."""
    aws_config_of(world).parent.write_text("")
    ended = await world.run("aws-config", "--write")

    assert 1 == ended.code
    assert ended.err.startswith("mayfly: error: ")


# AWS's own writer, and its readers, as judges


_CONFIGURE = """
import sys
from awscli.clidriver import create_clidriver
for line in sys.argv[1:]:
    if code := create_clidriver().main(["configure", *line.split()]):
        sys.exit(code)
"""


async def configure(world: World, *lines: str) -> str:
    """What `aws configure LINE` prints, for each line, by one process: its imports take longer than all it does."""
    ended = await world.run_program(sys.executable, "-c", _CONFIGURE, *lines)
    assert 0 == ended.code, ended
    return ended.out


async def boto3_profiles(world: World) -> list[str]:
    # `aws configure list-profiles` of version 2 is botocore's own list; version 1 has no such command.
    program = "import boto3; print(*boto3.Session().available_profiles)"
    return sorted((await world.run_program(sys.executable, "-c", program)).out.split())


MINE = "[profile mine]\nregion = eu-west-1\n"


async def test_what_aws_configure_set_stays_in_its_profile(world: World) -> None:
    """Its writer puts a key before the next section, among our lines; the next write neither moves nor drops it."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text(MINE)
    await world.run("aws-config", "--write")
    await configure(
        world,
        "set endpoint_url http://mine --profile mine",
        "set endpoint_url http://nsrc --profile nsrc",
        "set s3.addressing_style path --profile nsrc",
    )
    world.write_toml(SEED_TOML + 'region = "eu-central-1"\n' + SEED_TOML.replace("profiles.nsrc", "profiles.new"))
    ended = await world.run("aws-config", "--write")

    assert 0 == ended.code
    assert ["http://mine", "http://nsrc", "path", "eu-central-1"] == (
        await configure(
            world,
            "get endpoint_url --profile mine",
            "get endpoint_url --profile nsrc",
            "get s3.addressing_style --profile nsrc",
            "get region --profile nsrc",
        )
    ).splitlines()
    assert ["mine", "new", "nsrc"] == await boto3_profiles(world)


async def test_a_role_of_another_profile_is_not_given_to_ours(world: World) -> None:
    """A role that `aws configure` set for the profile above ours is not our profile's account."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text(MINE)
    async with world.serve():
        await world.run("aws-config", "--write")
        await configure(
            world,
            "set role_arn arn:aws:iam::111122223333:role/x --profile mine",
            "set source_profile nsrc --profile mine",
        )
        await world.run("aws-config", "--write", "--prefix", "p-")
        ended = await world.run("aws-config", "--write")
        used = await use(world)

    assert 0 == ended.code
    assert [(0, f"{ARN}\n")] * 2 == [(end.code, end.out) for end in used]
    assert "arn:aws:iam::111122223333:role/x\n" == await configure(world, "get role_arn --profile mine")


async def test_keys_that_went_with_a_profile_are_named(world: World) -> None:
    """The profile's section goes; the backup still has the user's keys."""
    world.write_toml(SEED_TOML + SEED_TOML.replace("profiles.nsrc", "profiles.gone"))
    await world.run("aws-config", "--write")
    await configure(world, "set endpoint_url http://mine --profile gone")
    world.write_toml(SEED_TOML)
    ended = await world.run("aws-config", "--write")
    config = aws_config_of(world)

    assert 0 == ended.code
    assert f"mayfly: {config}: removed gone\n" in ended.err
    assert f"mayfly: warning: {config}: with gone went your endpoint_url: the backup has them\n" in ended.err
    assert "endpoint_url = http://mine" in backups_of(world)[-1].read_text()
    assert ["nsrc"] == await boto3_profiles(world)


async def test_replace_gives_a_profile_to_mayfly(world: World) -> None:
    """Beside a role botocore passes over credential_process: --replace takes the role out."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text(f"[profile nsrc]\nrole_arn = x\nsource_profile = mine\nmfa_serial = y\noutput = text\n{MINE}")
    before = config.read_text()
    async with world.serve():
        kept = await world.run("aws-config", "--write")
        ended = await world.run("aws-config", "--write", "--replace")
        used = await use(world)

    assert (1, True) == (kept.code, "mayfly aws-config --write --replace\n" in kept.err)
    assert (0, before) == (ended.code, backups_of(world)[0].read_text())
    assert f"mayfly: {config}: took role_arn, source_profile, mfa_serial out of nsrc\n" in ended.err
    assert [(0, f"{ARN}\n")] * 2 == [(end.code, end.out) for end in used]
    assert "text\n" == await configure(world, "get output --profile nsrc")


async def test_a_role_in_our_own_section_is_told(world: World) -> None:
    """It is the user's, and stays, but the profile is another account's: exit 1, and the way out."""
    await world.run("aws-config", "--write")
    await configure(world, "set role_arn arn:aws:iam::111122223333:role/x --profile nsrc")
    ended = await world.run("aws-config", "--write")
    mended = await world.run("aws-config", "--write", "--replace")

    assert (1, 0) == (ended.code, mended.code)
    assert "config: nsrc has role_arn, which SDKs take before credential_process\n" in ended.err
    assert "role_arn" not in aws_config_of(world).read_text()


async def test_replace_alone_is_no_command(world: World) -> None:
    """Only with --write is a file changed."""
    ended = await world.run("aws-config", "--replace")
    assert (2, "") == (ended.code, ended.out)


@pytest.mark.parametrize("write", [(), ("--write",)])
async def test_no_line_leads_to_a_folder_that_another_user_can_make(world: World, write: tuple[str, ...]) -> None:
    """curl does not ask who answers: a missing runtime folder in a sticky folder (XDG_RUNTIME_DIR=/tmp) is refused."""
    sticky = world.folder / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    env = {"MAYFLY_RUNTIME_DIR": f"{sticky}/mayfly"}

    ended = await world.run("aws-config", *write, env=env)
    asked = await world.run("credential-process", "nsrc", env=env)

    assert (2, "") == (ended.code, ended.out)
    assert f"error: {sticky}/mayfly is missing, and others could make it: {sticky} is writable by others" in ended.err
    assert not aws_config_of(world).exists()
    assert "the daemon does not run" in asked.err
