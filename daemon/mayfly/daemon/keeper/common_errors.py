"""Errors of the engine's own that several of its files raise."""

from __future__ import annotations

from mayfly.shared import grant
from mayfly.shared.errors import ConfigChanged, ExchangeFailed, MayflyError
from mayfly.shared.text import failure_words


def not_started(reason: OSError) -> ExchangeFailed:
    """For an OSError at the start of an exchange."""
    return ExchangeFailed(f"the exchange cannot be started: {failure_words(reason)}")


def stopping() -> ExchangeFailed:
    """For a renewal that a stopping daemon does not start."""
    return ExchangeFailed("the daemon is stopping", hint="ask again when it runs")


def profile_changed(name: str) -> ConfigChanged:
    """For a profile, or a grant's subject, that a reload has changed or removed since it was asked for."""
    profile = grant.profile_of(name)
    return ConfigChanged(f"{profile} was changed in the config, or taken out, during the renewal", hint="ask again")


def grant_ended(subject: str) -> ExchangeFailed:
    """For the session of a grant that has ended."""
    return ExchangeFailed(f"the grant {grant.grant_id_of(subject)} has ended", hint="a new one: 'mayfly grant'")


def gone(name: str) -> MayflyError:
    """For a name that is, or is no longer, neither a profile's nor a grant's."""
    return grant_ended(name) if grant.grant_id_of(name) else profile_changed(name)
