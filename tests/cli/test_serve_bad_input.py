"""`mayfly serve` with wrong input: one line for each problem, an exit code, and no files left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

from collections.abc import Iterator
from pathlib import Path

import pytest

from mayfly.cli import serve
from mayfly.daemon import sockets
from mayfly.demo.op.vault import ITEM, VAULT
from mayfly.shared.users import user_name
from support.nursery import MAYFLY
from support.world import SEED_TOML, Ended, World, seed_tree


FOREIGN = 65534
ME = user_name(os.getuid())
WHERE = f"op://{VAULT}/{ITEM}"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")


async def refused(world: World, *argv: str, code: int, env: dict[str, str] | None = None) -> list[str]:
    """The lines of a `mayfly serve` that does not start; it must leave no files behind."""
    before = listing(world)
    ended = await world.run("serve", *argv, env=env)

    assert code == ended.code, ended.err
    assert "" == ended.out
    assert before == listing(world)
    return said(ended)


def said(ended: Ended) -> list[str]:
    """The lines on stderr; each begins with our name, so there is no traceback."""
    lines = ended.err.splitlines()
    assert [] == [line for line in lines if not line.startswith("mayfly: ")]
    return [line.removeprefix("mayfly: ") for line in lines]


def listing(world: World) -> dict[str, int]:
    """The inode of each file of this world except tokens, which any command may make at any time."""
    found = [
        path for path in world.folder.rglob("*") if "coverage" not in path.name and "__pycache__" not in path.parts
    ]
    return {str(path): path.lstat().st_ino for path in found if not path.is_relative_to(world.run_dir / "tokens")}


def our_name() -> str:
    """The name of the process that runs these tests, as Linux has it."""
    return Path("/proc/self/comm").read_text().strip()


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    """A world without STS, which no test here needs. Its runtime folder exists, as after the first command."""
    world = World(tmp_path, MAYFLY)
    for folder in (world.run_dir, world.run_dir / "tokens"):
        folder.mkdir(mode=0o700)
    yield world
    assert [] == world.vault.calls()


async def test_every_bad_value_in_the_seeds_config_is_one_line(world: World) -> None:
    """Each line has the file, its key, and the value that is expected; exit 2. A misplaced secret is not repeated."""
    wrong = {
        "org_id": "a b",
        "otpp": "x",
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
        "mfa_id": "arn:aws:iam::1:mfa/x",
        "duration_seconds": 60,
    }
    world.config.write_text(json.dumps({"aws": seed_tree()["aws"] | wrong}))

    assert [
        f"error: {world.config}: aws.{line}"
        for line in (
            "org_id: is no profile name: letters, digits, '.', '_' and '-', at most 64, the first a letter or digit",
            "otpp: is not a known key: did you mean otp?",
            "access_key_id: must be a secret reference op://vault/item/field; a name with other characters than "
            "letters, digits, space, '-', '_' and '.' must be given by its ID",
            "mfa_id: is no MFA device: expected arn:aws:iam::123456789012:mfa/NAME",
            "duration_seconds: is 60 seconds: must be from 900 to 129600 seconds",
        )
    ] == await refused(world, code=2)


async def test_every_problem_of_a_file_has_its_line(world: World) -> None:
    """All problems are reported at once, each with its key."""
    path = world.write_toml(
        SEED_TOML
        + """
[profiles.admin]
source_profile = "nsrcc"
role_arn = "arn:aws:iam::1:role/Admin"
duration_seconds = 7200
rolename = "x"
"""
    )

    assert [
        f"error: {path}: profiles.admin.rolename: is not a known key: did you mean name?",
        f"error: {path}: profiles.admin.role_arn: is no role: expected arn:aws:iam::123456789012:role/NAME",
        f"error: {path}: profiles.admin.source_profile: names no profile: did you mean nsrc?",
        f"error: {path}: profiles.admin.duration_seconds: is 7200 seconds: a role assumed from a session lives an hour "
        'at most in AWS (role chaining): use 3600 or less, it is renewed without a prompt; or mfa = "each", with a '
        "code and a prompt for each session",
    ] == await refused(world, code=2)


async def test_a_broken_file_is_told_with_its_place(world: World) -> None:
    """The line has the parser's words and the place."""
    world.config.write_text('{\n"aws": {,}\n}')

    (line,) = await refused(world, code=2)
    assert line.startswith(f"error: {world.config}: is not JSON: ")
    assert "line 2" in line


