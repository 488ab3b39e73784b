"""`mayfly init --yes`: each answer by an option, a default, or a refusal that names the option."""

from __future__ import annotations

import json
import os
import tomllib

from dataclasses import replace
from typing import Any

import pytest

from mayfly.demo.op.vault import ITEM, VAULT, new_id
from mayfly.demo.sts.server import Account, EmbeddedSts
from support.people import ROLES, user_in
from support.world import SEED_ACCOUNT, SEED_TOML, Ended, World, measured, seed_tree


SEED_ITEM = f"op://{VAULT}/{ITEM}"
SERIAL = f"arn:aws:iam::{SEED_ACCOUNT}:mfa/carmas"


@pytest.fixture(autouse=True)
def _no_config(world: World) -> None:
    """A user who has just installed Mayfly, with a umask that leaves everything open."""
    world.config.unlink()
    world.config.parent.rmdir()
    world.config.parent.parent.rmdir()
    world.config = world.config.with_name("config.toml")


async def init(world: World, *argv: str, env: dict[str, str] | None = None) -> Ended:
    iam = {"AWS_ENDPOINT_URL_IAM": world.sts.url} if hasattr(world, "sts") else {}
    return await world.run("init", "--yes", *argv, env=iam | (env or {}))


def written(world: World) -> dict[str, Any]:
    return tomllib.loads(world.config.read_text())


def without(world: World, *labels: str) -> None:
    """Take fields out of the seed's item."""
    items = world.vault.state()["items"]
    for item in items:
        item["fields"] = [field for field in item["fields"] if field["label"] not in labels]
    world.vault.update(items=items)


async def test_an_item_by_name_becomes_a_config_by_ids(world: World) -> None:
    """References are IDs with the names beside them, file and folders are private, and nothing secret is anywhere."""
    os.umask(0)
    try:
        ended = await init(world, "--item", SEED_ITEM, "--profile", "nsrc", "--region", "eu-west-1")
    finally:
        os.umask(0o022)
    text, profile = world.config.read_text(), written(world)["profiles"]["nsrc"]
    state = world.vault.state()
    modes = [path.stat().st_mode & 0o777 for path in (world.config, world.config.parent, world.config.parent.parent)]

    assert (0, "", [0o600, 0o700, 0o700]) == (ended.code, ended.out, modes)
    assert {"access_key_id", "secret_access_key", "otp", "mfa_id", "region"} == profile.keys()
    assert {f"op://{state['vaults'][0]['id']}/{world.vault.item_id}"} == {
        profile[key].rpartition("/")[0] for key in ("access_key_id", "secret_access_key", "otp", "mfa_id")
    }
    assert state["accounts"][0]["user_uuid"] == written(world)["onepassword"]["account"]
    assert [] == [words for words in (ITEM, VAULT, "# secret_access_key", "carmas@example.com") if words not in text]
    assert (1, 0) == (state["prompts"], world.sts.calls_of("ListMFADevices"))
    secrets = (world.vault.access_key_id, world.vault.secret_access_key, world.vault.totp_seed)
    assert [] == [secret for secret in secrets if secret in text + ended.err]
    assert ["config.toml"] == [path.name for path in world.config.parent.iterdir()]


async def test_from_nothing_to_whoami(world: World) -> None:
    """With --login a daemon is started for that, AWS's word is on stdout, and the daemon ends; a second run lacks
    nothing, and works with the daemon that runs."""
    first = await init(world, "--aws-config", "--login")
    without_daemon = await world.run("status")
    before = world.config.read_bytes()
    async with world.serve():
        second = await init(world, "--login")

    arn = f"arn:aws:iam::{SEED_ACCOUNT}:user/carmas"
    name = "nsrc-aws-training-account"
    assert (0, True, True) == (first.code, first.out.startswith(f"{name}: fresh until "), f'"{arn}"' in first.out)
    assert (
        "mayfly: no AWS region is named, so your programs get the partition's first (us-east-1): --region R"
        in first.err
    )
    assert f"[profile {name}]" in (world.home / ".aws/config").read_text()
    assert 3 == without_daemon.code
    assert (0, before) == (second.code, world.config.read_bytes())
    assert "has the profile nsrc-aws-training-account with these keys already: nothing is to be written" in second.err
    assert "$ mayfly reload" in second.err.splitlines()


