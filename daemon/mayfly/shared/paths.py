"""Where the config, the runtime folder and the sockets in it are: `config_place` and `runtime_folder`, as `Path`."""

from __future__ import annotations

from pathlib import Path

from mayfly.shared import config_place, runtime_folder
from mayfly.shared.config_place import CONFIG_NAMES, overlooked_config
from mayfly.shared.runtime_folder import SOCKET_PATH_TOO_LONG


__all__ = [
    "CONFIG_NAMES",
    "SOCKET_PATH_TOO_LONG",
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
    """As `config_place.config_file`."""
    return Path(config_place.config_file(given))


def config_places(given: str | None = None) -> list[Path]:
    """As `config_place.config_places`."""
    return [Path(place) for place in config_place.config_places(given)]


def config_dir() -> Path:
    """As `config_place.config_dir`."""
    return Path(config_place.config_dir())


def runtime_dir() -> Path:
    """As `runtime_folder.runtime_dir`."""
    return Path(runtime_folder.runtime_dir())


def make_runtime_dir() -> Path:
    """As `runtime_folder.make_runtime_dir`."""
    return Path(runtime_folder.make_runtime_dir())


def control_socket() -> Path:
    """As `runtime_folder.control_socket`."""
    return Path(runtime_folder.control_socket())


def trusted_control_socket() -> Path:
    """As `runtime_folder.trusted_control_socket`."""
    return Path(runtime_folder.trusted_control_socket())


def lasting_control_socket() -> Path:
    """As `runtime_folder.lasting_control_socket`."""
    return Path(runtime_folder.lasting_control_socket())


def exchange_socket() -> Path:
    """As `runtime_folder.exchange_socket`."""
    return Path(runtime_folder.exchange_socket())


def desk_socket() -> Path:
    """As `runtime_folder.desk_socket`."""
    return Path(runtime_folder.desk_socket())
