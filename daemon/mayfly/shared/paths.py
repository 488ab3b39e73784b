"""Where the config, the runtime folder and the sockets in it are: `places`, as `Path`."""

from __future__ import annotations

from pathlib import Path

from mayfly.shared import places
from mayfly.shared.places import CONFIG_NAMES, SOCKET_PATH_TOO_LONG, accept_sudo_user, overlooked_config


__all__ = [
    "CONFIG_NAMES",
    "SOCKET_PATH_TOO_LONG",
    "accept_sudo_user",
    "config_dir",
    "config_file",
    "config_places",
    "control_socket",
    "desk_socket",
    "exchange_socket",
    "lasting_control_socket",
    "make_runtime_dir",
    "overlooked_config",
    "runtime_dir",
    "trusted_control_socket",
]


def config_file(given: str | None = None) -> Path:
    """As `places.config_file`."""
    return Path(places.config_file(given))


def config_places(given: str | None = None) -> list[Path]:
    """As `places.config_places`."""
    return [Path(place) for place in places.config_places(given)]


def config_dir() -> Path:
    """As `places.config_dir`."""
    return Path(places.config_dir())


def runtime_dir() -> Path:
    """As `places.runtime_dir`."""
    return Path(places.runtime_dir())


def make_runtime_dir() -> Path:
    """As `places.make_runtime_dir`."""
    return Path(places.make_runtime_dir())


def control_socket() -> Path:
    """As `places.control_socket`."""
    return Path(places.control_socket())


def trusted_control_socket() -> Path:
    """As `places.trusted_control_socket`."""
    return Path(places.trusted_control_socket())


def lasting_control_socket() -> Path:
    """As `places.lasting_control_socket`."""
    return Path(places.lasting_control_socket())


def exchange_socket() -> Path:
    """As `places.exchange_socket`."""
    return Path(places.exchange_socket())


def desk_socket() -> Path:
    """As `places.desk_socket`."""
    return Path(places.desk_socket())
