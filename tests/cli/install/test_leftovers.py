"""`mayfly uninstall` names what it leaves, and takes it with `--purge`; `mayfly aws-config --remove` takes one part."""

from __future__ import annotations

import pytest

from mayfly.daemon.delivery import folder
from support.aws_files import aws_config_of
from support.world import SEED_TOML, Ended, World


THEIRS = "# mine\n[default]\nregion = eu-west-1\n\n[profile other]\nrole_arn = arn:aws:iam::123456789012:role/X\n"


async def lived_in(world: World) -> None:
    """A config, profiles in ~/.aws/config among the user's own, and tokens."""
    world.write_toml(SEED_TOML)
    aws_config_of(world).parent.mkdir()
    aws_config_of(world).write_text(THEIRS)
    for argv in (("env", "nsrc"), ("aws-config", "--write")):
        assert 0 == (await world.run(*argv)).code


def said(ended: Ended) -> list[str]:
    return [line.removeprefix("mayfly: ") for line in ended.err.splitlines()]


async def test_what_is_left_is_named(world: World) -> None:
    """A daemon that is no service, profiles, config, tokens: the place of each, and how it goes; else nothing."""
    await lived_in(world)
    async with world.serve():
        served = await world.run("uninstall")
    first = await world.run("uninstall")
    purged = await world.run("uninstall", "--purge")
    second = await world.run("uninstall")

    assert [
        "there was no service",
        f"{aws_config_of(world)} still has nsrc, which find no daemon now",
        f"your config stays: {world.config}",
        f"tokens stay, which open nothing without a daemon: {world.run_dir}",
        "hint: only the profiles: mayfly aws-config --remove",
        "hint: all of it: mayfly uninstall --purge",
    ] == said(first)
    assert [
        "there was no service",
        "a daemon still runs, which is no service: Ctrl-C in its terminal ends it",
        f"{aws_config_of(world)} still has nsrc",
        f"your config stays: {world.config}",
        f"tokens stay: {world.run_dir}",
    ] == said(served)[:5]
    assert [0, 0, 0, 0] == [ended.code for ended in (served, first, purged, second)]
    assert ["there was no service"] == said(second)


async def test_a_purge_takes_what_is_ours_and_no_more(world: World) -> None:
    """Other sections stay byte for byte, and there is a backup; files that are not ours stay, and are named."""
    await lived_in(world)
    precious = world.config.with_name("service-account-token")
    precious.write_text("ops_…")
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("")
    (world.run_dir / "prompt").symlink_to(elsewhere)
    for grant_id in ("1a2b3c4d", "00c0ffee"):
        made = str(world.run_dir), grant_id
        folder.make(*made, *folder.Place)
        folder.put(*made, folder.Place.CREDENTIALS, b"{}")
        (world.run_dir / "grants" / grant_id / "token").write_text("a" * 43)
    (world.run_dir / "grants/00c0ffee/socket/theirs").write_text("")
    (world.run_dir / "grants.json").write_text("{}")
    dotfiles = world.folder / "dotfiles.json"
    dotfiles.write_text("{}")
    world.config.with_name("config.json").symlink_to(dotfiles)

    ended = await world.run("uninstall", "--purge", env={"MAYFLY_CONFIG": str(dotfiles)})

    assert 0 == ended.code
    assert THEIRS.rstrip("\n") == aws_config_of(world).read_text().rstrip("\n")
    backup = max(aws_config_of(world).parent.glob("config.mayfly-backup-*"))
    assert "credential_process" in backup.read_text()
    assert [precious.name] == [path.name for path in world.config.parent.iterdir()]
    assert ({"prompt", "grants"}, True) == (
        {path.name for path in world.run_dir.iterdir()},
        (elsewhere / "kept").exists(),
    )
    grants = world.run_dir / "grants"
    assert {"00c0ffee", "00c0ffee/socket", "00c0ffee/socket/theirs"} == {
        str(path.relative_to(grants)) for path in grants.rglob("*")
    }
    assert dotfiles.exists()
    for line in (
        f"removed {world.config}",
        f"warning: {world.config.parent} is kept: it has files that are not ours",
        f"warning: {world.run_dir} is kept: it has files that are not ours",
        f"warning: {dotfiles} is kept: MAYFLY_CONFIG names it, and it may be part of something else",
    ):
        assert line in said(ended)


async def test_a_purge_waits_for_the_daemon_to_end(world: World) -> None:
    """A `mayfly serve` in some terminal keeps its tokens and its config."""
    await lived_in(world)
    async with world.serve():
        ended = await world.run("uninstall", "--purge")
        served = await world.get()

    assert (1, 200, True) == (ended.code, served.status, world.config.exists())
    assert "a daemon still runs" in ended.err


async def test_a_purge_goes_on_past_a_file_that_cannot_be_edited(world: World) -> None:
    """The profiles stay with a reason, all else goes, and the exit code tells."""
    await lived_in(world)
    with aws_config_of(world).open("a") as file:
        file.write("[default]\nregion = eu-west-1\n")
    ended = await world.run("uninstall", "--purge")

    assert (1, False) == (ended.code, world.config.exists())
    assert f"mayfly: error: {aws_config_of(world)}: line " in ended.err


@pytest.mark.parametrize("prefix", ["", "mayfly-"])
async def test_aws_config_takes_its_profiles_out_again(world: World, prefix: str) -> None:
    """With any prefix, and without the config; the user's keys are named, and a second time nothing is left."""
    await lived_in(world)
    await world.run("aws-config", "--remove")
    await world.run("aws-config", "--write", "--prefix", prefix)
    text = aws_config_of(world).read_text()
    aws_config_of(world).write_text(text.replace(f"[profile {prefix}nsrc]", f"[profile {prefix}nsrc]\noutput = text"))
    world.config.unlink()
    first = await world.run("aws-config", "--remove")
    second = await world.run("aws-config", "--remove")

    path = aws_config_of(world)
    assert [0, 0] == [first.code, second.code]
    assert THEIRS.rstrip("\n") == path.read_text().rstrip("\n")
    assert f"mayfly: {path}: removed {prefix}nsrc\n" in first.err
    assert f"mayfly: warning: {path}: with {prefix}nsrc went your output: the backup has them\n" in first.err
    assert f"mayfly: {path}: has no profile of mayfly's\n" == second.err


async def test_a_profile_that_was_edited_is_the_users(world: World) -> None:
    """The rule of `--write`: a section whose credential_process is not as it was written stays."""
    await lived_in(world)
    text = aws_config_of(world).read_text().replace("credential-process nsrc", "credential-process nsrc; date")
    aws_config_of(world).write_text(text)
    ended = await world.run("aws-config", "--remove")

    assert (0, text) == (ended.code, aws_config_of(world).read_text())


@pytest.mark.parametrize("options", [["--write"], ["--prefix", "x-"], ["--write", "--replace"]])
async def test_removing_is_all_that_it_does(world: World, options: list[str]) -> None:
    """With any option for writing it is wrong usage."""
    ended = await world.run("aws-config", "--remove", *options)

    assert (2, True) == (ended.code, ended.err.startswith("mayfly: error: --remove takes out "))
