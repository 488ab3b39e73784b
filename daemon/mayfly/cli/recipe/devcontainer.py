"""`mayfly recipe devcontainer`: a container to develop in, and a relay whose network it shares.

The format: containers.dev/implementors/json_reference (`initializeCommand` is run on this machine before the container
is made; `mounts`, `runArgs`, `containerEnv`, `${localEnv:NAME}`).
"""

from __future__ import annotations

import json

from mayfly.cli.recipe.wanted import RELAY_IMAGE, SELINUX, TOKEN_FILE, Recipe, Wanted, relay_file, shell


NAME = "mayfly-devcontainer"
IMAGE = "mcr.microsoft.com/devcontainers/base:debian"


def recipe(wanted: Wanted) -> Recipe:
    """A devcontainer.json."""
    token = f"type=bind,source=${{localEnv:AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE}},target={TOKEN_FILE},readonly"
    tree = {
        "image": wanted.command[0] if wanted.command else IMAGE,
        "initializeCommand": _start(wanted),
        "runArgs": [f"--network=container:{NAME}", "--security-opt=label=disable"],
        "mounts": [token],
        "containerEnv": wanted.variables,
    }
    grant = shell("mayfly", *wanted.grant(*wanted.delivery, "--token-file")[:-1])
    hints = (
        "save it as .devcontainer/devcontainer.json",
        f'start the editor from this shell, once no window of it is open: eval "$({grant})"',
        f"when you are done: docker rm -f {NAME}; mayfly revoke {wanted.label}",
        SELINUX,
        *(
            ()
            if wanted.is_desktop
            else ("Docker Desktop does not mount sockets for every user: there, add --docker-desktop",)
        ),
    )
    return Recipe(json.dumps(tree, indent=2) + "\n", hints)


def _start(wanted: Wanted) -> str:
    """What starts the relay, anew each time; without a grant it says so."""
    folder = "" if wanted.is_desktop else ' -v "$(dirname "$MAYFLY_SOCKET"):/run/mayfly:ro"'
    return (
        'test -n "$MAYFLY_GRANT" || { echo "start it in a grant: mayfly recipe devcontainer PROFILE" >&2; exit 1; }; '
        f"docker rm -f {NAME} >/dev/null 2>&1; "
        f"docker run -d --name {NAME} --user 65534 --read-only --cap-drop ALL --security-opt label=disable "
        f"-v {shell(f'{relay_file()}:/relay.py:ro')}{folder} {RELAY_IMAGE} {shell(*wanted.relay)}"
    )
