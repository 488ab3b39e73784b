"""`mayfly env`: what a shell holds after its eval, and that every client then works."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.cli import environment, shells
from mayfly.cli.target import Target
from mayfly.demo.op.vault import ITEM, VAULT
from support.world import SEED_TOML, World, which


TARGET = Target("nsrc", 9170, "eu-central-1")
NO_REGION = Target("nsrc", 9170)
USUAL_REGION = Target("nsrc", 9170, usual_region="us-east-1")
WITH_REGION = SEED_TOML + 'region = "us-east-1"\n'
ARN = "arn:aws:iam::058264411872:user/carmas"
NASTY = 'it\'s \\ "all" $HOME `id` $(id) ; # \u2018\u2019\u201a\u201b %s\n& é!'
SHOW = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"


def entered(now: dict[str, str], target: Target = TARGET) -> dict[str, str]:
    return environment.applied(now, environment.enter(now, target, token="T"))


def left(now: dict[str, str]) -> dict[str, str]:
    return environment.applied(now, environment.leave(now))


# What is set and unset: pure.


def test_a_shell_gets_the_url_the_token_and_the_profile() -> None:
    """The endpoint's URL is always on 127.0.0.1, and of the two token variables one is set."""
    assert {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9170/credentials/nsrc",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "T",
        "MAYFLY_PROFILE": "nsrc",
    } == entered({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/old"}, NO_REGION)


def test_a_token_file_stands_in_for_the_token() -> None:
    """With a token's file, the token itself is unset."""
    changes = environment.enter({}, NO_REGION, token_file="/run/t")

    assert "/run/t" == changes["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    assert changes["AWS_CONTAINER_AUTHORIZATION_TOKEN"] is None


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
    ],
)
def test_what_would_win_over_the_endpoint_is_unset(name: str) -> None:
    """A shadowing variable is gone, not blank."""
    assert name not in entered({name: "x"})
    assert name in environment.enter({}, TARGET)


def test_a_region_is_set_in_both_of_its_variables() -> None:
    """SDKs read AWS_REGION, the AWS CLI AWS_DEFAULT_REGION."""
    after = entered({"AWS_REGION": "us-west-2"})

    assert ("eu-central-1", "eu-central-1") == (after["AWS_REGION"], after["AWS_DEFAULT_REGION"])


def test_a_region_of_an_earlier_profile_goes_with_it() -> None:
    """A profile without a region does not keep the last profile's."""
    assert entered({}, NO_REGION) == entered(entered({}), NO_REGION)


def test_a_region_that_the_user_gave_stays() -> None:
    """Once somebody has given the variable another value, or had ours before us, it is never taken away."""
    changed = entered({}) | {"AWS_REGION": "us-west-2"}
    had = {"AWS_DEFAULT_REGION": "eu-central-1"}

    assert {"AWS_REGION": "us-west-2"} == left(changed)
    assert "us-west-2" == entered(changed, NO_REGION)["AWS_REGION"]
    assert had == left(entered(had))


def test_the_usual_region_is_set_where_nobody_names_one() -> None:
    """In both variables, and gone with the profile: it is ours, not the user's."""
    after = entered({"AWS_REGION": ""}, USUAL_REGION)

    assert ("us-east-1", "us-east-1") == (after["AWS_REGION"], after["AWS_DEFAULT_REGION"])
    assert not {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(left(after))
    assert entered({}, USUAL_REGION) == entered(entered({}), USUAL_REGION)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_usual_region_gives_way_to_the_users(name: str) -> None:
    """Whoever has named a region, in whichever variable, is not contradicted by the other."""
    after = entered({name: "us-west-2"}, USUAL_REGION)

    assert {name: "us-west-2"} == {key: value for key, value in after.items() if "REGION" in key}


def test_a_mark_that_no_longer_holds_is_dropped() -> None:
    """Where the user has set the profile's own region, it is the user's from then on."""
    moved = entered(entered({}) | {"AWS_REGION": "us-east-1"}, Target("p", 1, "us-east-1"))

    assert "us-east-1" == left(moved)["AWS_REGION"]


def test_without_a_proxy_nothing_is_said_about_proxies() -> None:
    """NO_PROXY is touched only where there is a proxy."""
    assert {"NO_PROXY": "x"}.items() <= entered({"NO_PROXY": "x"}).items()
    assert "no_proxy" not in entered({"NO_PROXY": "x"})


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_never_sees_the_token(proxy: str) -> None:
    """Where a proxy is set, both spellings name this machine."""
    after = entered({proxy: "http://proxy:3128"})

    assert ("127.0.0.1,localhost",) * 2 == (after["NO_PROXY"], after["no_proxy"])


def test_no_proxy_keeps_what_it_has_and_doubles_nothing() -> None:
    """Only what is missing is added, and a spelling that is new begins with what the other says."""
    after = entered({"https_proxy": "p", "no_proxy": "corp.example, 127.0.0.1"})

    assert "corp.example,127.0.0.1,localhost" == after["no_proxy"]
    assert "corp.example,127.0.0.1,localhost" == after["NO_PROXY"]


def test_no_proxy_for_everything_is_enough() -> None:
    """`*` is left alone: it means everything only where it stands alone."""
    now = {"https_proxy": "p", "NO_PROXY": "*"}

    assert now.items() <= entered(now).items()
    assert "no_proxy" not in entered(now)


def test_what_we_added_to_no_proxy_is_taken_out_again() -> None:
    """What was added meanwhile stays, and what we made goes whole."""
    now = {"https_proxy": "p", "no_proxy": "127.0.0.1,corp.example"}
    after = entered(now)
    more = after | {"no_proxy": after["no_proxy"] + ",late.example"}

    assert now == left(after)
    assert now | {"no_proxy": "127.0.0.1,corp.example,late.example"} == left(more)


def test_a_mark_in_no_proxy_follows_what_is_there() -> None:
    """What the user took out and we add again is ours, what is gone is not."""
    after = entered({"https_proxy": "p", "NO_PROXY": "a"})
    again = entered(after | {"NO_PROXY": "a,localhost"})

    assert "a,localhost,127.0.0.1" == again["NO_PROXY"]
    assert "a" == left(again)["NO_PROXY"]


names = st.sampled_from(
    [*environment.SHADOWING, *environment.REGIONS, *environment.NO_PROXIES, "https_proxy", "http_proxy", "OTHER"]
)
values = st.sampled_from(["", "*", "eu-central-1", "us-east-1", "a, b", "localhost", "127.0.0.1,c", "x"])
variables = st.dictionaries(names, values, max_size=8)
regions = st.sampled_from([None, "eu-central-1", "us-east-1"])


targets = st.builds(Target, st.just("nsrc"), st.just(1), regions, regions)


@given(variables, targets, targets)
def test_a_second_eval_changes_nothing(now: dict[str, str], first: Target, second: Target) -> None:
    """To enter twice is to enter once, whatever was entered before."""
    once = entered(entered(now, first), second)

    assert once == entered(once, second)


@given(variables, targets, targets)
def test_off_leaves_nothing_of_ours(now: dict[str, str], first: Target, second: Target) -> None:
    """After two profiles and --off there is no variable that was not there before, and twice off is off."""
    after = left(entered(entered(now, first), second))

    assert set(after) <= set(now)
    assert after == left(after)


# How it is written: real shells.


def shell_command(shell: str, text: str) -> list[str]:
    """Evaluates `text` twice and shows the environment."""
    script = {
        "fish": f"eval $argv[1]; eval $argv[1]; {SHOW}",
        "pwsh": f"Invoke-Expression $args[0]; Invoke-Expression $args[0]; {SHOW}",
    }.get(shell, f'eval "$1"; eval "$1"; {SHOW}')
    if shell == "pwsh":
        return ["pwsh", "-NoProfile", "-CommandWithArgs", script, text]
    quiet = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["-N"]}.get(shell, [])
    return [shell, *quiet, "-c", script, *([] if shell == "fish" else [shell]), text]


async def shown(shell: str, text: str, env: dict[str, str]) -> dict[str, str]:
    base = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *shell_command(shell, text),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=base | env,
    )
    out, err = await process.communicate()
    assert (0, b"") == (process.returncode, err)
    found: dict[str, str] = json.loads(out)
    return found


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "fish", "pwsh"])
async def test_every_shell_takes_every_value(shell: str) -> None:
    """Whatever stands in a value comes out as it went in, what is unset is gone, and nothing else runs."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    family = shell if shell in shells.SHELLS else "posix"
    text = shells.render(family, {"GONE": None, "NEVER": None, "NASTY": NASTY, "EMPTY": ""})

    found = await shown(shell, text, {"GONE": "x"})

    assert (NASTY, "", False) == (found["NASTY"], found["EMPTY"], {"GONE", "NEVER"} <= set(found))
    assert "GONE" not in found


def test_nothing_to_unset_is_no_unset() -> None:
    """`unset` alone would be an error in some shells."""
    assert "export A='1';\n" == shells.render("posix", {"A": "1"})


async def test_an_eval_without_quotes_works_too() -> None:
    """Each statement ends with a semicolon, so that lines can be joined."""
    text = shells.render("posix", {"GONE": None, "A": "1", "B": "2"}).replace("\n", " ")

    found = await shown("sh", text, {"GONE": "x"})

    assert ("1", "2", None) == (found["A"], found["B"], found.get("GONE"))


def test_powershell_doubles_every_quote() -> None:
    """PowerShell ends a text at typographic quotes as well."""
    assert "Remove-Item Env:G -ErrorAction Ignore;\n$Env:A = 'it''s \u2018\u2018x';\n" == shells.render(
        "pwsh", {"G": None, "A": "it's \u2018x"}
    )


def test_fish_warns_of_a_universal_variable_and_keeps_it() -> None:
    """A variable of all fish shells may be the only copy of a key: it is not erased, and its owner is told how."""
    warning = "mayfly: warning: G is universal, and stays: set -eU G"

    assert f"set -eg G;\nset -qU G; and echo '{warning}' >&2;\nset -gx A 'it\\'s \\\\';\n" == shells.render(
        "fish", {"G": None, "A": "it's \\"}
    )


def test_json_has_null_for_unset() -> None:
    """For a program: an object of values, null for unset."""
    assert {"G": None, "A": NASTY} == json.loads(shells.render("json", {"G": None, "A": NASTY}))


@pytest.mark.parametrize(
    ("shell", "expected"),
    [("/usr/bin/fish", "fish"), ("/opt/pwsh", "pwsh"), ("/bin/zsh", "posix"), ("", "posix"), (None, "posix")],
)
def test_the_shell_is_known_by_its_name(shell: str | None, expected: str) -> None:
    """$SHELL decides; what is none of fish and PowerShell is taken for sh's family."""
    assert expected == shells.usual({} if shell is None else {"SHELL": shell})


