"""Errors of the engine's own that several of its files raise."""

from __future__ import annotations

from mayfly.shared.errors import ConfigChanged, ExchangeFailed
from mayfly.shared.text import failure_words


def not_started(reason: OSError) -> ExchangeFailed:
    """For an OSError at the start of an exchange."""
    return ExchangeFailed(f"the exchange cannot be started: {failure_words(reason)}")


def stopping() -> ExchangeFailed:
    """For a renewal that a stopping daemon does not start."""
    return ExchangeFailed("the daemon is stopping", hint="ask again when it runs")


def profile_changed(name: str) -> ConfigChanged:
    """For a profile that a reload has changed or removed since it was asked for."""
    return ConfigChanged(f"{name} was changed in the config, or taken out, during the renewal", hint="ask again")
