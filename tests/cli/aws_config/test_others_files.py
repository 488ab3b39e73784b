"""`aws-config` and files that are not only Mayfly's: regions of the user's, other owners, links that lead nowhere."""

from __future__ import annotations

import os
import sys

from pathlib import Path

import pytest

from support.aws_files import aws_config_of
from support.others import AS_ME, ME, PACKAGE, by_root, python
from support.world import SEED_TOML, Ended, World


def put(world: World, text: str) -> Path:
    config = aws_config_of(world)
    config.parent.mkdir(mode=0o700)
    config.write_text(text)
    return config


def errors(ended: Ended) -> list[str]:
    return [line for line in ended.err.splitlines() if line.startswith("mayfly: error: ")]


async def test_a_region_of_the_users_own_stays(world: World) -> None:
    """In a section that --replace takes over, and in ours; only a region in Mayfly's config replaces it."""
    config = put(world, "[default]\nregion = us-west-2\n\n[profile nsrc]\nsso_session = corp\nregion = eu-west-3\n")
    replaced = await world.run("aws-config", "--write", "--replace")
    first = config.read_text()
    config.write_text(first.replace("eu-west-3", "ap-south-1"))
    again = await world.run("aws-config", "--write")
    printed = await world.run("aws-config")
    kept = config.read_text()
    world.write_toml(SEED_TOML + 'region = "eu-central-1"\n')
    await world.run("aws-config", "--write")

    assert [0, 0] == [replaced.code, again.code]
    assert (1, 0) == (first.count("region = eu-west-3\n"), first.count("sso_session"))
    assert "region = ap-south-1\n" in kept
    assert "region = ap-south-1\n" in printed.out
    assert kept.replace("ap-south-1", "eu-central-1") == config.read_text()


@pytest.mark.parametrize("argv", ["--write", "--remove"])
async def test_a_link_to_itself_is_told(world: World, argv: str) -> None:
    """As a file that cannot be read: one line, and nothing is written."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.symlink_to(config.name)
    ended = await world.run("aws-config", argv)

    assert (1, "", [f"mayfly: error: {config}: Too many levels of symbolic links"]) == (
        ended.code,
        ended.out,
        errors(ended),
    )
    assert [config] == list(config.parent.iterdir())


@by_root
@pytest.mark.parametrize("place", ["config", "."])
@pytest.mark.parametrize("argv", ["--write", "--remove"])
async def test_another_users_files_are_left_to_that_user(world: World, argv: str, place: str) -> None:
    """Under sudo the home may be the user's: a file of root's, mode 0600, would lock that user out."""
    printed = await world.run("aws-config")
    config = put(world, printed.out.replace("nsrc]", "x-nsrc]"))
    if place == ".":
        config.unlink()
    os.chown(config.parent / place, ME, ME)
    ended = await world.run("aws-config", argv)

    if place == "." and argv == "--remove":
        assert (0, []) == (ended.code, errors(ended))
    else:
        owned = config.parent if place == "." else config
        assert (1, [f"mayfly: error: {owned}: belongs to uid {ME}"]) == (ended.code, errors(ended))
        way_out = f"run it as that user: sudo -H -u '#{ME}' mayfly aws-config {argv}"
        assert f"mayfly: hint: nothing was written: {way_out}\n" in ended.err
    assert [] == [path for path in config.parent.iterdir() if path != config]


@pytest.mark.parametrize(
    "text",
    ["", "[default]\nregion = x\n", "# ends with a gap\n\n", "# mine\r\n[profile mine]\r\nregion = x\r\n"],
)
async def test_what_was_written_is_taken_out_without_a_trace(world: World, text: str) -> None:
    """`--write` and `--remove` together change no byte of the file."""
    config = put(world, "")
    config.write_bytes(text.encode())
    await world.run("aws-config", "--write")
    is_written = "[profile nsrc]" in config.read_text()
    ended = await world.run("aws-config", "--remove")

    assert (0, True, text.encode()) == (ended.code, is_written, config.read_bytes())


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


REMOVE = "import sys; from mayfly.cli.main import main; sys.exit(main(['aws-config', '--remove']))"


@by_root
@pytest.mark.parametrize(
    ("owner", "mode", "lines"),
    [
        (ME, 0o444, ["error: {0}: is read-only", "hint: nothing was written: chmod u+w {0} && {1}"]),
        (
            0,
            0o644,
            ["error: {0}: belongs to root", "hint: nothing was written: make it yours: sudo chown {2} {0} && {1}"],
        ),
    ],
    ids=["read-only", "root's"],
)
async def test_a_file_that_its_user_cannot_change_is_not_replaced(
    world: World, open_folder: Path, owner: int, mode: int, lines: list[str]
) -> None:
    """By a new file in its place it could be, without write permission: it was made read-only for a reason."""
    config = open_folder / "config"
    config.write_text((await world.run("aws-config")).out)
    config.chmod(mode)
    os.chown(config, owner, owner)
    os.chown(open_folder, ME, ME)
    env = {**PACKAGE, "AWS_CONFIG_FILE": str(config), "HOME": str(open_folder)}
    ended = await world.run_program(*AS_ME, python(), "-c", REMOVE, env=env)

    told = [f"mayfly: {line}".format(config, "mayfly aws-config --remove", ME) for line in lines]
    assert (1, told) == (ended.code, ended.err.splitlines())
    assert ["config"] == names_in(open_folder)


@pytest.mark.parametrize(
    ("home", "argv", "hint"),
    [
        ("dollar$ign", [], 'eval "$(mayfly env)" needs no file'),
        ("a", ["--prefix", "a b"], "choose another --prefix, like mayfly-"),
    ],
)
async def test_a_path_that_cannot_stand_there_has_a_way_out(
    world: World, home: str, argv: list[str], hint: str
) -> None:
    """So does a prefix."""
    place = world.folder / home
    place.mkdir(mode=0o700)
    ended = await world.run("aws-config", *argv, env={"MAYFLY_RUNTIME_DIR": str(place)})

    assert (2, "", f"mayfly: hint: {hint}") == (ended.code, ended.out, ended.err.splitlines()[-1])


async def test_a_write_that_fails_leaves_no_backup(world: World) -> None:
    """As on a full disk, or where the file alone is mounted: what was there stays, and the hint has all options."""
    config = put(world, "[profile mine]\nregion = x\n")
    names = ("a", "b", "c", "d")
    world.write_toml("".join(SEED_TOML.replace("profiles.nsrc", f"profiles.{name}") for name in names))
    # -B: a file of bytecode would be cut off, too.
    again = f"mayfly aws-config --write --prefix x- --config {world.config}"
    ended = await world.run_program("sh", "-c", f"ulimit -f 1; exec {sys.executable} -B -m {again}")

    assert 1 == ended.code
    assert errors(ended)[0].endswith("File too large")
    way_out = f"nothing was written; to write another file: AWS_CONFIG_FILE=/a/file {again}"
    assert f"mayfly: hint: {way_out}" == ended.err.splitlines()[-1]
    assert ("[profile mine]\nregion = x\n", ["config"]) == (config.read_text(), names_in(config.parent))