# The command.


async def changes(world: World, *argv: str, env: dict[str, str] | None = None) -> dict[str, str | None]:
    ended = await world.run("env", *argv, "--shell", "json", env=env)
    assert (0, "") == (ended.code, ended.err)
    found: dict[str, str | None] = json.loads(ended.out)
    return found


async def test_env_needs_no_daemon_and_no_name_where_there_is_one(world: World) -> None:
    """The only profile is the one; its token is made if it is missing, and kept."""
    first = await changes(world)
    second = await changes(world, "nsrc")

    assert first == second
    assert world.token() == first["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    assert f"{world.url}/credentials/nsrc" == first["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    assert ("us-east-1", "us-east-1") == (first["AWS_REGION"], first["AWS_DEFAULT_REGION"])


ROLES = """
[profiles.role]
source_profile = "nsrc"
role_arn = "arn:aws:iam::058264411872:role/Admin"
[profiles.far]
source_profile = "role"
role_arn = "arn:aws-cn:iam::058264411872:role/Far"
[profiles.circle]
source_profile = "circle"
"""


@pytest.mark.parametrize(
    ("config", "profile", "region"),
    [
        (SEED_TOML + ROLES, "role", "us-east-1"),
        (SEED_TOML + ROLES, "far", "cn-northwest-1"),
        (SEED_TOML + ROLES, "circle", "us-east-1"),
        (SEED_TOML.replace(f'"op://{VAULT}/{ITEM}/mfa_id"', '"arn:aws-us-gov:iam::1:mfa/me"'), "nsrc", "us-gov-west-1"),
        (SEED_TOML + 'region = "eu-west-3"\n' + ROLES, "far", "eu-west-3"),
        (SEED_TOML + 'region = "a b"\n' + ROLES, "role", "us-east-1"),
    ],
)
async def test_a_profile_without_a_region_has_the_usual_one(
    world: World, config: str, profile: str, region: str
) -> None:
    """Of the nearest profile that it stands on; where none names one, that of its partition in which STS is asked."""
    world.write_toml(config)

    assert region == (await changes(world, profile))["AWS_REGION"]


async def test_a_region_in_default_is_the_users(world: World) -> None:
    """Every SDK takes it where no profile is named: it is not to be overruled by a usual one."""
    file = world.home / ".aws/config"
    file.parent.mkdir()
    file.write_text("[default]\nregion = us-west-2\n[profile x]\nregion = x\n")
    elsewhere = {"AWS_CONFIG_FILE": str(world.home / "nowhere")}

    assert "AWS_REGION" not in await changes(world)
    assert "us-east-1" == (await changes(world, env=elsewhere))["AWS_REGION"]


async def test_env_can_name_the_tokens_file(world: World) -> None:
    """--token-file gives the path of a file that holds the token and nothing else."""
    found = await changes(world, "--token-file")

    assert str(world.run_dir / "tokens/nsrc") == found["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    assert 43 == len(world.token())
    assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] is None


async def test_env_writes_for_the_shell_of_the_user(world: World) -> None:
    """$SHELL is fish: fish's words; --shell wins over it."""
    by_variable = await world.run("env", env={"SHELL": "/usr/bin/fish"})
    by_option = await world.run("env", "--shell", "posix", env={"SHELL": "/usr/bin/fish"})

    assert "set -gx MAYFLY_PROFILE 'nsrc';" in by_variable.out.splitlines()
    assert "export MAYFLY_PROFILE='nsrc';" in by_option.out.splitlines()


async def test_off_needs_no_config(world: World) -> None:
    """--off works whatever has become of the config, and undoes the region only if it was ours."""
    world.write_toml(WITH_REGION)
    after = await changes(world)
    world.config.unlink()
    ours = {name: value for name, value in after.items() if value is not None}

    assert dict.fromkeys(ours) | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": None} == await changes(
        world, "--off", env=ours
    )
    assert "AWS_REGION" not in await changes(world, "--off", env=ours | {"AWS_REGION": "us-west-2"})


