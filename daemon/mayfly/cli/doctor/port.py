"""The endpoint's port: who has it, and whether shells and the daemon mean the same one."""

from __future__ import annotations

import os
import re

from collections.abc import Iterator

from mayfly.cli import ports, target
from mayfly.cli.doctor.check import Check, failure, not_known, ok
from mayfly.cli.doctor.facts import Facts
from mayfly.shared import address
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.users import daemon_uid


_PID = re.compile(r"^[^()]* \(pid ([0-9]+)\) of ")


def checks(facts: Facts) -> Iterator[Check]:
    """One check."""
    try:
        port = target.expected_port(facts.given_config)
    except ConfigInvalid as reason:
        yield not_known("port", reason.message)
        return
    yield _check(facts, port)


def _check(facts: Facts, port: int) -> Check:
    shown = f"127.0.0.1:{port}"
    if user := ports.other_user(port):
        see = ports.hints(port)[0].partition(": ")[2]
        return failure("port", f"{shown} belongs to {user}: another program answers there\n{_move(facts)}", see)
    served = facts.text("address")
    if served and served != shown:
        return failure("port", f"shells ask {shown}, and the daemon is on {served}", _to_move(facts, served))
    uid = ports.owner(port)
    if uid is None and ports.has_unknown_holder(port):
        see = ports.hints(port)[0].partition(": ")[2]
        return failure("port", f"{shown} is held by a process that does not listen yet\n{_move(facts)}", see)
    if served:
        return ok("port", f"the daemon is on {shown}")
    if uid == daemon_uid() and not _is_ours(facts):
        who = ports.holder(port) or "a process of yours"
        found = _PID.match(who)
        hint = f"kill {found[1]}" if found and uid == os.getuid() else ""
        return failure("port", f"{shown} is taken by {who}\n{_move(facts)}", hint)
    return ok("port", f"{shown} is free" if uid is None else f"{shown} is held for the daemon")


def _is_ours(facts: Facts) -> bool:
    """True if the listener may be the service's: systemd holds its port also while the daemon does not run."""
    from mayfly.cli.doctor import service

    return service.holds_port()


def _move(facts: Facts) -> str:
    return f'or choose another port by listen = "127.0.0.1:PORT" in {facts.config_file or "the config"}'


def _to_move(facts: Facts, served: str) -> str:
    """The command that brings shells and daemon together: this shell to the daemon, or the service to the config."""
    listen = facts.config.listen if facts.config else None
    usual = listen or "{}:{}".format(*address.default_address())
    if facts.environ.get("MAYFLY_LISTEN") and served == usual:
        return facts.in_shell({"MAYFLY_LISTEN": None})
    return "mayfly install --now" if facts.text("service") else facts.in_shell({"MAYFLY_LISTEN": served})
