"""`mayfly env`: the variables of a shell after its eval, and that clients work with them."""

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
from support.clients import ARN, CLIENTS, HOSTILE, WITH_REGION
from support.world import SEED_TOML, World


TARGET = Target("nsrc", 9170, "eu-central-1")
NO_REGION = Target("nsrc", 9170)
FALLBACK_REGION = Target("nsrc", 9170, fallback_region="us-east-1")
NASTY = 'it\'s \\ "all" $HOME `id` $(id) ; # \u2018\u2019\u201a\u201b %s\n& é!'
SHOW = f"{sys.executable} -c 'import json, os; print(json.dumps(dict(os.environ)))'"


def entered(now: dict[str, str], target: Target = TARGET) -> dict[str, str]:
    return environment.applied(now, environment.changes_to_set(now, target, token="T"))


def left(now: dict[str, str]) -> dict[str, str]:
    return environment.applied(now, environment.changes_to_unset(now))


# The changes, without a shell.


def test_a_shell_gets_the_url_the_token_and_the_profile() -> None:
    """The endpoint's URL is on 127.0.0.1, and one of the two token variables is set."""
    assert {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9170/credentials/nsrc",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "T",
        "MAYFLY_PROFILE": "nsrc",
    } == entered({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/old"}, NO_REGION)


def test_a_token_file_stands_in_for_the_token() -> None:
    """If the token's file is set, the token is unset."""
    changes = environment.changes_to_set({}, NO_REGION, token_file="/run/t")

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
    """A variable that SDKs take before the endpoint is unset, not blank."""
    assert name not in entered({name: "x"})
    assert name in environment.changes_to_set({}, TARGET)


def test_a_region_is_set_in_both_of_its_variables() -> None:
    """Most SDKs read AWS_REGION; the AWS CLI reads AWS_DEFAULT_REGION."""
    after = entered({"AWS_REGION": "us-west-2"})

    assert ("eu-central-1", "eu-central-1") == (after["AWS_REGION"], after["AWS_DEFAULT_REGION"])


def test_a_region_of_an_earlier_profile_goes_with_it() -> None:
    """A profile without a region does not keep the region of the profile before it."""
    assert entered({}, NO_REGION) == entered(entered({}), NO_REGION)


def test_a_region_that_the_user_gave_stays() -> None:
    """A region that the user has set is never removed, even if it is the profile's."""
    changed = entered({}) | {"AWS_REGION": "us-west-2"}
    had = {"AWS_DEFAULT_REGION": "eu-central-1"}

    assert {"AWS_REGION": "us-west-2"} == left(changed)
    assert "us-west-2" == entered(changed, NO_REGION)["AWS_REGION"]
    assert had == left(entered(had))


def test_the_fallback_region_is_set_if_there_is_no_other() -> None:
    """It is set in both variables, and removed with the profile."""
    after = entered({"AWS_REGION": ""}, FALLBACK_REGION)

    assert ("us-east-1", "us-east-1") == (after["AWS_REGION"], after["AWS_DEFAULT_REGION"])
    assert not {"AWS_REGION", "AWS_DEFAULT_REGION"} & set(left(after))
    assert entered({}, FALLBACK_REGION) == entered(entered({}), FALLBACK_REGION)


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_users_region_wins_over_the_fallback(name: str) -> None:
    """If the user has set a region in one variable, the other gets no fallback."""
    after = entered({name: "us-west-2"}, FALLBACK_REGION)

    assert {name: "us-west-2"} == {key: value for key, value in after.items() if "REGION" in key}


def test_a_region_that_the_user_has_set_since_is_the_users() -> None:
    """It is so even if it is the next profile's region."""
    moved = entered(entered({}) | {"AWS_REGION": "us-east-1"}, Target("p", 1, "us-east-1"))

    assert "us-east-1" == left(moved)["AWS_REGION"]


def test_without_a_proxy_nothing_is_said_about_proxies() -> None:
    """NO_PROXY changes only if there is a proxy."""
    assert {"NO_PROXY": "x"}.items() <= entered({"NO_PROXY": "x"}).items()
    assert "no_proxy" not in entered({"NO_PROXY": "x"})


@pytest.mark.parametrize("proxy", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_never_sees_the_token(proxy: str) -> None:
    """If there is a proxy, both spellings of NO_PROXY name this machine."""
    after = entered({proxy: "http://proxy:3128"})

    assert ("127.0.0.1,localhost",) * 2 == (after["NO_PROXY"], after["no_proxy"])


def test_no_proxy_keeps_what_it_has_and_doubles_nothing() -> None:
    """Only missing hosts are added; a new variable starts with the hosts of the other spelling."""
    after = entered({"https_proxy": "p", "no_proxy": "corp.example, 127.0.0.1"})

    assert "corp.example,127.0.0.1,localhost" == after["no_proxy"]
    assert "corp.example,127.0.0.1,localhost" == after["NO_PROXY"]


def test_no_proxy_for_everything_is_enough() -> None:
    """`*` means all hosts only if it stands alone, so nothing is added to it."""
    now = {"https_proxy": "p", "NO_PROXY": "*"}

    assert now.items() <= entered(now).items()
    assert "no_proxy" not in entered(now)


def test_what_we_added_to_no_proxy_is_taken_out_again() -> None:
    """Hosts that the user has added since stay, and a variable that we have made is unset."""
    now = {"https_proxy": "p", "no_proxy": "127.0.0.1,corp.example"}
    after = entered(now)
    more = after | {"no_proxy": after["no_proxy"] + ",late.example"}

    assert now == left(after)
    assert now | {"no_proxy": "127.0.0.1,corp.example,late.example"} == left(more)


def test_a_mark_in_no_proxy_follows_what_is_there() -> None:
    """A host that we add again is ours, even if the user had it before."""
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
    """The changes of a profile, applied twice, are the same as applied once."""
    once = entered(entered(now, first), second)

    assert once == entered(once, second)


@given(variables, targets, targets)
def test_off_leaves_nothing_of_ours(now: dict[str, str], first: Target, second: Target) -> None:
    """After two profiles and --off, no variable is left that was not there before."""
    after = left(entered(entered(now, first), second))

    assert set(after) <= set(now)
    assert after == left(after)


# The syntax of each shell, in real shells.


def shell_command(shell: str, text: str) -> list[str]:
    """A command that evaluates `text` twice and prints the environment."""
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
    """Each value comes out as it went in, unset variables are gone, and nothing else runs."""
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
    """Each statement ends with a semicolon, so that the shell can join lines."""
    text = shells.render("posix", {"GONE": None, "A": "1", "B": "2"}).replace("\n", " ")

    found = await shown("sh", text, {"GONE": "x"})

    assert ("1", "2", None) == (found["A"], found["B"], found.get("GONE"))


def test_powershell_doubles_every_quote() -> None:
    """PowerShell ends a text at typographic quotes as well."""
    assert "Remove-Item Env:G -ErrorAction Ignore;\n$Env:A = 'it''s \u2018\u2018x';\n" == shells.render(
        "pwsh", {"G": None, "A": "it's \u2018x"}
    )


def test_fish_warns_of_a_universal_variable_and_keeps_it() -> None:
    """A universal variable may be the only copy of a key: it is not erased, and the warning says how to."""
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
    """$SHELL decides; any shell but fish and PowerShell gets the syntax of sh."""
    assert expected == shells.of_user({} if shell is None else {"SHELL": shell})


# The command.


async def changes(world: World, *argv: str, env: dict[str, str] | None = None) -> dict[str, str | None]:
    ended = await world.run("env", *argv, "--shell", "json", env=env)
    assert (0, "") == (ended.code, ended.err)
    found: dict[str, str | None] = json.loads(ended.out)
    return found


async def test_env_needs_no_daemon_and_no_name_where_there_is_one(world: World) -> None:
    """The only profile is used; its token is made if it is missing, and kept."""
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
async def test_a_profile_without_a_region_has_the_fallback(
    world: World, config: str, profile: str, region: str
) -> None:
    """The fallback is the region of the nearest source, else the first region of the partition."""
    world.write_toml(config)

    assert region == (await changes(world, profile))["AWS_REGION"]


async def test_a_region_in_default_is_the_users(world: World) -> None:
    """SDKs take it if no profile is named, so no fallback is set."""
    file = world.home / ".aws/config"
    file.parent.mkdir()
    file.write_text("[default]\nregion = us-west-2\n[profile x]\nregion = x\n")
    elsewhere = {"AWS_CONFIG_FILE": str(world.home / "nowhere")}

    assert "AWS_REGION" not in await changes(world)
    assert "us-east-1" == (await changes(world, env=elsewhere))["AWS_REGION"]


async def test_env_can_name_the_tokens_file(world: World) -> None:
    """--token-file sets the path of a file that has the token and nothing else."""
    found = await changes(world, "--token-file")

    assert str(world.run_dir / "tokens/nsrc") == found["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    assert 43 == len(world.token())
    assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN"] is None


async def test_env_writes_for_the_shell_of_the_user(world: World) -> None:
    """With fish as $SHELL the output is for fish; --shell wins over $SHELL."""
    by_variable = await world.run("env", env={"SHELL": "/usr/bin/fish"})
    by_option = await world.run("env", "--shell", "posix", env={"SHELL": "/usr/bin/fish"})

    assert "set -gx MAYFLY_PROFILE 'nsrc';" in by_variable.out.splitlines()
    assert "export MAYFLY_PROFILE='nsrc';" in by_option.out.splitlines()


async def test_off_needs_no_config(world: World) -> None:
    """--off works without a config, and removes the region only if we have set it."""
    world.write_toml(WITH_REGION)
    after = await changes(world)
    world.config.unlink()
    ours = {name: value for name, value in after.items() if value is not None}

    assert dict.fromkeys(ours) | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": None} == await changes(
        world, "--off", env=ours
    )
    assert "AWS_REGION" not in await changes(world, "--off", env=ours | {"AWS_REGION": "us-west-2"})


async def test_a_path_in_another_encoding_comes_out_as_it_went_in(world: World) -> None:
    """The path of a runtime folder that is no UTF-8 is printed byte for byte."""
    folder = os.fsencode(world.folder) + b"/run-\xff"
    env = {name.encode(): value.encode() for name, value in world.env.items()} | {b"MAYFLY_RUNTIME_DIR": folder}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mayfly", "env", "--token-file"), stdout=asyncio.subprocess.PIPE, env=env
    )

    assert b"_TOKEN_FILE='" + folder + b"/tokens/nsrc';" in (await process.communicate())[0]


async def test_on_a_terminal_env_says_how_to_use_it(world: World) -> None:
    """A user who runs `env` by hand is told the line to type."""
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
async def test_a_config_that_cannot_be_used_is_reported_in_a_line(
    world: World, config: str, argv: list[str], expected: str
) -> None:
    """The exit code is 2, there is nothing to evaluate, and the reason names file and key."""
    world.write_toml(config)

    ended = await world.run("env", *argv, env={"MAYFLY_LISTEN": ""})

    assert (2, "") == (ended.code, ended.out)
    assert ended.err.startswith("mayfly: error: " + expected.format(world.config))


async def test_a_config_elsewhere_can_be_named(world: World) -> None:
    """--config FILE is read in the place of the usual config."""
    other = world.folder / "other.toml"
    other.write_text("[profiles.there]")

    assert "there" == (await changes(world, "--config", str(other)))["MAYFLY_PROFILE"]


async def test_a_runtime_folder_that_cannot_be_made_is_no_traceback(world: World) -> None:
    """The line names the path that is in the way."""
    world.run_dir.mkdir(mode=0o700)
    (world.run_dir / "tokens").write_text("in the way")

    ended = await world.run("env")

    assert 2 == ended.code
    assert ended.err.startswith(f"mayfly: error: {world.run_dir}/tokens/nsrc: cannot be made or read: ")


# Clients after an eval.


@pytest.mark.parametrize("client", CLIENTS)
async def test_after_an_eval_every_client_is_who_the_vault_says(world: World, client: str) -> None:
    """In a shell with other credentials, one eval is enough for an unmodified client."""
    world.write_toml(WITH_REGION)
    async with world.serve():
        ended = await world.run_program("sh", "-c", f'eval "$(mayfly env nsrc)"; {CLIENTS[client]}', env=HOSTILE)

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_after_an_eval_the_aws_cli_needs_no_region(world: World) -> None:
    """It works without a region in the config and in the home."""
    async with world.serve():
        ended = await world.run_program("sh", "-c", f'eval "$(mayfly env nsrc)"; {CLIENTS["aws"]}')

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_a_client_of_the_tokens_file_works(world: World) -> None:
    """SDKs that read the token's file work with --token-file."""
    world.write_toml(WITH_REGION)
    async with world.serve():
        script = f'eval "$(mayfly env --token-file)"; {CLIENTS["boto3"]}'
        ended = await world.run_program("bash", "-c", script, env=HOSTILE)

    assert (0, ARN + "\n", "") == (ended.code, ended.out, ended.err)


async def test_two_shells_share_one_login(world: World) -> None:
    """Two shells at once run `op` once and get the same session."""
    world.write_toml(WITH_REGION)
    script = f'eval "$(mayfly env nsrc)"; {CLIENTS["boto3"]}'
    async with world.serve():
        ended = await asyncio.gather(*(world.run_program("sh", "-c", script) for _ in range(2)))

    assert [(0, ARN + "\n")] * 2 == [(one.code, one.out) for one in ended]
    assert 1 == len(world.vault.calls())
    assert 1 == [call.action for call in world.sts.calls].count("GetSessionToken")


async def test_a_shell_outlives_the_daemon(world: World) -> None:
    """The variables that a shell has set before the first daemon work with it, and with the next one."""
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
