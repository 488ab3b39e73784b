"""`mayfly recipe docker`: a container with credentials, and a relay whose network it shares.

`--network container:NAME` is in docs.docker.com/engine/network; SELinux: cirrus-cli#133; sockets in Docker Desktop:
docker/for-mac#483.
"""

from __future__ import annotations

from mayfly.cli.recipe.wanted import (
    DESKTOP,
    LISTENS,
    RELAY_IMAGE,
    SELINUX,
    TOKEN_FILE,
    Recipe,
    Wanted,
    relay_file,
    shell,
)


NOTES = (
    "The token is a file of yours, which the container's root reads. An image with another user needs --user 0.",
    DESKTOP,
)


def recipe(wanted: Wanted) -> Recipe:
    """Lines for a shell, with Docker."""
    return Recipe(lines("docker", wanted, *(NOTES[:1] if wanted.is_desktop else NOTES)))


def lines(engine: str, wanted: Wanted, *notes: str) -> str:
    """One command line: a grant, and in it the relay and what shares its network."""
    inside = _inside(engine, wanted)
    grant = shell("mayfly", *wanted.grant(*wanted.delivery, "--token-file"), "sh", "-c")
    comments = "".join(f"# {note}\n" for note in (SELINUX, *notes))
    return f"{comments}{grant} {shell(inside)}\n"


def _inside(engine: str, wanted: Wanted) -> str:
    """The script in the grant. The relay ends with the container, also by Ctrl-C; the exit code is the container's."""
    folder = "" if wanted.is_desktop else ' -v "${MAYFLY_SOCKET%/*}:/run/mayfly:ro"'
    variables = " ".join(shell("-e", f"{name}={value}") for name, value in wanted.variables.items())
    return f"""
relay=mayfly-$MAYFLY_GRANT
trap : INT HUP
{engine} run -d --rm --name "$relay" --user 65534 --read-only --cap-drop ALL --security-opt label=disable \\
  -v {shell(f"{relay_file()}:/relay.py:ro")}{folder} \\
  {RELAY_IMAGE} {shell(*wanted.relay)} >/dev/null || exit
for _ in 1 2 3 4 5 6 7 8 9; do {engine} exec "$relay" {shell(*LISTENS)} && break; sleep 0.2; done
{engine} run --rm --network "container:$relay" --security-opt label=disable \\
  -v "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE:{TOKEN_FILE}:ro" \\
  {variables} \\
  {shell(*wanted.container)}
code=$?
{engine} stop "$relay" >/dev/null
exit $code
"""
