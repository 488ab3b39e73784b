"""`mayfly aws-config`: the block in `~/.aws/config`, and real SDKs that use it."""

from __future__ import annotations

import configparser
import io
import json
import shlex
import stat
import sys

from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

import mayfly

from mayfly.cli.aws_config import sections
from mayfly.cli.aws_config.sections import BEGIN, END, Entry, Unmergeable, Unquotable, block, merge, process_line
from support.clients import ARN
from support.world import SEED_TOML, Ended, World, which


ENTRIES = (Entry("nsrc", "eu-central-1", "nsrc-process"), Entry("default", None, "default-process"))

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("[]\r\n#;= \x85\u2028\udcff"))
LINES = st.lists(
    st.sampled_from(
        ["[profile nsrc]", "[default]", "[profile other]", "region = x", "# note", "", "  s3 =", BEGIN, END]
    )
    | TEXTS,
    max_size=8,
).map("\n".join)
NAMES = st.text("abcXYZ019._-", min_size=1, max_size=12)
ENTRY_LISTS = st.lists(
    st.builds(Entry, NAMES, st.none() | st.just("us-east-1"), NAMES), unique_by=lambda entry: entry.name
)

SDK = """
import boto3
print(boto3.Session(profile_name="nsrc").client("sts").get_caller_identity()["Arn"])
"""


def unmarked(text: str) -> str:
    return text.replace(BEGIN, "").replace(END, "")


@given(LINES.map(unmarked), ENTRY_LISTS)
def test_a_file_without_our_block_is_kept(text: str, entries: list[Entry]) -> None:
    """It keeps each byte, and gets an empty line and the block at its end."""
    merged = merge(text, entries)
    added = merged.text.removeprefix(text)

    assert merged.text.startswith(text)
    assert block([entry for entry in entries if entry.name not in merged.foreign]) == added.lstrip("\n")


@given(LINES.map(unmarked), LINES.map(unmarked), ENTRY_LISTS, ENTRY_LISTS)
def test_the_text_around_the_block_is_kept(before: str, after: str, old: list[Entry], new: list[Entry]) -> None:
    """An old block is replaced in its place."""
    head = before + "\n" if before else ""
    merged = merge(head + (block(old) or f"{BEGIN}\n{END}\n") + after, new)

    assert head + block([entry for entry in new if entry.name not in merged.foreign]) + after == merged.text


@given(LINES, ENTRY_LISTS)
def test_second_merge_changes_nothing(text: str, entries: list[Entry]) -> None:
    """Merging twice gives the same as once; a block without its begin or end is refused."""
    try:
        first = merge(text, entries)
    except Unmergeable:
        assert (1, 1) != (text.count(BEGIN), text.count(END)) or text.index(END) < text.index(BEGIN)
        return

    assert first.text == merge(first.text, entries).text


def test_block_is_what_the_cli_reads() -> None:
    """Each profile has a section; that of `default` is without the word profile."""
    reader = configparser.RawConfigParser()
    reader.read_string(block(ENTRIES))

    assert {
        "profile nsrc": {"region": "eu-central-1", "credential_process": "nsrc-process"},
        "default": {"credential_process": "default-process"},
    } == {name: dict(reader[name]) for name in reader.sections()}


@pytest.mark.parametrize(
    "head", ["[profile nsrc]", "[ profile  nsrc ]", '[profile "nsrc"]', "[profile 'nsrc'] # mine", "\t[profile nsrc]"]
)
def test_profile_of_the_users_own_is_left_alone(head: str) -> None:
    """A section of the user keeps its name and its text, however it is written."""
    text = f"{head}\nregion = eu-west-1\n"
    merged = merge(text, ENTRIES)

    assert ["nsrc"] == merged.foreign
    assert [head, "region = eu-west-1"] == merged.text.splitlines()[:2]
    assert ["nsrc", "default"] == sections.section_names(merged.text)


def test_profile_that_left_the_config_leaves_the_block() -> None:
    """A profile that is no longer configured is removed from the block."""
    before = merge("", ENTRIES).text
    merged = merge(before, ENTRIES[:1])

    assert (["default"], block(ENTRIES[:1])) == (merged.removed, merged.text)