async def test_a_second_item_is_added_and_nothing_overwritten(world: World) -> None:
    """The text that is there stays to the byte. A name that is taken is refused; --force replaces it, with a backup."""
    user_in(world.vault, "ann")
    world.config.parent.mkdir(parents=True)
    world.write_toml(f"# mine\n{SEED_TOML}\n[profiles.admin]\nsource_profile = 'nsrc'\nrole_arn = '{ROLES}/Admin'")
    before = world.config.read_text()
    added = await init(world, "--item", f"op://{VAULT}/ann")
    text = world.config.read_text()
    taken = await init(world, "--item", f"op://{VAULT}/ann", "--profile", "nsrc")
    unchanged = world.config.read_text()
    forced = await init(world, "--item", f"op://{VAULT}/ann", "--profile", "nsrc", "--force")
    profiles = written(world)["profiles"]
    backup = next(world.config.parent.glob("config.toml.mayfly-backup-*"))

    assert (0, True) == (added.code, text.startswith(f"{before}\n\n# ann, in the vault {VAULT}\n[profiles.ann]\n"))
    assert (1, text) == (taken.code, unchanged)
    assert "stays as it is" in taken.err
    assert (0, text, 0o600) == (forced.code, backup.read_text(), backup.stat().st_mode & 0o777)
    assert ["admin", "ann", "nsrc"] == sorted(profiles)
    assert profiles["ann"] == profiles["nsrc"]
    assert world.config.read_text().startswith("# mine\n")


async def test_the_same_item_again_needs_no_answer_again(world: World) -> None:
    """What the first run was told, a second one finds in the config: it goes on, and adds roles that are new."""
    without(world, "mfa_id")
    options = ("--mfa-id", SERIAL, "--region", "eu-west-1", "--profile", "w")
    first = await init(world, *options)
    (world.home / ".aws").mkdir()
    (world.home / ".aws/config").write_text(
        f"[profile w]\nmfa_serial = {SERIAL}\n[profile r]\nsource_profile = w\nrole_arn = {ROLES}/r\n"
    )
    text = world.config.read_text()
    none, roles, same = await init(world, "--no-roles"), await init(world), await init(world, *options)
    taken = await init(world, "--profile", "w", "--region", "eu-central-1")

    assert ([0, 0, 0, 0], 1) == ([ended.code for ended in (first, none, roles, same)], taken.code)
    assert "has the profile w with these keys already" in none.err
    assert world.config.read_text().startswith(f"{text}\n[profiles.r]\n")
    assert {"w", "r"} == written(world)["profiles"].keys()
    assert "to replace it, and keep a backup: --force" in taken.err


async def test_a_config_json_is_left_alone(world: World) -> None:
    """It works as it is, so init goes on without an item, and says what to do if there is one."""
    world.config.parent.mkdir(parents=True)
    path = world.config.with_name("config.json")
    path.write_text(json.dumps(seed_tree()))
    plain, asked = await init(world), await init(world, "--item", SEED_ITEM)

    assert (0, 1) == (plain.code, asked.code)
    assert "~/.config/mayfly/config.json works as it is, with nsrc" in plain.err
    assert f"hint: or begin anew, with nsrc by init too: mv {path} {path}.old" in asked.err
    assert ["config.json"] == [entry.name for entry in path.parent.iterdir()]


async def test_a_config_elsewhere_is_named_so_that_every_folder_can_paste_it(world: World) -> None:
    """The next commands have its whole path, and one line says how to do without `--config`."""
    place, usual = world.home / "old script/seed.json", world.home / ".config/mayfly/config.json"
    place.parent.mkdir()
    place.write_text(json.dumps(seed_tree()))
    ended = await init(world, "--config", "old script/seed.json")
    moving = next(line for line in ended.err.splitlines() if "to do without --config" in line)
    moved = await world.run_program("/bin/sh", "-c", moving.partition("--config: ")[2])
    after = await init(world)

    assert (0, True) == (ended.code, f"mayfly serve --config '{place}'\n" in ended.err)
    assert f"""eval "$(mayfly env nsrc --config '{place}')\"\n""" in ended.err
    assert (0, True, 0) == (moved.code, usual.exists(), after.code)
    assert "--config" not in after.err


