"""`mayfly doctor` where much is wrong: no daemon, no config, a broken one, programs that hang, another user's home."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time

from pathlib import Path

import pytest

from support.control import daemon, response, sends
from support.patient import Patient
from support.world import SEED_TOML, free_port


as_root = pytest.mark.skipif(os.getuid() != 0, reason="another user can be played by root only")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a TCP socket is")


# Listens, says so, and stays.
SERVE = "import socket, time; s = socket.create_server(('127.0.0.1', {})); print(flush=True); time.sleep(60)"


async def test_without_a_daemon_the_rest_is_looked_at(patient: Patient) -> None:
    """One failure, and the command that starts the daemon."""
    found = await patient.doctor()

    assert {"daemon.running": "failure"} == found.unwell
    assert ("mayfly serve", 1) == (found.hint("daemon.running"), found.ended.code)
    assert not patient.run_dir.exists()
    async with patient.serve():
        assert {} == (await patient.doctor()).unwell


async def test_a_config_is_missing_or_broken_and_each_problem_is_told(patient: Patient) -> None:
    """With every problem of the loader, and with what can be looked at without a config."""
    patient.write_toml(SEED_TOML + 'colour = "blue"\n[profiles.two]\nrole_arn = "x"\n')
    broken = await patient.doctor()
    patient.config.write_bytes(b"\xff\x00[[[")
    unreadable = await patient.doctor()
    patient.config.unlink()
    missing = await patient.doctor()

    assert {"config.content", "daemon.running"} == set(broken.unwell) == set(unreadable.unwell)
    lines = broken.message("config.content").splitlines()
    assert {"colour", "role_arn", "source_profile"} <= {line.split(": ")[1].rpartition(".")[2] for line in lines}
    assert f"vi {patient.config}" == broken.hint("config.content")
    assert {"config.file": "failure", "daemon.running": "failure"} == missing.unwell
    assert "mayfly init" == missing.hint("config.file")
    assert {"op.version", "clock", "desk.presence"} <= set(missing.checks)


async def test_a_config_that_changed_is_taken_over_by_its_hints(patient: Patient) -> None:
    """Two configs, of which the daemon has the other one: the hints, followed from the top, mend all of it."""
    async with patient.serve():
        toml = patient.config.with_name("config.toml")
        toml.write_text(SEED_TOML)
        for check in ("config.file", "daemon.notes"):
            found = await patient.doctor()
            assert {"config.file", "daemon.config", "daemon.notes"} >= set(found.unwell) > set()
            await patient.follow(found.hint(check))

        assert {} == (await patient.doctor()).unwell


async def test_a_refused_prompt_is_told_with_the_way_to_another(patient: Patient) -> None:
    """The session's own error, its code, and the command that tries again."""
    async with patient.serve():
        patient.vault.update(prompt={"answer": "reject"})
        assert 4 == (await patient.run("login")).code
        found = await patient.doctor()
        assert {"session.nsrc": "failure"} == found.unwell
        assert "(ApprovalDismissed)" in found.message("session.nsrc")

        patient.vault.update(prompt={"answer": "approve"})
        await patient.follow(found.hint("session.nsrc"))
        assert {} == (await patient.doctor()).unwell


@on_linux
async def test_a_port_is_taken_by_a_program_of_ours(patient: Patient) -> None:
    """It is named, with its pid, and the command that ends it."""
    serve = SERVE.format(patient.port)
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", serve, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    await program.stdout.readline()
    found = await patient.doctor()
    assert {"port", "daemon.running"} == set(found.unwell)
    assert (f"kill {program.pid}", True) == (found.hint("port"), "python" in found.message("port"))

    await patient.follow(found.hint("port"))
    assert -signal.SIGTERM == await program.wait()
    assert {"daemon.running"} == set((await patient.doctor()).unwell)


async def test_a_daemon_elsewhere_is_found_again_by_the_shell(patient: Patient) -> None:
    """The shell asks another port than the daemon's: the hint leads this shell there, whichever of the two is usual."""
    elsewhere = free_port()
    patient.write_toml(f'listen = "127.0.0.1:{patient.port}"\n{SEED_TOML}')
    async with patient.serve("--listen", f"127.0.0.1:{elsewhere}"):
        found = await patient.doctor()
        assert {"port": "failure"} == found.unwell
        changed = await patient.follow(found.hint("port"))
        assert {} == (await patient.doctor(env=changed)).unwell
    async with patient.serve():
        env = {"MAYFLY_LISTEN": f"127.0.0.1:{elsewhere}"}
        found = await patient.doctor(env=env)
        assert {"port": "failure"} == found.unwell
        changed = await patient.follow(found.hint("port"), env)
        assert {"MAYFLY_LISTEN": ""} == {name: changed[name] for name in env}
        assert {} == (await patient.doctor(env=changed)).unwell


