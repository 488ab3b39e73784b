"""`mayfly recipe`: each text is what its program reads, its lines are ones that mayfly takes, and no token is in it."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import sys
import tomllib

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.generate.commands import all_commands

import mayfly

from mayfly.cli.recipe.recipe import KINDS
from support.relays import FILE
from support.world import SEED_TOML, Ended, World


REPOSITORY = Path(mayfly.__file__).parents[2]
NARROWED = ("--for", "8h", "--read-only", "--label", "Bob", "--ask")
GRANT = ["grant", "nsrc", *NARROWED]
URL = "http://127.0.0.1:9170/credentials/nsrc"
VARIABLES = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": URL,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/run/secrets/mayfly",
    "AWS_REGION": "eu-west-1",
}
RELAY = ["python3", "-I", "/relay.py", "--listen", "127.0.0.1:9170", "--to", "unix:/run/mayfly/s"]
CMD = ("--", "example/app", "a b", "it's $HOME")

# Stand-ins for the programs that a recipe calls: they write down what they were called with, and what they read.
RECORDER = """
import json, os, sys
reads = {"--config": "-", "-f": "-", "--from-file=mayfly=/dev/stdin": None}
words = sys.argv[1:]
name = os.path.basename(sys.argv[0])
stdin = sys.stdin.read() if any(word in reads for word in words) else os.environ.get("MAYFLY_FOLDER", "")
with open(os.environ["RECORD"], "a") as file:
    print(json.dumps([name, words, stdin]), file=file)
if name == "mayfly":
    ours = {"MAYFLY_GRANT": "1a2b3c4d", "MAYFLY_SOCKET": "/run/user/1/mayfly/grants/1a2b3c4d/socket/s"}
    token = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    ours |= {token + "_FILE": "/token"} if "--token-file" in words else {token: "the-token"}
    if "--" not in words:
        print(*(f"export {key}={value};" for key, value in ours.items()))
    else:
        command = words[words.index("--") + 1 :]
        os.execvpe(command[0], command, os.environ | ours)
