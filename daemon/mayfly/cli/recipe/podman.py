"""`mayfly recipe podman`: as with Docker.

The network without a relay is in podman-run(1), `--network pasta`; why not host.containers.internal: podman#28718.
"""

from __future__ import annotations

from mayfly.cli.recipe.docker import NOTES, lines
from mayfly.cli.recipe.wanted import Recipe, Wanted


def recipe(wanted: Wanted) -> Recipe:
    """Lines for a shell, with Podman."""
    here = wanted._replace(is_desktop=False)
    pasta = (
        f"Rootless Podman 5 can do without a relay: --network pasta:-T,{wanted.daemon_port}, in a grant by endpoint."
    )
    return Recipe(lines("podman", here, NOTES[0], pasta))