@as_root
@on_linux
async def test_a_port_is_taken_by_another_user(patient: Patient) -> None:
    """Whose it is, and how to see what it is."""
    serve = f"import os; os.setgroups([]); os.setuid(65534); {SERVE.format(patient.port)}"
    program = await asyncio.create_subprocess_exec("/usr/bin/python3", "-c", serve, stdout=asyncio.subprocess.PIPE)
    try:
        assert program.stdout is not None
        await program.stdout.readline()
        found = await patient.doctor()
    finally:
        program.kill()
        await program.wait()

    assert "failure" == found.unwell["port"]
    assert "belongs to nobody" in found.message("port")
    assert f"sudo ss -atnp 'sport = :{patient.port}'" == found.hint("port")


async def test_programs_that_hang_or_flood_hold_nothing_up(patient: Patient) -> None:
    """A time for each, all at once: the rest is told, and no process is left."""
    left = patient.folder / "left"
    patient.put_op("2.39.0")
    patient.op.write_text(f"#!/bin/sh\necho $$ >> {left}\nexec /bin/sleep 300\n")
    patient.put_program("aws", f"echo $$ >> {left}\ntrap '' TERM\n/bin/sleep 300 &\nwait; /bin/sleep 300")
    patient.put_program("python3", "exec /usr/bin/yes")
    patient.put_program("terraform", f"(/bin/sleep 300 & echo $! >> {left})\necho Terraform v1.11.4")
    began = time.monotonic()
    found = await patient.doctor()

    assert {"op.version": "warning", "daemon.running": "failure"} == found.unwell
    assert "did not end within" in found.message("op.version")
    assert "did not end within" in found.message("clients.aws")
    assert "more than expected" in found.message("clients.boto3")
    assert "Terraform v1.11.4" == found.message("clients.terraform")
    assert time.monotonic() - began < 25
    assert [] == [pid for pid in left.read_text().split() if _runs(int(pid))]


def _runs(pid: int) -> bool:
    try:
        return "sleep" in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return False


async def test_a_network_that_is_silent_ends_the_question(patient: Patient) -> None:
    """STS takes the connection and says nothing: not known, as without a network. No answer is a warning at most."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = await patient.doctor(env={"AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{silent.getsockname()[1]}"})
    offline = await patient.doctor(env={"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"})

    for seen in (found, offline):
        assert {"network.sts": "warning", "daemon.running": "failure"} == seen.unwell
        assert "not known: AWS did not tell its time" == seen.message("clock")


BODIES = [b"[]", b"null", b"{", b"{}", b'{"profiles": 7, "notes": 1}', b'{"profiles": [[], {}], "config": 3}']


@pytest.mark.parametrize("body", BODIES)
async def test_a_daemon_that_talks_nonsense_is_no_traceback(patient: Patient, body: bytes) -> None:
    """Its answer is told to make no sense, or is taken for as much as it says."""
    patient.run_dir.mkdir(mode=0o700)
    with daemon(patient.run_dir / "control.sock", sends(response(200, body)), connections=2):
        found = await patient.doctor()

    assert (1, "") == (found.ended.code, found.ended.err)
    assert [name for name in found.unwell if name.startswith("daemon.")]


async def test_an_environment_of_somebody_else_is_looked_at_all_the_same(patient: Patient) -> None:
    """No HOME, a home that is closed, a runtime folder that is no folder: a check each, and exit code 1."""
    closed = patient.folder / "closed"
    closed.mkdir(mode=0o000)
    plain = patient.folder / "plain"
    plain.write_text("")
    for env in (
        {"HOME": str(closed)},
        {"HOME": "/nonexistent"},
        {"MAYFLY_RUNTIME_DIR": str(plain / "x")},
        {"PATH": ""},
    ):
        found = await patient.doctor(env=env)
        assert (1, "") == (found.ended.code, found.ended.err)


@as_root
async def test_another_users_sudo_is_looked_at_all_the_same(patient: Patient) -> None:
    """As nobody, with root's HOME and runtime folder: what may not be read is told."""
    code = (
        "import importlib, pkgutil, sys, os, mayfly.cli.doctor as d;"
        "[importlib.import_module(f'mayfly.cli.doctor.{m.name}') for m in pkgutil.iter_modules(d.__path__)];"
        "import mayfly.cli.install.with_systemd, mayfly.daemon.remote_desk, encodings.idna, tomllib;"
        "main = importlib.import_module('mayfly.cli.main');"
        "sys.argv = ['mayfly', 'doctor', '--json']; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        "sys.exit(main.main())"
    )
    patient.folder.chmod(0o700)
    ended = await patient.run_program(sys.executable, "-c", code)

    assert (1, "") == (ended.code, ended.err)
    assert '"config.' in ended.out