async def test_a_path_in_another_encoding_comes_out_as_it_went_in(world: World) -> None:
    """A runtime folder whose name is no UTF-8 is printed byte for byte."""
    folder = os.fsencode(world.folder) + b"/run-\xff"
    env = {name.encode(): value.encode() for name, value in world.env.items()} | {b"MAYFLY_RUNTIME_DIR": folder}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "env", "--token-file"), stdout=asyncio.subprocess.PIPE, env=env
    )

    assert b"_TOKEN_FILE='" + folder + b"/tokens/nsrc';" in (await process.communicate())[0]


async def test_on_a_terminal_env_says_how_to_use_it(world: World) -> None:
    """Whoever runs it by hand learns what to type."""
    master, slave = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "env", "nsrc"), stdout=slave, stderr=asyncio.subprocess.PIPE, env=world.env
    )
    _, err = await process.communicate()
    os.close(slave)
    os.close(master)

    assert b'mayfly: hint: to use it: eval "$(mayfly env nsrc)"\n' == err


TWO = WITH_REGION + WITH_REGION.replace("nsrc]", "other]")


@pytest.mark.parametrize(
    ("config", "argv", "expected"),
    [
        (TWO, [], "which profile? {} has nsrc, other"),
        (TWO, ["nsr"], "{} has no profile 'nsr': did you mean nsrc?"),
        (TWO, ["zz"], "{} has no profile 'zz': it has nsrc, other"),
        ("", [], "{}: has no profiles"),
        ("[profiles]\nnsrc = 1", [], "{}: has no profiles"),
        ('[profiles."../x"]\n', [], '{}: profiles."../x": is no profile name'),
        ('[profiles."a\\n"]\n', [], '{}: profiles."a\\n": is no profile name'),
        ("[profiles.p]\nregion = 'a b'\n", [], "{}: profiles.p.region: is no region"),
        ("[profiles.p]\nregion = 1\n", [], "{}: profiles.p.region: is no region"),
        ("listen = 'localhost:1'\n[profiles.p]\n", [], "MAYFLY_LISTEN or {}: listen: "),
        ("listen = 80\n[profiles.p]\n", [], "MAYFLY_LISTEN or {}: listen: "),
        ("listen = '127.0.0.1:0'\n[profiles.p]\n", [], "MAYFLY_LISTEN or {}: listen: port 0 is another one each time"),
        ("= nonsense", [], "{}: is not TOML"),
    ],
)
async def test_what_cannot_be_is_said_in_a_line(world: World, config: str, argv: list[str], expected: str) -> None:
    """Wrong usage or config: exit code 2, nothing to eval, and the reason with its file and key."""
    world.write_toml(config)

    ended = await world.run("env", *argv, env={"MAYFLY_LISTEN": ""})

    assert (2, "") == (ended.code, ended.out)
    assert ended.err.startswith("mayfly: error: " + expected.format(world.config))