async def test_roles_are_taken_along(world: World) -> None:
    """Roles on the profile come with it, but for those that Mayfly would refuse, and those that stand on them."""
    folder = world.home / ".aws"
    folder.mkdir()
    role = "[profile {0}]\nsource_profile = {1}\nrole_arn = " + f"{ROLES}/" + "{0}\n"
    (folder / "config").write_text(
        f"[profile work]\nregion = eu-central-1\nmfa_serial = {SERIAL}\n"
        + "".join(role.format(f"r{number}", "work") for number in range(10))
        + role.format("deep", "r1")
        + role.format("bad", "work")
        + "external_id = a b\n"
        + role.format("on-bad", "bad")
        + f"[profile home]\nmfa_serial = {SERIAL}2\n{role.format('other', 'home')}"
    )
    without(world, "mfa_id")
    asked = await init(world)
    ended = await init(world, "--profile", "work", "--aws-config", "--force")
    profiles = written(world)["profiles"]

    assert (2, True, True) == (asked.code, "--profile work" in asked.err, "--profile home" in asked.err)
    assert (0, {"work", "deep", *(f"r{number}" for number in range(10))}) == (ended.code, set(profiles))
    assert (SERIAL, "eu-central-1") == (profiles["work"]["mfa_id"], profiles["work"]["region"])
    assert "mayfly: left out the role bad: profiles.bad.external_id: must be" in ended.err
    assert 0 == world.sts.calls_of("ListMFADevices")
    assert "role_arn" not in (folder / "config").read_text().partition("[profile bad]")[0]


async def test_the_device_is_asked_of_aws(world: World) -> None:
    """If neither item nor ~/.aws names it. Without an answer, or with two: exit 2, nothing written, --mfa-id named."""
    without(world, "mfa_id")
    user = world.account().users[0]
    key = f"arn:aws:iam::{SEED_ACCOUNT}:u2f/user/carmas/key"
    mute, two = replace(user, may_list_devices=False), replace(user, other_devices=(key, f"{SERIAL}2"))
    stops = [await init(world, env={"AWS_ENDPOINT_URL_IAM": url}) for url in ("", "https://iam.example.com")]
    for one in (mute, two):
        async with EmbeddedSts(Account(account_id=SEED_ACCOUNT, users=(one,))) as iam:
            followed = measured() if one is two else {}
            stops.append(await init(world, env={"AWS_ENDPOINT_URL_IAM": iam.url} | followed))
            assert ["ListMFADevices"] == [call.action for call in iam.calls]
    is_written = world.config.exists()
    ended = await init(world, "--mfa-id", f"{SERIAL}2")

    assert [(2, True)] * 4 == [(stop.code, "--mfa-id" in stop.err) for stop in stops]
    assert (False, 0) == (is_written, ended.code)
    assert f"{SERIAL}2" == written(world)["profiles"]["nsrc-aws-training-account"]["mfa_id"]
    assert "AWS_ENDPOINT_URL_IAM is not followed" in stops[1].err
    assert "iam:ListMFADevices" in stops[2].err
    assert (True, False) == (f"hint: --mfa-id {SERIAL}2" in stops[3].err, key in stops[3].err)
    assert [] == world.sts.calls


async def test_keys_and_code_in_two_items(world: World) -> None:
    """The item with the code is named by --otp-item, and is never guessed."""
    state = world.vault.state()
    keys, code = state["items"][0], dict(state["items"][0])
    keys["fields"], code["fields"] = keys["fields"][:2], keys["fields"][2:]
    code |= {"id": new_id(), "title": "AWS / console 🔑"}
    world.vault.update(items=[keys, code])
    asked = await init(world, "--item", SEED_ITEM)
    ended = await init(
        world, "--item", f"{SEED_ITEM}/", "--otp-item", f"op://{VAULT}/AWS / console 🔑", "--profile", "p"
    )
    profile = written(world)["profiles"]["p"]

    assert (2, True, True) == (asked.code, "no field holds a one-time password" in asked.err, "--otp-item" in asked.err)
    assert 0 == ended.code
    assert [keys["id"], keys["id"], code["id"], code["id"]] == [
        profile[key].split("/")[3] for key in ("access_key_id", "secret_access_key", "otp", "mfa_id")
    ]
    assert "# AWS / console 🔑, in the vault NSRC\n" in world.config.read_text()


async def test_a_service_account_is_read_as_the_daemon_will(world: World) -> None:
    """Without a file the token is taken from the variable each time, which no service has; with one, from there."""
    token = {"OP_SERVICE_ACCOUNT_TOKEN": "ops_madeup"}
    file = world.home / ".config/mayfly/service-account-token"
    file.parent.mkdir(parents=True)
    file.write_text("ops_madeup\n")
    file.chmod(0o600)
    world.vault.update(mode="service", service_token="ops_madeup", accounts=[])
    service = await init(world, "--item", SEED_ITEM, "--install", env=token)
    by_variable = await init(world, "--item", SEED_ITEM, env=token)
    first = written(world)["onepassword"]
    world.config.unlink()
    by_file = await init(world, "--item", SEED_ITEM, "--token-file", "~/.config/mayfly/service-account-token")

    assert (2, True) == (service.code, "--token-file FILE" in service.err)
    assert (0, {"token_command": ["printenv", "OP_SERVICE_ACCOUNT_TOKEN"]}) == (by_variable.code, first)
    assert "token_file or token_command in the config takes its place" in by_variable.err
    assert (0, {"token_file": str(file)}) == (by_file.code, written(world)["onepassword"])
    assert "ops_madeup" not in by_variable.err + by_file.err + world.config.read_text()


