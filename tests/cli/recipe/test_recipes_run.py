"""What `mayfly recipe` prints, pasted and run with a real daemon; engines and clusters have stand-ins."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tomllib

from typing import Any

import yaml

from support.world import Ended, World


# In the place of an engine: it says what it was called with, and fails where a mount's source is missing.
ENGINE = """
import itertools, json, os, stat, sys
words = sys.argv[1:]
token = sys.stdin.read() if "--from-file=mayfly=/dev/stdin" in words else None
for option, mount in itertools.pairwise(words):
    if option == "-v" and not os.path.exists(mount.split(":")[0]):
        sys.exit(f"no such mount: {mount}")
if words[0] == "compose":
    token = os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    words.append(os.environ["MAYFLY_FOLDER"])
with open(os.environ["RECORD"], "a") as file:
    print(json.dumps([os.path.basename(sys.argv[0]), words, token]), file=file)
if "kind" in sys.argv[0]:
    sys.stdin.read()
"""
# It gets credentials before it says whose they are.
FETCH = 'curl -sf -H "Authorization: $AWS_CONTAINER_AUTHORIZATION_TOKEN" "$AWS_CONTAINER_CREDENTIALS_FULL_URI" >&2'
SERVER = ("sh", "-c", f'{FETCH} && echo "$MAYFLY_GRANT"')
ID = "[0-9a-f]{8}"


async def recipe(world: World, kind: str, *words: str) -> Ended:
    ended = await world.run("recipe", kind, "nsrc", *words)
    assert 0 == ended.code, ended.err
    return ended


def stand_ins(world: World) -> dict[str, str]:
    """Engines on PATH, before everything else, and where they write."""
    programs = world.folder / "programs"
    programs.mkdir()
    for name in ("docker", "podman", "kind", "kubectl"):
        (programs / name).write_text(f"#!{sys.executable} -IS\n{ENGINE}")
        (programs / name).chmod(0o755)
    return {"PATH": f"{programs}:{world.env['PATH']}", "RECORD": str(world.folder / "record")}


async def servers(world: World) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Each agent's MCP server: its words, and the environment in which the agent starts it."""
    claude = (await recipe(world, "claude-code", "--", *SERVER)).out.splitlines()[1]
    codex = tomllib.loads((await recipe(world, "codex", "--", *SERVER)).out)["mcp_servers"]["aws"]
    # Codex passes these on to every server, and what env_vars names.
    passed_on = {"HOME", "PATH", *codex["env_vars"]}
    found = {
        "claude-code": (shlex.split(claude.partition(" -- ")[2]), world.env),
        "codex": ([codex["command"], *codex["args"]], {name: world.env.get(name, "") for name in passed_on}),
    }
    for kind in ("cursor", "mcp"):
        server = json.loads((await recipe(world, kind, "--", *SERVER)).out)["mcpServers"]["aws"]
        found[kind] = [server["command"], *server["args"]], world.env
    return found


async def test_every_agent_starts_its_server_in_a_grant(world: World) -> None:
    """As each of them starts it: Codex with few variables."""
    async with world.serve() as daemon:
        for kind, (words, env) in (await servers(world)).items():
            nothing = dict.fromkeys(world.env, "")
            ended = await world.run_program("env", *words, env=nothing | env)

            assert (kind, 0) == (kind, ended.code), ended.err
            assert re.fullmatch(f"{ID}\n", ended.out)
            assert kind == daemon.events("grant.made")[-1]["label"]
        await daemon.event("grant.ended", times=4)


async def test_every_engine_gets_the_grant_s_own_socket_and_token(world: World) -> None:
    """The folder that is mounted and the token are those of a grant of the daemon's, which ends with what was run."""
    env = stand_ins(world)
    called: list[Any] = []
    async with world.serve() as daemon:
        for kind in ("docker", "podman", "compose", "devcontainer", "kind"):
            ended = await world.run_program("sh", "-c", await _paste(world, kind), env=env)
            assert (kind, 0) == (kind, ended.code), ended.err
            called += [json.loads(line) for line in (world.folder / "record").read_text().splitlines()]
            (world.folder / "record").unlink()
        made = daemon.events("grant.made")

    folders = [str(world.run_dir / "grants" / row["grant"] / "socket") for row in made]
    mounts = [word for _, words, _ in called for word in words if "/socket" in word]
    assert ["docker", "podman", "compose", "devcontainer", "kind"] == [row["label"] for row in made]
    assert folders[:4] == [mount.removesuffix(":/run/mayfly:ro") for mount in mounts]
    # Compose's, and kind's.
    assert [43, 43] == [len(token) for _, _, token in called if token]


async def _paste(world: World, kind: str) -> str:
    """What a person runs."""
    ended = await recipe(world, kind, "--", "example/app")
    if kind == "compose":
        yaml.safe_load(ended.out)
        return next(line.removeprefix("#   ") for line in ended.out.splitlines() if "mayfly grant" in line)
    if kind == "devcontainer":
        start, end = (
            re.search(rf"(?:: |; )({what}.*)$", ended.err, re.MULTILINE) for what in ("eval ", "mayfly revoke ")
        )
        assert start
        assert end
        return f"{start[1]}; {json.loads(ended.out)['initializeCommand']} && {end[1]}"
    return ended.out
