"""What stands against a login, before anybody is asked: a missing program, impossible settings, no connection."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from mayfly.config.model import Config
from mayfly.exchange import otp_command
from mayfly.exchange.onepassword.op import find_op
from mayfly.exchange.sts.environment import check_settings
from mayfly.exchange.sts.location import locations_in_other_partitions, sts_location
from mayfly.exchange.sts.reachability import Place, check_reachable
from mayfly.shared.errors import MayflyError


def check_callable(config: Config, name: str, environ: Mapping[str, str], table: str) -> None:
    """Raise what stands against a login for the profile `name`, as far as this machine alone can tell.

    `table` is the name of the config's table that says how `op` is run.
    """
    keys = config.keys_of(name)
    find_op(config.onepassword_of(name), environ, table)
    if keys.otp_command:
        otp_command.find(keys.otp_command, environ)
    check_settings(sts_location(config, name, environ), environ)


def unreachable(
    config: Config, names: Iterable[str], environ: Mapping[str, str], reached: Collection[Place]
) -> dict[str, MayflyError]:
    """The error for each profile of `names` whose STS accepts no connection. Those in `reached` are not tried again."""
    places = {name: _place(config, name, environ) for name in names}
    errors = {place: _error(place, environ) for place in set(places.values()).difference(reached)}
    return {name: error for name, place in places.items() if (error := errors.get(place))}


def _place(config: Config, name: str, environ: Mapping[str, str]) -> Place:
    """Where the profile's STS is, and where it may be instead as long as the item has not been read."""
    return sts_location(config, name, environ), locations_in_other_partitions(config, name, environ)


def _error(place: Place, environ: Mapping[str, str]) -> MayflyError | None:
    location, alternatives = place
    try:
        check_reachable(location, environ, alternatives)
    except MayflyError as error:
        return error
    return None
