"""The service manager as the daemon needs it. Without a service manager, every call does nothing."""

from __future__ import annotations

import os
import sys

from collections.abc import MutableMapping

from mayfly import __version__
from mayfly.service import fd_store, files, launchd, systemd, units
from mayfly.service.files import FileState
from mayfly.service.inherited import Inherited, take_inherited
from mayfly.service.installed_version import InstalledVersion
from mayfly.service.notify import Notifier, watchdog_seconds


class Manager:
    """The service manager that has started this process, if one has.

    `inherited` has the sockets that it opened for us; `tick_seconds` is how often `tick` must be called, or None.
    """

    def __init__(self, inherited: Inherited, notifier: Notifier, tick_seconds: float | None) -> None:
        self.inherited = inherited
        self.tick_seconds = tick_seconds
        self._notifier = notifier
        self._installed = InstalledVersion()
        self._stored: bytes | None = None

    @classmethod
    def here(cls, environ: MutableMapping[str, str]) -> Manager:
        """The manager named in `environ`. Removes its variables, so that no child speaks to it in our name."""
        if sys.platform == "darwin":
            return cls(launchd.inherited(environ), Notifier(), None)
        pid = os.getpid()
        limit_seconds = watchdog_seconds(environ, pid)
        return cls(
            take_inherited(environ, pid), Notifier.from_environ(environ), limit_seconds / 2 if limit_seconds else None
        )

    @property
    def name(self) -> str:
        """`systemd`, `launchd`, or "" if the process was started by hand."""
        if self.is_systemd:
            return "systemd"
        return "launchd" if sys.platform == "darwin" and self.inherited.port else ""

    @property
    def is_systemd(self) -> bool:
        """True if the manager is systemd, which restarts the daemon and keeps its sessions meanwhile."""
        return self._notifier.is_enabled

    def ready(self, status: str) -> None:
        """The daemon serves."""
        self._notifier.ready(status)

    def reloading(self) -> None:
        """The daemon reads its config anew, until the next `ready`."""
        self._notifier.reloading()

    def status(self, text: str) -> None:
        """A line for `systemctl status`."""
        self._notifier.status(text)

    def stopping(self) -> None:
        """The daemon ends."""
        self._notifier.stopping()

    def tick(self) -> None:
        """The daemon's main loop has done another round."""
        if self.tick_seconds:
            self._notifier.feed_watchdog()

    def restore(self) -> bytes:
        """The bytes that an earlier process gave to `keep`; b"" if there are none."""
        descriptor = self.inherited.stored.pop(fd_store.NAME, None)
        self._stored = (fd_store.read_and_close(descriptor) if descriptor is not None else None) or b""
        for other in self.inherited.stored.values():
            os.close(other)
        self.inherited.stored.clear()
        return self._stored

    def keep(self, content: bytes) -> None:
        """Have systemd keep `content` for the next process, if it has changed.

        If systemd was too busy to be told, the next call tells it again.
        """
        if content != self._stored and self.is_systemd:
            self._stored = content if fd_store.store(self._notifier, content) else None

    def is_outdated(self) -> bool:
        """True if the version on disk differs from the running one."""
        return self._installed.other_than_running() is not None

    def notes(self) -> list[str]:
        """Notes on the service for a person, for `mayfly status`."""
        found = []
        if other := self._installed.other_than_running():
            when = "it starts anew as soon as nothing is under way" if self.is_systemd else "start it anew"
            found.append(f"mayfly {other} is installed, and {__version__} still runs: {when}")
        if self.is_systemd and (version := _version_of_units()):
            found.append(f"the service's units are of mayfly {version}: run 'mayfly install --now'")
        return found


def _version_of_units() -> str | None:
    """The other version that wrote the installed units, if this version's templates differ from theirs."""
    for name in units.SYSTEMD:
        path = systemd.folder() / name
        version = files.version_of(path)
        if version in {None, __version__} or files.file_state(path) is not FileState.OUTDATED:
            continue
        if not units.is_from_template(units.template("systemd", name), files.body_of(path)):
            return version
    return None
