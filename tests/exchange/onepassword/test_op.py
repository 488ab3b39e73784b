"""The one call of `op`: its command line, standard input and environment, and when it gets its input."""

from __future__ import annotations

import json
import os
import sys

from pathlib import Path

import pytest

from mayfly.demo.op.vault import ITEM, VAULT, Vault
from mayfly.demo.totp import code_of
from support.exchange import (
    PLANTED,
    ask,
    fields_of,
    key_profile,
    login,
    program,
    secrets_of,
    stand_in,
    with_onepassword,
)
from support.world import SEED_TOML, World


REFERENCE = f"op://{VAULT}/{ITEM}"
TEMPLATE = f"""\
{{{{ {REFERENCE}/access_key_id }}}}
{{{{ {REFERENCE}/secret_access_key }}}}
{{{{ {REFERENCE}/mfa_id }}}}
{{{{ {REFERENCE}/totp?attribute=otp }}}}
"""
# Writes down what it finds, and then does what the world's `op` does.
WITNESS = """
import json, os, subprocess, sys
template = sys.stdin.buffer.read()
witness = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "umask": os.umask(0), "sid": os.getsid(0),
           "pgid": os.getpgid(0), "pid": os.getpid(), "ttys": [os.isatty(n) for n in (0, 1, 2)],
           "fds": sorted(os.listdir("/proc/self/fd"), key=int), "stdin": template.decode()}
with open(os.path.dirname(REAL) + "/witness.jsonl", "a") as file:
    file.write(json.dumps(witness) + "\\n")
sys.exit(subprocess.run([REAL, *sys.argv[1:]], input=template).returncode)
"""

# Stops the exchange again and again, to see side by side whether its template is complete and what it has imported.
STOPPER = """
import os, signal, subprocess, sys, time
os.set_blocking(0, False)
template, seen, parent = b"", set(), os.getppid()
is_fed = is_imported = False
until = time.monotonic() + 20
while not (is_fed and is_imported) and time.monotonic() < until:
    os.kill(parent, signal.SIGSTOP)
    while open(f"/proc/{parent}/stat").read().rpartition(")")[2].split()[0] != "T":
        pass
    try:
        while chunk := os.read(0, 65536):
            template += chunk
        is_fed = True
    except BlockingIOError:
        pass
    maps = open(f"/proc/{parent}/maps").read()
    is_imported = "/multidict/" in maps or "/aiohttp/" in maps
    seen.add((is_fed, is_imported))
    os.kill(parent, signal.SIGCONT)
    time.sleep(0.002)
with open(os.path.dirname(REAL) + "/seen", "w") as file:
    file.write(repr(sorted(seen)))
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
sys.exit(subprocess.run([REAL, *sys.argv[1:]], input=template).returncode)
"""


def _witnesses(world: World) -> list[dict[str, object]]:
    return [json.loads(line) for line in (world.op.parent / "witness.jsonl").read_text().splitlines()]


async def test_op_is_called_once_with_exactly_these_words(world: World) -> None:
    """One `op inject` without cache and colour; the template on standard input, with the one-time password last."""
    stand_in(world, WITNESS)

    ended = await ask(world, login(world), PLANTED | {"XDG_RUNTIME_DIR": "/run/user/1", "LANG": "C"})

    [witness] = _witnesses(world)
    assert {"nsrc": "Credentials"} == ended.verdicts
    assert ["--cache=false", "--no-color", "inject"] == witness["argv"]
    assert TEMPLATE == witness["stdin"]


async def test_op_finds_an_allow_list_in_its_environment(world: World) -> None:
    """Of the exchange's environment `op` gets only the variables that it needs to find its app."""
    stand_in(world, WITNESS)

    await ask(world, login(world), PLANTED | {"XDG_RUNTIME_DIR": "/run/user/1", "LANG": "C"})

    environment = _witnesses(world)[0]["env"]
    assert isinstance(environment, dict)
    kept = {name: world.env[name] for name in ("HOME", "PATH", "SSL_CERT_FILE")}
    wanted = kept | {"XDG_RUNTIME_DIR": "/run/user/1", "LANG": "C", "OP_CACHE": "false"}
    # Python's own, where the locale is C (PEP 538).
    assert wanted == {name: value for name, value in environment.items() if name != "LC_CTYPE"}


async def test_op_stands_alone(world: World) -> None:
    """`op` has no terminal, a session and a process group of its own, / as its folder, and three descriptors."""
    stand_in(world, WITNESS)

    await ask(world, login(world))

    [witness] = _witnesses(world)
    assert ("/", 0o077, [False] * 3) == (witness["cwd"], witness["umask"], witness["ttys"])
    assert witness["pid"] == witness["sid"] == witness["pgid"]
    assert ["0", "1", "2", "3"] == witness["fds"]  # the fourth is the folder being listed