async def test_a_config_elsewhere_can_be_named(world: World) -> None:
    """--config FILE is read in place of the usual one."""
    other = world.folder / "other.toml"
    other.write_text("[profiles.there]")

    assert "there" == (await changes(world, "--config", str(other)))["MAYFLY_PROFILE"]


async def test_a_runtime_folder_that_cannot_be_made_is_no_traceback(world: World) -> None:
    """What stands in the way is said by its path."""
    world.run_dir.mkdir(mode=0o700)
    (world.run_dir / "tokens").write_text("in the way")

    ended = await world.run("env")

    assert 2 == ended.code
    assert ended.err.startswith(f"mayfly: error: {world.run_dir}/tokens/nsrc: cannot be made or read: ")


# The whole of it.

CLIENTS = {
    "aws": f"{which('aws')} sts get-caller-identity --query Arn --output text",
    "boto3": f"""{sys.executable} -c '
import boto3
print(boto3.client("sts").get_caller_identity()["Arn"])'""",
    "aiobotocore": f"""{sys.executable} -c '
import asyncio, aiobotocore.session
async def main():
    async with aiobotocore.session.get_session().create_client("sts") as sts:
        print((await sts.get_caller_identity())["Arn"])
asyncio.run(main())'""",
}
HOSTILE = {
    "AWS_PROFILE": "missing",
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_SESSION_TOKEN": "x",
    "AWS_REGION": "us-west-2",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nowhere",
}


