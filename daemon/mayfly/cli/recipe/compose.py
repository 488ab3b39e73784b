"""`mayfly recipe compose`: a service with credentials, and a relay whose network it shares.

The format: docs.docker.com/reference/compose-file: services (`network_mode: service:NAME`), volumes (long form), and
secrets, whose source may be a variable of Compose's own environment. The engines' limits: docker/for-mac#483 and
desktop-feedback#376 (sockets in Docker Desktop), cirrus-cli#133 (SELinux).
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
    quoted,
    relay_file,
    shell,
)


def recipe(wanted: Wanted) -> Recipe:
    """A compose.yaml that is run inside of a grant."""
    if wanted.is_desktop:
        run = shell("mayfly", *wanted.grant(), "docker", "compose", "up")
        note = "Docker Desktop's containers are in a virtual machine: host.docker.internal is this machine."
    else:
        start = "MAYFLY_FOLDER=${MAYFLY_SOCKET%/*} exec docker compose up"
        run = shell("mayfly", *wanted.grant("--as", "socket"), "sh", "-c", start)
        note = DESKTOP
    image, *arguments = wanted.container
    text = f"""\
# Run this in a grant, which ends with it:
#   {run}
# {SELINUX}
# {note}
# Ports of app are published by the service mayfly, because app has no network of its own.
services:
  mayfly:
    image: {RELAY_IMAGE}
    command: {quoted(list(wanted.relay))}
    healthcheck: {{test: {quoted(["CMD", *LISTENS])}, interval: 1s, retries: 30}}
    user: "65534:65534"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true", "label=disable"]
    volumes:
      - {{type: bind, source: {_source(relay_file())}, target: /relay.py, read_only: true}}
{_folder(wanted)}\
  app:
    image: {quoted(image)}
    command: {_source(arguments)}
    network_mode: "service:mayfly"
    depends_on: {{mayfly: {{condition: service_healthy}}}}
    secrets: [mayfly]
    environment:
{_variables(wanted)}
secrets:
  mayfly:
    environment: AWS_CONTAINER_AUTHORIZATION_TOKEN  # becomes {TOKEN_FILE}
"""
    return Recipe(text, ("save it as compose.yaml; its first lines say how to run it",))


def _folder(wanted: Wanted) -> str:
    if wanted.is_desktop:
        return ""
    mount = "target: /run/mayfly, read_only: true"
    return f'      - {{type: bind, source: "${{MAYFLY_FOLDER:?run it in a grant}}", {mount}}}\n'


def _variables(wanted: Wanted) -> str:
    return "\n".join(f"      {name}: {quoted(value)}" for name, value in wanted.variables.items())


def _source(value: str | list[str]) -> str:
    """A text or list in which a `$` stands for itself: Compose takes a single one for a variable's."""
    return quoted(value).replace("$", "$$")
