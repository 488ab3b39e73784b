"""`mayfly aws-config`: the profiles in `~/.aws/config`, and real SDKs that use them."""

from __future__ import annotations

import stat

import pytest

from mayfly.cli.aws_config import sections
from support.aws_files import aws_config_of, backups_of
from support.world import SEED_TOML, World


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


async def test_replace_alone_is_no_command(world: World) -> None:
    """Only with --write is a file changed."""
    ended = await world.run("aws-config", "--replace")
    assert (2, "") == (ended.code, ended.out)