@pytest.mark.parametrize("client", CLIENTS)
async def test_after_an_eval_every_client_is_who_the_vault_says(world: World, client: str) -> None:
    """In a shell full of other credentials, one eval is enough for an unmodified client."""
    world.write_toml(WITH_REGION)
    async with world.serve():
        ended = await world.run_program("sh", "-c", f'eval "$(mayfly env nsrc)"; {CLIENTS[client]}', env=HOSTILE)

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_after_an_eval_the_aws_cli_needs_no_region(world: World) -> None:
    """A config that names none, in a home where nobody has ever named one."""
    async with world.serve():
        ended = await world.run_program("sh", "-c", f'eval "$(mayfly env nsrc)"; {CLIENTS["aws"]}')

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_a_client_of_the_tokens_file_works(world: World) -> None:
    """--token-file serves the SDKs that read it."""
    world.write_toml(WITH_REGION)
    async with world.serve():
        script = f'eval "$(mayfly env --token-file)"; {CLIENTS["boto3"]}'
        ended = await world.run_program("bash", "-c", script, env=HOSTILE)

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_two_shells_share_one_login(world: World) -> None:
    """Two shells at once cost one op and one session, and each is served."""
    world.write_toml(WITH_REGION)
    script = f'eval "$(mayfly env nsrc)"; {CLIENTS["boto3"]}'
    async with world.serve():
        ended = await asyncio.gather(*(world.run_program("sh", "-c", script) for _ in range(2)))

    assert [(0, ARN + "\n")] * 2 == [(one.code, one.out) for one in ended]
    assert 1 == len(world.vault.calls())
    assert 1 == [call.action for call in world.sts.calls].count("GetSessionToken")


async def test_a_shell_outlives_the_daemon(world: World) -> None:
    """What a shell was told before any daemon ran works, and goes on working after a restart."""
    world.write_toml(WITH_REGION)
    told = {name: value or "" for name, value in (await changes(world)).items()}
    async with world.serve() as first:
        pass
    async with world.serve() as second:
        ended = await world.run_program("sh", "-c", CLIENTS["boto3"], env=told)

    assert first.pid != second.pid
    assert (0, ARN + "\n") == (ended.code, ended.out)


@pytest.mark.parametrize("command", ["env", "exec"])
async def test_help_says_who_needs_the_token_file(world: World, command: str) -> None:
    """The three that take no token but from a file."""
    text = " ".join((await world.run(command, "--help")).out.split())

    assert "--token-file for object_store, polars and deltalake:" in text
