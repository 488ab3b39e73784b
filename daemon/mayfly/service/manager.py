"""The service manager as the daemon needs it: told, fed, and asked for what it holds. Without one, nothing happens."""

from __future__ import annotations

import os
import sys

from collections.abc import MutableMapping

from mayfly import __version__
from mayfly.service import fd_store, files, launchd, systemd, units
from mayfly.service.files import Standing
from mayfly.service.inherited import Inherited, take
from mayfly.service.installed_version import Installed
from mayfly.service.notify import Notifier, watchdog_seconds


class Manager:
    """What has started this process, if it is a service manager.

    `inherited` has the sockets it opened for us; `tick_seconds` is how often `tick` must be called, or None.
    """

    def __init__(self, inherited: Inherited, notifier: Notifier, tick_seconds: float | None) -> None:
        self.inherited = inherited
        self.tick_seconds = tick_seconds
        self._notifier = notifier
        self._installed = Installed()
        self._kept: bytes | None = None

    @classmethod
    def here(cls, environ: MutableMapping[str, str]) -> Manager:
        """The one that has put itself into `environ`; its variables are taken out: they are no child's."""
        if sys.platform == "darwin":
            return cls(launchd.inherited(environ), Notifier(), None)
        pid = os.getpid()
        limit_seconds = watchdog_seconds(environ, pid)
        return cls(take(environ, pid), Notifier.of(environ), limit_seconds / 2 if limit_seconds else None)

    @property
    def name(self) -> str:
        """`systemd`, `launchd`, or "" where we were started by hand."""
        if self.is_systemd:
            return "systemd"
        return "launchd" if sys.platform == "darwin" and self.inherited.port else ""

    @property
    def is_systemd(self) -> bool:
        """Whether whoever ends is started again, with what was kept."""
        return self._notifier.is_heard

    def ready(self, status: str) -> None:
        """We serve."""
        self._notifier.ready(status)

    def reloading(self) -> None:
        """The config is being read anew, until the next `ready`."""
        self._notifier.reloading()

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._notifier.status(text)

    def stopping(self) -> None:
        """We end."""
        self._notifier.stopping()

    def tick(self) -> None:
        """The loop that does the work has come round."""
        if self.tick_seconds:
            self._notifier.alive()

    def restore(self) -> bytes:
        """What an earlier process had kept; b"" if there is nothing."""
        descriptor = self.inherited.kept.pop(fd_store.NAME, None)
        self._kept = (fd_store.taken(descriptor) if descriptor is not None else None) or b""
        for other in self.inherited.kept.values():
            os.close(other)
        self.inherited.kept.clear()
        return self._kept

    def keep(self, content: bytes) -> None:
        """Have `content` kept for the next process, if it is other than before.

        Where systemd was too busy to hear of it, the next call tells it again.
        """
        if content != self._kept and self.is_systemd:
            self._kept = content if fd_store.put(self._notifier, content) else None

    def is_outdated(self) -> bool:
        """Whether another version lies on disk than the one that runs."""
        return self._installed.other_version() is not None

    def notes(self) -> list[str]:
        """What a person should know of the service."""
        found = []
        if other := self._installed.other_version():
            when = "it starts anew as soon as nothing is under way" if self.is_systemd else "start it anew"
            found.append(f"mayfly {other} is installed, and {__version__} still runs: {when}")
        if self.is_systemd and (version := _version_of_units()):
            found.append(f"the service's units are of mayfly {version}: run 'mayfly install --now'")
        return found


def _version_of_units() -> str | None:
    """The other version whose units are installed, where ours would read otherwise."""
    for name in units.SYSTEMD:
        path = systemd.folder() / name
        version = files.version_of(path)
        if version in {None, __version__} or files.standing(path) is not Standing.STALE:
            continue
        if not units.is_of(units.template("systemd", name), files.body_of(path)):
            return version
    return None
