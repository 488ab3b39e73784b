"""The facts that several subjects need, gathered once: the config with all of its problems, and the daemon's answer."""

from __future__ import annotations

import json
import os

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

import attrs

from mayfly.cli import client, shells
from mayfly.cli.environment import Changes
from mayfly.config import document
from mayfly.config.load import load_document
from mayfly.config.model import Config, OnePassword
from mayfly.shared import paths, trust
from mayfly.shared.errors import ConfigInvalid, MayflyError


@attrs.frozen(kw_only=True)
class Facts:
    """`config` is None if it has a problem.

    `config_file` is None if there is none; `config_problems` are the loader's, `config_access` says who else could
    write the file. `status` is the daemon's answer, None if there is none: then `daemon_problem` and `daemon_advice`
    say why. `asks`: 1Password may be asked.
    """

    environ: Mapping[str, str]
    given_config: str | None = None
    config_file: Path | None = None
    config: Config | None = None
    config_problems: tuple[str, ...] = ()
    config_access: tuple[str, ...] = ()
    status: Mapping[str, Any] | None = None
    daemon_problem: str = ""
    daemon_advice: str = ""
    asks: bool = False

    @property
    def ways(self) -> dict[str, OnePassword]:
        """The ways to 1Password that profiles use, by their table; the usual one without a config."""
        if self.config is None or not self.config.profiles:
            return {"onepassword": OnePassword()}
        from mayfly.cli.serve_checks import ways_to_1password

        return ways_to_1password(self.config)

    @property
    def profiles(self) -> list[Mapping[str, Any]]:
        """The daemon's rows of profiles; none without a daemon, or if its answer makes no sense."""
        rows = (self.status or {}).get("profiles")
        return [row for row in rows if isinstance(row, dict) and "profile" in row] if isinstance(rows, list) else []

    def text(self, key: str) -> str:
        """A text of the daemon's status; "" where there is none."""
        found = (self.status or {}).get(key)
        return found if isinstance(found, str) else ""

    def lines(self, key: str) -> list[str]:
        """A list of texts in the daemon's status; empty where there is none."""
        found = (self.status or {}).get(key)
        return [str(line) for line in found] if isinstance(found, list) else []

    def edit(self, path: Path | str | None = None) -> str:
        """The command that opens a file, by default the config, in the user's editor; "" if there is no config."""
        editor = self.environ.get("VISUAL") or self.environ.get("EDITOR") or "vi"
        path = path or self.config_file
        return f"{editor} {quote(str(path))}" if path else ""

    def in_shell(self, changes: Changes) -> str:
        """The command that makes these changes of variables in the user's shell."""
        return "; ".join(shells.render(shells.of_user(self.environ), changes).replace(";\n", "\n").splitlines())


def gather(given_config: str | None, *, asks: bool) -> Facts:
    """Look at the config and ask the daemon. Faults of either are among the facts, and raise nothing."""
    facts = Facts(environ=dict(os.environ), given_config=given_config, asks=asks)
    return _with_daemon(_with_config(facts))


def _with_config(facts: Facts) -> Facts:
    try:
        path = paths.config_file(facts.given_config)
    except ConfigInvalid as reason:
        return attrs.evolve(facts, config_problems=reason.problems)
    except (OSError, RuntimeError) as reason:
        return attrs.evolve(facts, config_problems=(str(reason),))
    facts = attrs.evolve(facts, config_file=path)
    try:
        facts = attrs.evolve(facts, config_access=tuple(trust.trust_problems(path)))
        return attrs.evolve(facts, config=load_document(document.read(path)))
    except ConfigInvalid as reason:
        return attrs.evolve(facts, config_problems=reason.problems)
    except OSError as reason:
        return attrs.evolve(facts, config_problems=(f"{path}: {reason.strerror}",))


def _with_daemon(facts: Facts) -> Facts:
    try:
        reply = client.ask("GET", "/status")
    except (client.NotRunning, client.Distrusted) as reason:
        return attrs.evolve(facts, daemon_problem=str(reason))
    except MayflyError as reason:
        return attrs.evolve(facts, daemon_problem=reason.message, daemon_advice=reason.hint)
    except (OSError, RuntimeError) as reason:
        return attrs.evolve(facts, daemon_problem=f"the daemon cannot be asked: {reason}")
    tree: Any = None
    with suppress(ValueError, RecursionError):
        tree = json.loads(reply.body)
    if not isinstance(tree, dict):
        return attrs.evolve(facts, daemon_problem="the daemon's answer makes no sense")
    if reply.status == 200:
        return attrs.evolve(facts, status=tree)
    message = tree.get("message") or f"the daemon answered {reply.status} without a reason"
    return attrs.evolve(facts, daemon_problem=str(message), daemon_advice=str(tree.get("hint") or ""))