async def test_the_account_is_named_on_the_command_line(world: World) -> None:
    """A configured account is an option before the command."""
    with_onepassword(world, 'account = "my.1password.com"')
    stand_in(world, WITNESS)

    ended = await ask(world, login(world))

    assert {"nsrc": "Credentials"} == ended.verdicts
    assert ["--cache=false", "--no-color", "--account", "my.1password.com", "inject"] == _witnesses(world)[0]["argv"]


async def test_the_template_is_complete_before_aiobotocore_is_imported(world: World) -> None:
    """The longest import never delays the prompt."""
    stand_in(world, STOPPER)

    ended = await ask(world, login(world), from_scratch=True)

    seen = eval((world.op.parent / "seen").read_text())
    assert {"nsrc": "Credentials"} == ended.verdicts
    assert (True, True) in seen
    assert (False, True) not in seen


async def test_several_items_of_one_account_are_one_call(world: World) -> None:
    """Two profiles of one account: one `op`, every reference once, the codes last."""
    other = Vault()
    world.vault.add_item("Other", fields_of(other))
    world.write_toml(SEED_TOML + key_profile("other", item="Other"))

    ended = await ask(world, login(world, "nsrc", "other"))

    [call] = world.vault.calls()
    asked = [line.rpartition("/")[2] for line in call["stdin"].splitlines()]
    keys = ["access_key_id }}", "secret_access_key }}", "mfa_id }}"]
    assert {"nsrc": "Credentials", "other": "AccessKeyUnknown"} == ended.verdicts
    assert f"op://{VAULT}/Other/access_key_id" in ended.error("other").message
    assert [*keys, *keys, "totp?attribute=otp }}", "totp?attribute=otp }}"] == asked


async def test_no_secret_leaves_but_in_its_place(world: World) -> None:
    """No key, TOTP seed or code is in the output or the files of the exchange."""
    ended = await ask(world, login(world))

    step = world.sts.calls[0].code_step
    assert step is not None
    code = code_of(world.vault.totp_seed, step)
    told = ended.out.decode() + ended.err + (world.run_dir / "op.lock").read_text()
    assert not [secret for secret in (*secrets_of(world), code) if secret in told]


async def test_an_op_that_others_could_replace_is_not_run(world: World) -> None:
    """An `op` that is writable by others is refused, and the error says how to mend it."""
    world.op.chmod(0o777)

    ended = await ask(world, login(world), {"PATH": str(world.op.parent)})

    assert {"nsrc": "ConfigInvalid"} == ended.verdicts
    assert f"op at {world.op} cannot be trusted: {world.op} is writable by others" in ended.error().message
    assert [] == world.vault.calls()


async def test_a_missing_op_is_told(world: World) -> None:
    """Without any `op` the error says what to install or to set."""
    with_onepassword(world, f'op = "{world.home}/op"')

    error = (await ask(world, login(world))).error()

    assert ("OnePasswordMissing", f"{world.home}/op: there is no such program") == (error.code, error.message)
    assert 'install the 1Password CLI, or set op = "/path/to/op" in [onepassword]' == error.hint


async def test_the_table_of_a_missing_op_is_named(world: World) -> None:
    """With several 1Password tables the hint names the one at fault."""
    ways = f'[onepasswords.work]\naccount = "work"\nop = "{world.home}/op"\n' + key_profile(
        "work", more='onepassword = "work"'
    )
    world.write_toml(SEED_TOML + ways)

    ended = await ask(world, login(world, "work"))

    assert 'install the 1Password CLI, or set op = "/path/to/op" in [onepasswords.work]' == ended.error("work").hint


async def test_an_op_that_is_no_program_is_told(world: World) -> None:
    """For a file that the kernel cannot run the error says so."""
    with_onepassword(world, f'op = "{program(world.home / "op", "no program")}"')

    error = (await ask(world, login(world))).error()

    assert ("OnePasswordMissing", f"{world.home}/op cannot be run: Exec format error") == (error.code, error.message)


@pytest.mark.skipif(os.getuid() != 0, reason="another user is played by root only")
async def test_a_folder_on_path_that_may_not_be_entered_is_passed_over(world: World, open_folder: Path) -> None:
    """As root's folders on the PATH that `su` leaves behind: `op` is looked for in the next ones."""
    closed, op = open_folder / "closed", program(open_folder / "bin/op", "")
    closed.mkdir(mode=0o700)
    for place in (op, op.parent):
        place.chmod(0o755)
    script = (
        "import grp, os, pwd; from mayfly.config.model import OnePassword; "
        "from mayfly.exchange.onepassword.op_program import find_op; "
        # The other user may not read the libraries of an interpreter in root's home: so it starts as root.
        "os.setgroups([]); os.setgid(4242); os.setuid(4242); print(find_op(OnePassword(), os.environ))"
    )

    ended = await world.run_program(sys.executable, "-c", script, env={"PATH": f"{closed}:{op.parent}:/usr/bin:/bin"})

    assert (0, f"{op}\n", "") == tuple(ended)