@pytest.mark.parametrize("text", [f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{BEGIN}\n{END}\n"])
def test_marks_that_are_not_as_we_left_them_are_refused(text: str) -> None:
    """If the block's begin or end is missing, doubled or misplaced, nothing is changed."""
    with pytest.raises(Unmergeable):
        merge(text, ENTRIES)


def test_static_keys_are_seen_and_other_sections_are_not() -> None:
    """Static keys win over a credential_process; a region does not."""
    assert {"nsrc"} == sections.keys_in("[nsrc]\nAWS_Access_Key_ID = x\n[other]\nregion = y\n#aws_access_key_id=z\n")


@pytest.mark.parametrize(
    "folder", ["/run/user/1000/mayfly", "/Users/c/Library/Application Support/mayfly/run", "/tmp/100%/ü=1"]
)
def test_process_line_means_the_same_to_a_splitter_and_to_a_shell(tmp_path: Path, folder: str) -> None:
    """botocore splits the line, Go and JS give it to sh: curl gets the same words."""
    import subprocess

    line = process_line(f"{folder}/control.sock", (f"{folder}/mayfly",), "nsrc")
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    curl.chmod(0o700)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    split = subprocess.run(shlex.split(line), env=env, capture_output=True, check=True).stdout
    shell = subprocess.run(["sh", "-c", line], env=env, capture_output=True, check=True).stdout
    reader = configparser.RawConfigParser()
    reader.read_file(io.StringIO(block([Entry("nsrc", None, line)])))

    assert split == shell
    assert [f"{folder}/control.sock", "http://mayfly/process/nsrc"] == split.decode().splitlines()[-2:]
    assert line == reader["profile nsrc"]["credential_process"]


@pytest.mark.parametrize("letter", "'\"`$\\!;#\n\x85\u202e\u2028\udcff")
def test_path_that_cannot_be_quoted_for_all_is_refused(letter: str) -> None:
    """No line is written that some SDK would read differently."""
    with pytest.raises(Unquotable):
        process_line(f"/tmp/{letter}/control.sock", ("/usr/bin/mayfly",), "nsrc")


# The command


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
    assert [BEGIN, "[profile nsrc]", "region = eu-central-1"] == ended.out.splitlines()[:3]
    assert not aws_config_of(world).exists()


async def test_profile_without_a_region_gets_one(world: World) -> None:
    """It is the fallback, or the region of the user's own [default], because SDKs look in the profile alone."""
    usual = await world.run("aws-config")
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text(f"[default]\nregion = us-west-2\n{BEGIN}\n[default]\nregion = ours\n{END}\n")
    default = await world.run("aws-config")

    assert ["region = us-east-1", "region = us-west-2"] == [end.out.splitlines()[2] for end in (usual, default)]


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
    assert real.read_bytes().startswith(backup.read_bytes() + b"\n# >>> mayfly")
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


async def test_aws_config_file_names_another_place(world: World) -> None:
    """AWS_CONFIG_FILE is used, as by the SDKs."""
    elsewhere = world.folder / "elsewhere/config"
    ended = await world.run("aws-config", "--write", env={"AWS_CONFIG_FILE": str(elsewhere)})

    assert 0 == ended.code
    assert ["nsrc"] == sections.section_names(elsewhere.read_text())


async def test_broken_marks_change_nothing(world: World) -> None:
    """A file with a broken block is left as it is."""
    config = aws_config_of(world)
    config.parent.mkdir()
    config.write_text(f"{BEGIN}\n[profile mine]\n")
    ended = await world.run("aws-config", "--write")

    assert (1, f"{BEGIN}\n[profile mine]\n") == (ended.code, config.read_text())
    assert [] == backups_of(world)


async def test_file_that_cannot_be_written_is_told(world: World) -> None:
    """A file that cannot be written is an error in a line, without a traceback."""
    aws_config_of(world).parent.write_text("")
    ended = await world.run("aws-config", "--write")

    assert 1 == ended.code
    assert ended.err.startswith("mayfly: error: ")
