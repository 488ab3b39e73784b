"""The obstacles to a login that are found before a person is prompted: no `op`, an old one, no way to STS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from mayfly.config.model import Config, OnePassword
from mayfly.exchange import otp_command
from mayfly.exchange.early import Early
from mayfly.exchange.onepassword.op_program import check_version, find_op
from mayfly.exchange.onepassword.sent_codes import Device, SentCodes
from mayfly.exchange.sts.environment import check_settings
from mayfly.exchange.sts.location import locations_in_other_partitions, sts_location
from mayfly.exchange.sts.reachability import Place, unreachability
from mayfly.shared.errors import MayflyError


class Preflight(NamedTuple):
    """The checks before a login of profiles of one [onepassword] table."""

    config: Config
    onepassword: OnePassword
    environ: Mapping[str, str]
    early: Early

    def uncallable(self, name: str) -> MayflyError | None:
        """The error if a program is missing, or if no call can reach the profile's STS with the environment's settings.

        This is known before the lock or a code is waited for.
        """
        try:
            find_op(self.onepassword, self.environ, self.table(name))
            if words := self.config.keys_of(name).otp_command:
                otp_command.find(words, self.environ)
            check_settings(sts_location(self.config, name, self.environ), self.environ)
        except MayflyError as error:
            return error
        return None

    def unreachable(self, names: Iterable[str], on_try: Callable[[], None]) -> dict[str, MayflyError]:
        """The error of each profile whose STS accepts no connection, so that nobody is prompted in vain.

        `on_try` is called before a connection is tried.
        """
        places = {name: self._place(name) for name in names}
        known = self.early.take_tried()
        unknown = set(places.values()) - known.keys()
        if unknown:
            on_try()
        known |= {place: unreachability(place, self.environ) for place in unknown}
        return {name: error for name, place in places.items() if (error := known[place])}

    def old_op(self, sent: SentCodes, devices: Iterable[Device], name: str) -> MayflyError | None:
        """The error if a code of `devices` must be waited for, and `op` could then not read it."""
        if sent.must_wait(devices):
            try:
                if not sent.has_seen_work(find_op(self.onepassword, self.environ, self.table(name))):
                    check_version(self.onepassword, self.environ, self.table(name))
            except MayflyError as error:
                return error
        return None

    def table(self, name: str) -> str:
        """The table of the config that says how the profile's items are read."""
        onepassword = self.config.keys_of(name).onepassword
        return f"onepasswords.{onepassword}" if onepassword else "onepassword"

    def _place(self, name: str) -> Place:
        """Where the profile's STS is, and where it may be instead as long as the item has not been read."""
        location = sts_location(self.config, name, self.environ)
        return location, locations_in_other_partitions(self.config, name, self.environ)