@pytest.mark.parametrize("way", ["usual", "--config", "MAYFLY_CONFIG"])
async def test_a_missing_config_is_told_with_its_place(world: World, way: str) -> None:
    """The line names the path that was looked for."""
    world.config.unlink()
    missing = world.home / "none.toml"
    argv = ("--config", str(missing)) if way == "--config" else ()
    env = {"MAYFLY_CONFIG": str(missing)} if way == "MAYFLY_CONFIG" else {}

    line, *hints = await refused(world, *argv, code=2, env=env)
    expected = f"{world.config.parent}/config.toml: no config yet" if way == "usual" else f"{missing}: there is no such"
    assert line.startswith(f"error: {expected}")
    assert (way == "usual") == any("mayfly init" in hint for hint in hints)


async def test_a_config_that_others_can_write_is_told_with_the_remedy(world: World) -> None:
    """File and folder are each reported with the command that mends them."""
    world.config.chmod(0o666)
    world.config.parent.chmod(0o777)

    assert [
        f"error: {place} is writable by others: chmod go-w {place}" for place in (world.config.parent, world.config)
    ] == await refused(world, code=2)


@needs_root
async def test_a_config_of_somebody_else_is_told_with_the_name(world: World) -> None:
    """The owner of the config could choose which `op` is run, so the owner is named."""
    os.chown(world.config, FOREIGN, FOREIGN)

    assert [f"error: {world.config} belongs to {user_name(FOREIGN)}: chown it, or move the file"] == await refused(
        world, code=2
    )


async def test_a_port_that_somebody_has_is_told_with_the_name(world: World) -> None:
    """Program, process and user are named if /proc tells, with a way to another port; exit 1."""
    with socket.create_server(("127.0.0.1", world.port)):
        error, *hints = await refused(world, code=1)

    if sys.platform == "linux":
        assert f"error: 127.0.0.1:{world.port} is taken by {our_name()} (pid {os.getpid()}) of {ME}" == error
    assert [
        'hint: end it, or choose another port in the config: listen = "127.0.0.1:PORT"',
        "hint: or for once: mayfly serve --listen 127.0.0.1:PORT",
    ] == hints


async def test_no_op_at_all_is_told_with_what_to_do(world: World) -> None:
    """It is no fault of the config, so the exit code is 1."""
    python = Path(sys.executable).parent

    assert [
        "error: op, the 1Password CLI, is neither on PATH nor in the usual places",
        'hint: install the 1Password CLI, or set op = "/path/to/op" in [onepassword]',
    ] == await refused(world, code=1, env={"PATH": str(python)})


WORK = f"""
[onepasswords.work]
op = "/nowhere/op"

[profiles.work]
access_key_id = "{WHERE}/access_key_id"
secret_access_key = "{WHERE}/secret_access_key"
otp = "{WHERE}/totp"
mfa_id = "{WHERE}/mfa_id"
onepassword = "work"

[profiles.work-admin]
source_profile = "work"
role_arn = "arn:aws:iam::058264411872:role/Admin"
"""


async def test_a_configured_op_that_is_not_there_is_told_with_its_key(world: World) -> None:
    """The `op` of each table is reported once, however many profiles use it."""
    path = world.write_toml(SEED_TOML + '[onepassword]\nop = "/nowhere/at/all"\n' + WORK)

    assert [
        f"error: {path}: onepasswords.work.op: /nowhere/op: there is no such program",
        f"error: {path}: onepassword.op: /nowhere/at/all: there is no such program",
        'hint: install the 1Password CLI, or set op = "/path/to/op" in [onepasswords.work]',
        'hint: install the 1Password CLI, or set op = "/path/to/op" in [onepassword]',
    ] == await refused(world, code=1)


