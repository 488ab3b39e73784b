"""One-time passwords from a program of the user's: run like `op`, after `op`, and each code sent once."""

from __future__ import annotations

import asyncio
import json

from pathlib import Path

import pytest

from mayfly.demo.sts.server import Role
from mayfly.shared import wire
from support.codes import Authenticator, on_command
from support.exchange import (
    CODE_SECONDS,
    PLANTED,
    Clock,
    answer,
    ask,
    exchange,
    login,
    program,
    put,
    robot,
    role_profile,
    sts_called,
    until,
    waits_for_a_step,
)
from support.people import inhabited, keys
from support.world import PATIENCE_SECONDS, SEED_ACCOUNT, SEED_TOML, World


# A key that waits for a touch: for that file.
WHEN_TOUCHED = "while not os.path.exists({!r}): time.sleep(0.02)\nprint(code)"
ADMIN = f"arn:aws:iam::{SEED_ACCOUNT}:role/Admin"


async def test_a_command_gives_the_code(world: World) -> None:
    """`op` gives the keys, the command gives the code, and neither its environment nor our output holds a secret."""
    key = Authenticator(world)
    world.write_toml(on_command("key", key.path) + role_profile("admin", ADMIN, "key"))

    ended = await ask(world, login(world, "key", "admin"), PLANTED | {"GNUPGHOME": "/g", "XDG_DATA_HOME": "/d"})

    assert {"key": "Credentials", "admin": "Credentials"} == ended.verdicts
    (call,) = [call for call in world.sts.calls if call.action == "GetSessionToken"]
    assert (world.vault.mfa_id, True) == (call.mfa_serial, call.code_step is not None)
    assert "totp" not in str(world.vault.calls())
    (run,) = key.runs
    assert (["code", "AWS"], "/", "", True) == (run["argv"], run["cwd"], run["stdin"], run["is_session_leader"])
    assert {"HOME", "GNUPGHOME", "XDG_DATA_HOME"} <= run["environ"].keys()
    assert run["environ"].keys().isdisjoint(PLANTED)
    kept = ended.out.decode() + ended.err + (world.run_dir / "op.lock").read_text()
    assert all(text not in kept for text in (run["code"], "keyman"))


FAILURES = {
    "ends": ("sys.exit(3)", "failed (exit code 3)"),
    "short": ("print(code[:5])", "printed something that is not a one-time password of six digits"),
    "twice": ("print(code, code)", "printed something that is not a one-time password of six digits"),
    "other": ("print(code.translate({48 + n: 0x660 + n for n in range(10)}))", "printed something that is not"),
    "flood": ("print(code * 20_000)", "printed far more than a one-time password"),
    "hangs": ("os.fork(); print(code, flush=True); time.sleep(60)", "did not end within 2 s"),
}


async def test_a_command_that_fails_is_told_in_one_line(world: World) -> None:
    """The command is named, its output and its arguments are not, its children end, and nothing goes to STS."""
    commands = {
        name: Authenticator(world, script=f"print(code, file=sys.stderr); {script}", name=name)
        for name, (script, _) in FAILURES.items()
    }
    lines = (f"duration_seconds = {seconds}" for seconds in range(3600, 4000))
    profiles = [on_command(name, command.path, next(lines)) for name, command in commands.items()]
    world.write_toml("\n".join(["[onepassword]\ntimeout_seconds = 2", *profiles]))

    ended = await ask(world, login(world, *FAILURES))

    for name, (_, complaint) in FAILURES.items():
        error = ended.error(name)
        assert ("OtpCommandFailed", 403, True) == (error.code, error.http_status, error.needs_human)
        assert error.message.startswith(f"otp_command {commands[name].path} {complaint}")
    texts = {run["code"] for command in commands.values() for run in command.runs} | {"AWS"}
    assert all(text not in ended.out.decode() + ended.err for text in texts)
    assert (1, 0) == (len(world.vault.calls()), world.sts.calls_of("GetSessionToken"))