async def test_a_connect_server_needs_its_token_in_a_file(world: World) -> None:
    """The variables' places in the config are named."""
    variables = {"OP_CONNECT_HOST": "http://127.0.0.1:8080", "OP_CONNECT_TOKEN": "madeup"}
    world.vault.update(mode="connect", connect_token="madeup")
    file = world.home / "connect"
    file.write_text("madeup")
    file.chmod(0o600)
    asked = await init(world, "--item", SEED_ITEM, env=variables)
    ended = await init(world, "--item", SEED_ITEM, "--connect-token-file", str(file), env=variables)

    assert (2, True) == (asked.code, "--connect-token-file FILE" in asked.err)
    assert "connect_host and connect_token_file in the config take its place" in asked.err
    assert {"connect_host": "http://127.0.0.1:8080", "connect_token_file": str(file)} == written(world)["onepassword"]
    assert 0 == ended.code


async def test_of_several_accounts_one_is_named(world: World) -> None:
    """By --account, or by OP_ACCOUNT, in any of the words that `op` takes; the second gets a table of its own."""
    first = world.vault.state()["accounts"][0]
    second = first | {"url": "team.1password.com", "user_uuid": "B" * 26, "account_uuid": "C" * 26, "email": "b@c.d"}
    world.vault.update(accounts=[first, second])
    asked = await init(world, "--item", SEED_ITEM)
    wrong = await init(world, "--item", SEED_ITEM, "--account", "nobody")
    one = await init(world, "--item", SEED_ITEM, env={"OP_ACCOUNT": "MY.1password.com"})
    other = await init(world, "--item", SEED_ITEM, "--account", "b@c.d", "--profile", "team")
    tree = written(world)

    assert [(2, True), (2, True)] == [
        (ended.code, f"--account {'B' * 26}   # b@c.d" in ended.err) for ended in (asked, wrong)
    ]
    assert ([0, 0], first["user_uuid"], "B" * 26) == (
        [one.code, other.code],
        tree["onepassword"]["account"],
        tree["onepasswords"]["team"]["account"],
    )
    assert "account in the config takes its place" in one.err
    assert "team" == tree["profiles"]["team"]["onepassword"]


REFUSED = [
    (["--item", "AWS"], {}, 2, "--item is op://VAULT/ITEM"),
    (["--item", "op://NSRC/Nothing"], {}, 1, "1Password finds no such item: op://NSRC/Nothing"),
    (["--item", f"{SEED_ITEM}/access_key_id"], {}, 1, "without the field"),
    (["--profile", "no/name"], {}, 2, "--profile is no profile name"),
    (["--region", "here"], {}, 2, "--region is no region"),
    (["--mfa-id", "arn:aws:iam::1:role/x"], {}, 2, "--mfa-id is no MFA device"),
    (["--field", "color=red"], {}, 2, "--field is KEY=LABEL"),
    (["--field", "otp=mfa_id"], {}, 2, "is not a one-time password"),
    (["--field", "mfa_id=nothing"], {}, 2, "'nothing' names no field"),
    (["--config", "x.json"], {}, 2, "name a file that ends with .toml"),
    ([], {"app": {"running": False}}, 4, "the 1Password app is not running"),
    ([], {"prompt": {"answer": "reject"}}, 4, "the 1Password prompt was dismissed"),
    ([], {"mode": "none"}, 1, "op knows no 1Password account"),
    ([], {"misbehave": "truncated"}, 1, "op printed something else than it was asked for"),
    ([], {"misbehave": "empty"}, 1, "hint: see what op itself says: op item list"),
    ([], {"items": []}, 2, "which item has the access key?"),
]


@pytest.mark.parametrize(("argv", "state", "code", "words"), REFUSED, ids=[words for *_, words in REFUSED])
async def test_what_stands_in_the_way_is_told_and_nothing_written(
    world: World, argv: list[str], state: dict[str, Any], code: int, words: str
) -> None:
    """One error with a next step, the exit code for whose turn it is, and no file."""
    world.vault.update(**state)
    ended = await init(world, *argv)

    assert (code, "", True, False) == (ended.code, ended.out, words in ended.err, world.config.parent.exists())
    assert "Traceback" not in ended.err
    assert [] == [command for command in ("mayfly login", "mayfly doctor") if command in ended.err]


