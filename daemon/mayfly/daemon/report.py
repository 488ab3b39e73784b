"""The answer to `GET /status`: the daemon as a whole, gathered from its parts for each request."""

from __future__ import annotations

import os

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from mayfly import __version__
from mayfly.daemon import status
from mayfly.daemon.admission import Admission
from mayfly.daemon.audit import Audit
from mayfly.daemon.keeper import Keeper
from mayfly.daemon.reload import UNTIL_RELOAD, config_notes
from mayfly.daemon.threads import DaemonThread
from mayfly.service.manager import Manager
from mayfly.shared.address import listen_address


# The time for a look at the files of the config and the installation.
DISK_SECONDS = 2


class Report:
    """Reports on one daemon. `address` is where the daemon was asked to listen, then where it does listen.

    `notes` returns what others have to say to a person.
    """

    def __init__(
        self,
        address: tuple[str, int],
        keeper: Keeper,
        manager: Manager,
        admission: Admission,
        audit: Audit,
        notes: Callable[[], list[str]],
        *,
        clock: Callable[[], datetime],
        given_config: str | None = None,
    ) -> None:
        self.address = address
        self._keeper = keeper
        self._manager = manager
        self._admission = admission
        self._audit = audit
        self._notes_of_others = notes
        self._clock = clock
        self._given_config = given_config
        self._disk = DaemonThread()
        self._started_at = clock()
        # Neither --listen nor MAYFLY_LISTEN chose another address than the config's, or the default.
        self._is_address_of_config = address == listen_address(None, keeper.config.listen)

    @property
    def address_text(self) -> str:
        """The address as a person writes it."""
        return f"{self.address[0]}:{self.address[1]}"

    def prepare(self) -> None:
        """Import what only `status` needs, once the daemon is ready: the start need not wait for that, and later the
        package on disk may be another version's.
        """
        import mayfly.config.detours  # noqa: F401 - to import it is the point

    def summary(self) -> str:
        """One line for `systemctl status`."""
        return f"{len(self._keeper.config.profiles)} profiles on {self.address_text}"

    async def is_outdated(self) -> bool:
        """True if the version on disk differs from the running one; False if its disk does not answer."""
        with suppress(TimeoutError):
            return await self._disk.run(self._manager.is_outdated, DISK_SECONDS)
        return False

    async def status(self, grants: int) -> dict[str, Any]:
        """The daemon's status as JSON has it; `grants` is their number."""
        from mayfly.config.detours import detours

        return status.as_json(
            status.Status(
                version=__version__,
                pid=os.getpid(),
                address=self.address_text,
                config=self._keeper.config.source,
                started_at=self._started_at,
                observed_at=self._clock(),
                service=self._manager.name,
                notes=await self._notes(),
                detours=detours(self._keeper.config, os.environ),
                refusals=self._admission.refusals,
                last_fetches=[fetch._asdict() for fetch in self._audit.last],
                grants=grants,
                profiles=self._keeper.status(),
            )
        )

    async def _notes(self) -> list[str]:
        config = self._keeper.config
        try:
            notes = await self._disk.run(self._notes_from_disk, DISK_SECONDS)
        except TimeoutError:
            notes = [f"{config.source} cannot be read: its disk does not answer; {UNTIL_RELOAD}"]
        notes += self._notes_of_others()
        if self._manager.inherited.port and config.listen not in {None, self.address_text}:
            notes.append(f"the config says listen = {config.listen}: 'mayfly install --now' moves the service there")
        elif self._config_moves_us():
            notes.append(
                f"the config has another listen than {self.address_text}: start 'mayfly serve' anew to move it there"
            )
        return notes

    def _notes_from_disk(self) -> list[str]:
        return [*self._manager.notes(), *config_notes(self._keeper.config, self._given_config)]

    def _config_moves_us(self) -> bool:
        """True if a restart with the same options would listen elsewhere."""
        if self._manager.inherited.port or not self._is_address_of_config:
            return False
        return self.address != listen_address(None, self._keeper.config.listen)