NOT_FOUND = {
    "./keyman": "./keyman: must be an absolute path, or a name that is looked up on PATH",
    "keyman-of-nobody": "keyman-of-nobody is not on PATH",
    "{home}/nothing": "{home}/nothing: there is no such program",
    "{home}/loose/keyman": "{home}/loose/keyman cannot be trusted: {home}/loose is writable by others",
}


async def test_a_command_that_cannot_be_run_is_told_before_anybody_is_asked(world: World) -> None:
    """The rule for every program that is run: found on PATH or by an absolute path, where nobody else can write."""
    program(world.home / "loose/keyman", "#!/bin/sh\necho 123456\n").parent.chmod(0o777)
    program(world.op, f"#!/bin/sh\n: > {world.folder}/started\n")
    names = [name.format(home=world.home) for name in NOT_FOUND]
    profiles = [on_command(f"p{number}", name) for number, name in enumerate(names)]
    world.write_toml("\n".join(profiles))

    ended = await ask(world, login(world, *(f"p{number}" for number in range(len(names)))))

    for number, complaint in enumerate(NOT_FOUND.values()):
        error = ended.error(f"p{number}")
        assert "ConfigInvalid" == error.code
        assert error.message.startswith(f"otp_command: {complaint.format(home=world.home)}")
    assert not (world.folder / "started").exists()


async def test_a_program_that_cannot_start_is_told(world: World) -> None:
    """A script whose interpreter is missing has no exit code."""
    path = program(world.home / "keyman", "#!/nowhere/sh\n")
    world.write_toml(on_command("key", path))

    error = (await ask(world, login(world, "key"))).error("key")

    assert f"otp_command {path} cannot be run: No such file or directory" == error.message


@pytest.mark.parametrize("is_serial_configured", [False, True])
async def test_a_code_of_a_step_that_was_sent_is_not_asked_for(
    world: World, clock: Clock, *, is_serial_configured: bool
) -> None:
    """Another item's code of the same device was just sent: the command runs in the next step, and `op` runs once.

    The serial is the device's name. If it is in the item, the wait comes after `op`, else before.
    """
    env = clock.rule(world)
    key = Authenticator(world, env)
    mfa_id = world.vault.mfa_id if is_serial_configured else ""
    world.write_toml(SEED_TOML + on_command("key", key.path, mfa_id=mfa_id))
    first = await ask(world, login(world), env)
    async with exchange(world, env) as process:
        await put(process, login(world, "key"))
        await waits_for_a_step(world, process, calls=1 if is_serial_configured else 2)
        runs_before = len(key.runs)
        clock.jump(CODE_SECONDS)
        second = await answer(process)

    assert [{"nsrc": "Credentials"}, {"key": "Credentials"}] == [first.verdicts, second.verdicts]
    assert (0, 1, 2) == (runs_before, len(key.runs), len(world.vault.calls()))
    one, other = [call.code_step for call in world.sts.calls if call.action == "GetSessionToken"]
    assert one is not None
    assert one + 1 == other


async def test_a_refused_code_costs_another_run_and_no_second_prompt(world: World, clock: Clock) -> None:
    """The command runs again in the next step, with the keys that are there."""
    env = clock.rule(world)
    key = Authenticator(world, env)
    world.write_toml(on_command("key", key.path))
    world.sts.faults.then("invalid-mfa")
    async with exchange(world, env) as process:
        await put(process, login(world, "key"))
        await sts_called(world)
        clock.jump(CODE_SECONDS)
        ended = await answer(process)

    assert {"key": "Credentials"} == ended.verdicts
    assert (1, 2) == (len(world.vault.calls()), len({run["code"] for run in key.runs}))
    assert ["AccessDenied", "ok"] == [call.outcome for call in world.sts.calls]


