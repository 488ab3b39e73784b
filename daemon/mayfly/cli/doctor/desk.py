"""The user's session as the desk sees it: presence, lock, notifications, and whether the desk's own service answers."""

from __future__ import annotations

import asyncio
import sys

from collections.abc import Iterator
from pathlib import Path

from mayfly.cli.doctor.check import Check, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.daemon.remote_desk import RemoteDesk
from mayfly.desk import desk_here
from mayfly.shared import paths, programs
from mayfly.shared.clock import Clock
from mayfly.shared.desk import Presence


_WORDS = {
    Presence.PRESENT: "you are here: 1Password may prompt",
    Presence.AWAY: "you are away: 1Password prompts only for a request",
    Presence.LOCKED: "the screen is locked: no prompt comes before it is unlocked",
}

# The package that has notify-send, by the program that installs packages.
_INSTALL = {
    "apt": "sudo apt install libnotify-bin",
    "dnf": "sudo dnf install libnotify",
    "pacman": "sudo pacman -S libnotify",
    "zypper": "sudo zypper install libnotify-tools",
}


def checks(facts: Facts) -> Iterator[Check]:
    """Presence, the desk's service where there is one, notifications."""
    seen = asyncio.run(presence())
    if seen is None:
        yield not_known("desk.presence", "the session does not say, and you count as present")
    else:
        yield ok("desk.presence", _WORDS[seen])
    if facts.text("service") == "systemd":
        yield asyncio.run(_service())
    yield _notifications(facts)


async def presence() -> Presence | None:
    """The user's presence now; None if the platform does not say."""
    return await desk_here(Clock()).presence()


async def _service() -> Check:
    desk = RemoteDesk(paths.desk_socket(), Clock())
    await desk.scene()
    if notes := desk.notes():
        return warning("desk.service", notes[0].partition(";")[0], "systemctl --user restart mayfly-desk.socket")
    return ok("desk.service", "the desk answers")


def _notifications(facts: Facts) -> Check:
    if facts.config and not facts.config.notify:
        return ok("desk.notifications", "turned off by notify in the config")
    if sys.platform == "darwin":
        return ok("desk.notifications", "by osascript")
    if not _has_desktop(facts):
        return not_known("desk.notifications", "there is no desktop in this session")
    try:
        return ok("desk.notifications", f"by {programs.find('notify-send', facts.environ)}")
    except programs.NotFound as reason:
        return warning("desk.notifications", f"none are shown: {reason}", _installation(facts))


def _has_desktop(facts: Facts) -> bool:
    """True if the session has a bus, on which the notification service is, and a display."""
    bus = Path(facts.environ.get("XDG_RUNTIME_DIR") or "/nonexistent") / "bus"
    has_bus = bool(facts.environ.get("DBUS_SESSION_BUS_ADDRESS")) or bus.exists()
    return has_bus and bool(facts.environ.get("DISPLAY") or facts.environ.get("WAYLAND_DISPLAY"))


def _installation(facts: Facts) -> str:
    for name, command in _INSTALL.items():
        try:
            programs.find(name, facts.environ)
        except programs.NotFound:
            continue
        return command
    return ""