async def test_items_that_are_alike_are_told_apart(world: World) -> None:
    """By ID, and by when they were edited; with one of them named, the config has that one."""
    state = world.vault.state()
    twin = state["items"][0] | {"id": new_id(), "updated_at": "2026-11-01T09:00:00Z"}
    world.vault.update(items=[*state["items"], twin])
    asked = await init(world, "--item", SEED_ITEM)
    ended = await init(world, "--item", f"op://{twin['vault']}/{twin['id']}")

    assert (2, 2) == (asked.code, asked.err.count(f"hint: --item op://{twin['vault']}/"))
    assert (0, True) == (ended.code, twin["id"] in world.config.read_text())


async def test_a_config_that_the_daemon_would_refuse_is_not_put_in_place(world: World) -> None:
    """Others could change it, or its own words cannot be added to: nothing is left but what was there."""
    folder = world.home / "open"
    folder.mkdir()
    folder.chmod(0o777)
    config = folder / "c.toml"
    exposed = await init(world, "--item", SEED_ITEM, "--config", str(config))
    below_a_file = await init(world, "--item", SEED_ITEM, "--config", f"{world.op}/c.toml")
    nobody_was_asked = world.vault.calls() == []
    inline = world.home / "inline.toml"
    inline.write_text(f"profiles = {{ a = {{ {', '.join(SEED_TOML.strip().splitlines()[1:])} }} }}\n")
    before = inline.read_bytes()
    stuck = await init(world, "--item", SEED_ITEM, "--config", str(inline), "--profile", "b")

    assert (2, [], True) == (exposed.code, list(folder.iterdir()), nobody_was_asked)
    assert (1, True) == (below_a_file.code, f"{world.op}: is no folder" in below_a_file.err)
    assert "is writable by others: chmod go-w" in exposed.err
    assert (1, before) == (stuck.code, inline.read_bytes())
    assert "hint: [profiles.b]" in stuck.err


async def test_settings_without_a_profile_get_one(world: World) -> None:
    """A file that names only `op` is a start."""
    world.config.parent.mkdir(parents=True)
    world.write_toml(f'[onepassword]\nop = "{world.op}"\n')
    ended = await init(world, "--item", SEED_ITEM, "--profile", "p", env={"PATH": "/usr/bin:/bin"})

    assert (0, {"p"}) == (ended.code, written(world)["profiles"].keys())


DOTTED = "".join(f"profiles.nsrc.{line}\n" for line in SEED_TOML.strip().splitlines()[1:])


async def test_a_profile_that_cannot_be_taken_out_is_told(world: World) -> None:
    """By dotted keys or inside braces: --force says what to do first, and the file stays as it is."""
    world.config.parent.mkdir(parents=True)
    inline = f"[profiles]\nnsrc = {{ {', '.join(SEED_TOML.strip().splitlines()[1:])} }}\n"
    user_in(world.vault, "ann")
    for text in (DOTTED, inline):
        world.write_toml(text)
        ended = await init(world, "--item", f"op://{VAULT}/ann", "--profile", "nsrc", "--force")

        assert (1, text) == (ended.code, world.config.read_text())
        assert "mayfly: hint: take the profile nsrc out of it yourself, then: mayfly init" in ended.err
        assert "[profiles.nsrc]" not in ended.err


async def test_a_config_that_is_only_begun_is_gone_on_with(world: World) -> None:
    """An empty table of profiles, and a link to a file that does not exist yet; a circle of links is told."""
    world.config.parent.mkdir(parents=True)
    world.write_toml("# mine\n[profiles]\n")
    begun, text = await init(world, "--item", SEED_ITEM), world.config.read_text()
    world.config.unlink()
    target = world.home / "dotfiles/mayfly.toml"
    world.config.symlink_to(target)
    linked, is_link = await init(world, "--item", SEED_ITEM), world.config.is_symlink()
    world.config.unlink()
    world.config.symlink_to(world.config.name)
    circle = await init(world, "--item", SEED_ITEM)

    assert (0, True) == (begun.code, text.startswith("# mine\n[profiles]\n\n[onepassword]\n"))
    assert (0, True, 0o600) == (linked.code, is_link, target.stat().st_mode & 0o777)
    assert (2, True) == (circle.code, "is a circle of links" in circle.err)


async def test_without_a_terminal_one_line_says_what_to_do(world: World) -> None:
    """Nobody is asked, nothing is read or written."""
    ended = await world.run("init", "--item", SEED_ITEM)

    assert (2, "", 1, True) == (ended.code, ended.out, len(ended.err.splitlines()), "--yes" in ended.err)
    assert ([], []) == (list(world.home.iterdir()), world.vault.calls())