async def test_a_command_that_repeats_its_code_is_not_believed(world: World, clock: Clock) -> None:
    """If it gives the same digits in the next step, they are not sent."""
    env = clock.rule(world)
    key = Authenticator(world, env, 'print("123456")')
    world.write_toml(on_command("key", key.path))
    async with exchange(world, env) as process:
        await put(process, login(world, "key"))
        await sts_called(world)
        clock.jump(CODE_SECONDS)
        ended = await answer(process)

    error = ended.error("key")
    assert "otp_command gives the same one-time password again in the next 30 seconds" == error.message
    assert (2, 1) == (len(key.runs), world.sts.calls_of("GetSessionToken"))


async def test_a_touch_that_takes_long_uses_up_every_step_since(world: World, clock: Clock) -> None:
    """A key makes its code before it waits for the touch: all steps since then count as sent."""
    env = clock.rule(world)
    go = world.folder / "touched"
    key = Authenticator(world, env, WHEN_TOUCHED.format(str(go)))
    world.write_toml(on_command("key", key.path, mfa_id=world.vault.mfa_id))
    async with exchange(world, env) as process:
        await put(process, login(world, "key"))
        await until(lambda: key.runs)
        clock.jump(2 * CODE_SECONDS)
        go.touch()
        await sts_called(world)
        steps = json.loads((world.run_dir / "op.lock").read_text())[f" {world.vault.mfa_id}"]
        process.kill()

    assert [steps[0], steps[0] + 1, steps[0] + 2] == steps


async def test_codes_of_op_are_sent_before_a_command_runs(tmp_path: Path, clock: Clock) -> None:
    """A touch may take its time: the code of another profile would be too old by then, and its roles would wait."""
    async with inhabited(tmp_path, ["ann", "bob"], [Role(name="Admin")], clock=clock) as world:
        fields = world.vault.state()["items"][-1]["fields"]
        seed = next(field["seed"] for field in fields if field["label"] == "totp")
        go = world.folder / "touched"
        key = Authenticator(world, script=WHEN_TOUCHED.format(str(go)), seed=seed)
        world.write_toml(keys("ann") + role_profile("admin", ADMIN, "ann") + on_command("bob", key.path, item="bob"))
        async with exchange(world) as process:
            assert process.stdout is not None
            await put(process, login(world, "bob", "ann", "admin"))
            assert wire.MAY_I == await process.stdout.readline()
            early = [wire.parse_result(await process.stdout.readline()).profile for _ in range(2)]
            assert ["ann", "admin"] == early
            go.touch()
            second = await answer(process)
        assert {"bob": "Credentials"} == second.verdicts
        assert (1, 2) == (len(world.vault.calls()), world.sts.calls_of("GetSessionToken"))


@pytest.mark.parametrize(("line", "asks"), [("", True), ("otp_unattended = true", False)])
async def test_a_command_that_may_need_a_person_asks_the_daemon_first(world: World, line: str, *, asks: bool) -> None:
    """The screen may be locked by then. Where the config says that nobody is needed, nobody is asked."""
    slow = program(world.folder / "slow/op", f'#!/bin/sh\nsleep 1.2\nexec {world.op} "$@"\n')
    key = Authenticator(world)
    world.write_toml(f'[onepassword]\nop = "{slow}"\n{robot(world)}\n' + on_command("key", key.path, line))

    async with exchange(world) as process:
        assert process.stdin is not None
        process.stdin.write(wire.request_bytes(login(world, "key")))
        ended = await answer(process)

    assert (wire.MAY_I in ended.out, 0 if asks else 1) == (asks, len(key.runs))


async def test_a_command_ends_with_its_exchange(world: World) -> None:
    """Also its children, where the daemon goes away meanwhile: the fixture looks for them."""
    key = Authenticator(world, script="os.fork(); time.sleep(600)")
    world.write_toml(on_command("key", key.path))
    async with exchange(world) as process:
        await put(process, login(world, "key"))
        await until(lambda: key.runs)
        process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()