sys.exit(7 if "example/app" in words else 0)
"""


class Called(list[tuple[str, list[str], str]]):
    """What was called: program, words, standard input, or MAYFLY_FOLDER where nothing is read."""

    def words(self, *start: str) -> list[str]:
        """The words of the one call that begins so."""
        (found,) = (words for name, words, _ in self if (name, *words)[: len(start)] == start)
        return found

    def read(self, *start: str) -> str:
        (found,) = (stdin for name, words, stdin in self if (name, *words)[: len(start)] == start)
        return found


@pytest.fixture(name="regional")
def _regional(world: World) -> World:
    world.write_toml(SEED_TOML + 'region = "eu-west-1"\n')
    return world


async def recipe(world: World, kind: str, *words: str) -> Ended:
    """The recipe, which must be one."""
    ended = await world.run("recipe", kind, "nsrc", *words)
    assert 0 == ended.code, ended.err
    return ended


async def pasted(world: World, text: str) -> tuple[int, Called]:
    """Paste it into a shell; its exit code, and what it called."""
    programs, record = world.folder / "programs", world.folder / "record"
    programs.mkdir(exist_ok=True)
    record.write_text("")
    for name in ("docker", "podman", "kind", "kubectl", "mayfly", "claude"):
        (programs / name).write_text(f"#!{sys.executable} -IS\n{RECORDER}")
        (programs / name).chmod(0o755)
    env = {"PATH": f"{programs}:/usr/bin:/bin", "RECORD": str(record)}
    ended = await world.run_program("sh", "-c", text, env=env)
    return ended.code, Called(tuple(json.loads(line)) for line in record.read_text().splitlines())


async def test_compose_is_a_relay_and_what_shares_its_network(regional: World) -> None:
    """Compose reads the folder and the token from the grant that it is run in; a `$` of the command stays one."""
    text = (await recipe(regional, "compose", *NARROWED, *CMD)).out
    tree = yaml.safe_load(text)
    relay, app = tree["services"]["mayfly"], tree["services"]["app"]

    assert RELAY == relay["command"]
    assert [(str(FILE), "/relay.py"), ("${MAYFLY_FOLDER:?run it in a grant}", "/run/mayfly")] == [
        (volume["source"], volume["target"]) for volume in relay["volumes"] if volume["read_only"]
    ]
    assert ("service:mayfly", VARIABLES, ["mayfly"]) == (app["network_mode"], app["environment"], app["secrets"])
    assert ("example/app", ["a b", "it's $$HOME"]) == (app["image"], app["command"])
    assert {"mayfly": {"environment": "AWS_CONTAINER_AUTHORIZATION_TOKEN"}} == tree["secrets"]
    run = next(line.removeprefix("#   ") for line in text.splitlines() if "mayfly grant" in line)
    code, called = await pasted(regional, run)
    assert [*GRANT, "--as", "socket", "--"] == called.words("mayfly", "grant")[:-3]
    assert (0, ["compose", "up"]) == (code, called.words("docker"))
    assert "/run/user/1/mayfly/grants/1a2b3c4d/socket" == called.read("docker")


@pytest.mark.parametrize("engine", ["docker", "podman"])
async def test_an_engine_runs_a_relay_and_what_shares_its_network(regional: World, engine: str) -> None:
    """The grant, the relay, the container with its exit code; and then the relay ends."""
    text = (await recipe(regional, engine, *NARROWED, *CMD)).out
    code, called = await pasted(regional, text)
    relay = called.words(engine, "run", "-d")
    app = called.words(engine, "run", "--rm")

    assert 7 == code
    assert [*GRANT, "--as", "socket", "--token-file", "--", "sh", "-c"] == called.words("mayfly")[:-1]
    assert ["python:3-alpine", *RELAY] == relay[-len(RELAY) - 1 :]
    assert [f"{FILE}:/relay.py:ro", "/run/user/1/mayfly/grants/1a2b3c4d/socket:/run/mayfly:ro"] == _values(relay, "-v")
    assert ["mayfly-1a2b3c4d", "container:mayfly-1a2b3c4d"] == [*_values(relay, "--name"), *_values(app, "--network")]
    assert ["/token:/run/secrets/mayfly:ro"] == _values(app, "-v")
    assert [f"{name}={value}" for name, value in VARIABLES.items()] == _values(app, "-e")
    assert list(CMD[1:]) == app[-3:]
    assert ["stop", "mayfly-1a2b3c4d"] == called[-1][1]


def _values(words: list[str], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(words) if name == option]


async def test_kind_is_a_cluster_that_sees_the_socket_and_a_pod(regional: World) -> None:
    """The token goes to kubectl by a pipe; the pod's relay is a sidecar that has started before the app."""
    code, called = await pasted(regional, (await recipe(regional, "kind", *NARROWED, *CMD)).out)
    (node,) = yaml.safe_load(called.read("kind"))["nodes"]
    # Where kind made no cluster, no other one gets the token.
    kubectl = ("kubectl", "--context", "kind-mayfly")
    pod = yaml.safe_load(called.read(*kubectl, "apply"))["spec"]
    (relay,), (app,) = pod["initContainers"], pod["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in (*relay["volumeMounts"], *app["volumeMounts"])}

    assert {kubectl} == {(name, *words[:2]) for name, words, _ in called if name == "kubectl"}
    assert (0, [*GRANT, "--as", "socket"]) == (code, called.words("mayfly"))
    assert [
        {
            "hostPath": "/run/user/1/mayfly/grants/1a2b3c4d/socket",
            "containerPath": "/run/mayfly",
            "readOnly": True,
        }
    ] == node["extraMounts"]
    assert "the-token" == called.read(*kubectl, "create", "secret")
    assert f"--from-file=relay.py={FILE}" == called.words(*kubectl, "create", "configmap")[-1]
    assert {"socket": "/run/mayfly", "relay": "/mayfly", "token": "/run/secrets/mayfly"} == mounts
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    assert ("Always", RELAY[3:]) == (relay["restartPolicy"], relay["command"][3:])
    assert ("example/app", list(CMD[2:])) == (app["image"], app["args"])
    assert VARIABLES == {one["name"]: one["value"] for one in app["env"]}


@pytest.mark.parametrize("word", ["$(AWS_REGION)", "a$$b", "$$(x)", "$HOME", "$"])
async def test_kubernetes_leaves_a_word_as_it_is(regional: World, word: str) -> None:
    """It would take `$(NAME)` for a variable's value, and `$$` for one `$`."""
    _, called = await pasted(regional, (await recipe(regional, "kind", "--", "example/app", word)).out)
    pod = yaml.safe_load(called.read("kubectl", "--context", "kind-mayfly", "apply"))["spec"]
    (written,) = pod["containers"][0]["args"]

    # As Kubernetes expands it (third_party/forked/golang/expansion/expand.go), with no such variable but the region.
    expanded = re.sub(r"\$(\$|\((\w+)\))", lambda found: "us-west-9" if found[2] else "$", written)
    assert word == expanded


async def test_a_devcontainer_starts_the_relay_before_it_is_made(regional: World) -> None:
    """What initializeCommand runs on this machine needs a grant; the token's file is mounted."""
    ended = await recipe(regional, "devcontainer", *NARROWED)
    tree = json.loads(ended.out)
    start = re.search(r'eval "\$\(mayfly (.*)\)"', ended.err)
    without = await pasted(regional, tree["initializeCommand"])
    _, called = await pasted(regional, f'eval "$(mayfly grant)"; {tree["initializeCommand"]}')
    relay = called.words("docker", "run")

    assert start
    assert [*GRANT, "--as", "socket", "--token-file"] == shlex.split(start[1])
    assert (1, []) == without
    assert ["python:3-alpine", *RELAY] == relay[-len(RELAY) - 1 :]
    assert f"--network=container:{_values(relay, '--name')[0]}" in tree["runArgs"]
    assert [f"{FILE}:/relay.py:ro", "/run/user/1/mayfly/grants/1a2b3c4d/socket:/run/mayfly:ro"] == _values(relay, "-v")
    assert VARIABLES == tree["containerEnv"]
    token = "source=${localEnv:AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE},target=/run/secrets/mayfly,readonly"
    assert [f"type=bind,{token}"] == tree["mounts"]


@pytest.mark.parametrize("kind", ["codex", "cursor", "mcp", "claude-code"])
async def test_an_agent_starts_an_mcp_server_in_a_grant(regional: World, kind: str) -> None:
    """In the agent's own format: mayfly, and a server of the user's after `--`."""
    text = (await recipe(regional, kind, *NARROWED, "--", "npx", "-y", "a server")).out
    server: Any = None
    if kind == "codex":
        server = tomllib.loads(text)["mcp_servers"]["aws"]
        assert server["startup_timeout_sec"] > 65
    elif kind == "claude-code":
        _, called = await pasted(regional, text.splitlines()[1])
        words = called.words("claude", "mcp", "add")
        cut = words.index("--")
        server = {"command": words[cut + 1], "args": words[cut + 2 :]}
    else:
        server = json.loads(text)["mcpServers"]["aws"]

    assert ("mayfly", [*GRANT, "--", "npx", "-y", "a server"]) == (server["command"], server["args"])


@pytest.mark.parametrize("kind", ["compose", "docker", "devcontainer"])
async def test_docker_desktop_gets_no_socket(world: World, kind: str) -> None:
    """Its containers are in a virtual machine, from which the daemon's port is reached."""
    text = (await recipe(world, kind, "--docker-desktop")).out

    assert f"tcp:host.docker.internal:{world.port}" in text
    assert not re.search("unix:|MAYFLY_SOCKET|--as", text)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_line_of_mayfly_in_a_recipe_is_one_that_it_takes(world: World, kind: str) -> None:
    """Also in comments and hints; no recipe has a token in it, and it needs no daemon."""
    token = world.run_dir / "tokens/nsrc"
    token.parent.mkdir(parents=True, mode=0o700)
    token.write_text("a" * 43)
    ended = await recipe(world, kind, "--view-only")
    _, parsers = all_commands()
    lines = re.findall(r"(?<![-\w/.])mayfly ([a-z][a-z-]+ [^\n\"#'\\)]*)", ended.out + ended.err)

    assert "a" * 43 not in ended.out + ended.err
    for words in map(shlex.split, lines):
        before = words[: words.index("--")] if "--" in words else words
        parsers[words[0]].parse_args(before[1:])
    if kind not in {"codex", "cursor", "mcp"}:
        assert any(line.startswith("grant nsrc --view-only") for line in lines)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("kubernetes", "nsrc"), "argument KIND: invalid choice: 'kubernetes'"),
        (("mcp", "other"), "{config} has no profile 'other': it has nsrc"),
        (("mcp", "nsrc", "--for", "5m"), "argument --for: a grant lasts 15m to 12h, not 5m"),
        (("mcp", "nsrc", "--for", "soon"), "argument --for: 'soon' is no duration: expected one like 30m, 8h or 1h30m"),
        (("mcp", "nsrc", "--label", "a b"), "argument --label: 'a b': a label is 1 to 32 letters"),
        (("mcp", "nsrc", "--read-only", "--view-only"), "not allowed with argument"),
        (("kind", "nsrc", "--as", "file"), "--as is for claude-code, codex, cursor, mcp: in kind a relay brings"),
        (("kind", "nsrc", "--docker-desktop"), "a kind cluster in Docker Desktop has no way to a socket"),
        (("mcp", "nsrc", "--as", "env", "--for", "2h"), "--as env gives one session, which cannot be renewed"),
        (("mcp", "nsrc", "--"), "the command to run is missing: it follows --"),
    ],
)
async def test_what_is_no_recipe_is_told(world: World, words: tuple[str, ...], line: str) -> None:
    """Exit 2, a line that names it, and nothing to paste."""
    ended = await world.run("recipe", *words)
    errors = [text for text in ended.err.splitlines() if text.startswith("mayfly: error: ")]

    assert (2, "", 1) == (ended.code, ended.out, len(errors))
    assert line.replace("{config}", str(world.config)) in errors[0]