async def test_an_op_that_others_can_replace_is_told_with_its_key(world: World) -> None:
    """Another user's program in its place could read the secrets: exit 2."""
    op = world.folder / "loose-op"
    op.write_text("#!/bin/sh\n")
    op.chmod(0o777)
    path = world.write_toml(SEED_TOML + f'[onepassword]\nop = "{op}"\n')

    assert [
        f"error: {path}: onepassword.op: op at {op} cannot be trusted: {op} is writable by others: chmod go-w {op}"
    ] == await refused(world, code=2)


@pytest.mark.parametrize(
    ("source", "address", "line"),
    [
        ("--listen", "0.0.0.0:9170", "'0.0.0.0:9170' is not on 127.0.0.1: mayfly listens nowhere else"),
        ("MAYFLY_LISTEN", "9170", "must be 127.0.0.1:PORT: mayfly listens nowhere else"),
        ("listen", "127.0.0.1:99999", "'127.0.0.1:99999' has no port between 0 and 65535"),
    ],
)
async def test_another_address_is_refused_wherever_it_comes_from(
    world: World, source: str, address: str, line: str
) -> None:
    """The line names the option, variable or key; exit 2."""
    argv, env, named = (), {}, source
    if source == "--listen":
        argv = ("--listen", address)
    elif source == "MAYFLY_LISTEN":
        env = {"MAYFLY_LISTEN": address}
    else:
        named = f"{world.config}: listen"
        world.config.write_text(json.dumps(seed_tree() | {"listen": address}))

    assert [f"error: {named}: {line}"] == await refused(world, *argv, code=2, env=env)


async def test_a_live_daemon_keeps_its_control_socket(world: World) -> None:
    """A second daemon on another port ends with 1, and the first runs on."""
    async with world.serve() as daemon:
        before = (world.run_dir / "control.sock").stat().st_ino
        ended = await world.run("serve", "--listen", "127.0.0.1:0")
        after = (world.run_dir / "control.sock").stat().st_ino
        alive = daemon.process.returncode is None

    assert (1, before, True) == (ended.code, after, alive)
    assert [
        f"error: another mayfly serves already: {world.run_dir}/control.sock is answered",
        "hint: mayfly status",
    ] == said(ended)


async def test_our_own_daemon_on_the_port_is_named(world: World) -> None:
    """A second daemon on the same port says that another mayfly serves already."""
    async with world.serve():
        ended = await world.run("serve")

    assert 1 == ended.code
    assert ["error: another mayfly serves already", "hint: mayfly status"] == said(ended)


async def test_a_port_that_cannot_be_had_leaves_no_token(world: World) -> None:
    """No folder and no token is made before all sockets are bound."""
    (world.run_dir / "tokens").rmdir()
    world.run_dir.rmdir()
    with socket.socket() as other:
        other.bind(("127.0.0.1", world.port))
        other.listen()
        ended = await world.run("serve")

    assert 1 == ended.code
    assert not world.run_dir.exists()