async def test_an_agent_s_recipe_takes_a_delivery_and_a_config(world: World) -> None:
    """Both are the grant's, and the config is named from the root on; it says when the grant ends."""
    ended = await recipe(world, "claude-code", "--as", "file", "--config", ".config/mayfly/config.json", "--for", "2h")
    _, called = await pasted(world, ended.out.splitlines()[1])
    words = called.words("claude", "mcp", "add")

    assert ["nsrc", "--config", str(world.config), "--for", "2h", "--label"] == words[words.index("nsrc") :][:6]
    assert ["--as", "file", "--"] == words[words.index("--as") :][:3]
    assert "or after 2h: then restart the server" in ended.out


async def test_a_path_with_a_blank_and_a_quote_is_quoted(world: World) -> None:
    """A policy's file is named from the root on, as one word in every shell that it passes."""
    policy = Path(world.home / "it's a policy.json")
    text = (await recipe(world, "docker", "--policy", policy.name)).out
    _, called = await pasted(world, text)

    assert ["--policy", str(policy)] == called.words("mayfly")[2:4]


async def test_the_page_about_containers_shows_what_compose_gets(world: World) -> None:
    """Line by line, but for where Mayfly is installed."""
    world.write_toml(SEED_TOML.replace("profiles.nsrc", "profiles.admin"))
    page = (REPOSITORY / "docs/containers.md").read_text()
    shown = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    ended = await world.run("recipe", "compose", "admin", "--read-only")

    assert shown
    assert ended.out == shown[1].replace("/usr/lib/mayfly/relay.py", str(FILE))