async def test_a_dead_daemons_control_socket_is_replaced(world: World) -> None:
    """A daemon that was killed leaves its socket behind."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(world.run_dir / "control.sock"))

    async with world.serve() as daemon:
        assert "daemon.started" in daemon.log_text
    assert not (world.run_dir / "control.sock").exists()


@pytest.mark.parametrize("kind", ["link", "file"])
async def test_a_file_in_the_place_of_the_control_socket_stays(world: World, kind: str) -> None:
    """A link or a plain file is refused, with the way out; exit 2."""
    path = world.run_dir / "control.sock"
    if kind == "link":
        path.symlink_to(world.home / "elsewhere")
    else:
        path.write_text("precious")

    assert [f"error: {path} is no socket: remove it"] == await refused(world, code=2)
    assert not (world.home / "elsewhere").exists()


async def test_a_runtime_folder_that_is_open_to_others_is_refused(world: World) -> None:
    """The folder has the tokens; exit 2."""
    world.run_dir.chmod(0o755)

    assert [f"error: {world.run_dir} is open to others: chmod 700 {world.run_dir}"] == await refused(world, code=2)


async def test_a_token_that_others_can_read_is_refused(world: World) -> None:
    """The token may be known to others; exit 2, and the port is not bound."""
    path = world.run_dir / "tokens/nsrc"
    path.write_text("x" * 43)
    path.chmod(0o644)

    assert [f"error: {path} is open to others: chmod 600 {path}"] == await refused(world, code=2)


async def test_a_runtime_folder_with_too_long_a_name_is_refused(world: World) -> None:
    """A Unix socket cannot have such a long name; exit 2, and the way out."""
    world.run_dir = world.folder / ("x" * 100)

    ended = await world.run("serve")
    assert 2 == ended.code
    (line,) = said(ended)
    assert line.endswith("its name is too long: set MAYFLY_RUNTIME_DIR to a folder with a shorter one")
    assert [] == [entry.name for entry in world.run_dir.iterdir()]


async def test_a_value_that_will_surprise_is_a_warning(world: World) -> None:
    """A short duration is reported, and the daemon starts."""
    world.config.write_text(json.dumps({"aws": seed_tree()["aws"] | {"duration_seconds": 900}}))

    async with world.serve() as daemon:
        first = daemon.log_text.splitlines()[0]
    assert (
        f"mayfly: warning: {world.config}: aws.duration_seconds: 900 seconds are short: SDKs ask again 15 minutes "
        "before the end; 2700 or more is better"
    ) == first


def test_on_a_terminal_it_says_where_it_serves_and_ends_with_ctrl_c(world: World) -> None:
    """The address, and Ctrl-C as the way to end, are printed before the log."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "mayfly", "serve"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=theirs, env=world.env) as process:
        os.close(theirs)
        shown = b""
        while b"daemon.started" not in shown:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        code = process.wait()
    os.close(ours)

    expected = f"mayfly: serving on 127.0.0.1:{world.port} until Ctrl-C; 'mayfly install' makes it a service\r\n"
    assert shown.startswith(expected.encode())
    assert 0 == code


def test_on_a_terminal_nothing_is_said_to_be_served_before_it_is(world: World) -> None:
    """If the port is taken, the first line is the error."""
    ours, theirs = os.openpty()
    with socket.socket() as other:
        other.bind(("127.0.0.1", world.port))
        other.listen()
        argv = [sys.executable, "-m", "mayfly", "serve"]
        subprocess.run(argv, env=world.env, stdin=theirs, stdout=theirs, stderr=theirs, check=False)
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)

    assert shown.startswith(b"mayfly: error: 127.0.0.1:")


def test_a_port_without_permission_needs_another_port() -> None:
    """The hint for a port below 1024 is to choose another one."""
    reason = sockets.CannotListen("127.0.0.1:80 cannot be listened on: Permission denied")

    assert 'choose another port in the config: listen = "127.0.0.1:PORT"' == serve._next_step(reason)


async def test_folders_on_path_that_cannot_be_trusted_are_named(world: World) -> None:
    """`serve` says from where it runs no program, and serves."""
    loose = world.folder / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    async with world.serve(env={"PATH": f"{loose}::{world.env['PATH']}"}) as daemon:
        text = daemon.log_text

    assert "mayfly: warning: '' on PATH is not an absolute path: no program is run from there\n" in text
    why = f"{loose} on PATH: {loose} is writable by others: chmod go-w {loose}"
    assert f"mayfly: warning: {why}: no program is run from there\n" in text
