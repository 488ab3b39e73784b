"""Whether the sessions of a profile can last as long as a person needs."""

from __future__ import annotations

from mayfly.config.model import Config, KeyProfile, RoleProfile
from mayfly.config.rules import CHAINED_MAX_SECONDS, ROLE_MAX_SECONDS
from mayfly.config.values import SESSION_MAX_SECONDS
from mayfly.shared.errors import ConfigInvalid


def check_lasting(config: Config, name: str, seconds: float) -> None:
    """Raise ConfigInvalid if no session of the profile `name` lasts so long; its hint is the way out, if there is one.

    Sessions of exactly that length pass, although they are a moment shorter when they are handed out. A name that is
    not configured passes, too: other checks refuse it.
    """
    profile = config.profiles.get(name)
    if profile is None or seconds <= profile.duration_seconds:
        return
    is_chained = isinstance(profile, RoleProfile) and not profile.mfa
    if is_chained and seconds > CHAINED_MAX_SECONDS:
        problem = ConfigInvalid(
            f"{name} is a role assumed from a session, which AWS ends after {CHAINED_MAX_SECONDS} seconds (role "
            f"chaining); {seconds:.0f} are needed"
        )
        problem.hint = _way_out_of_chain(config, profile, seconds)
    else:
        problem = ConfigInvalid(
            f"sessions of {name} last {profile.duration_seconds} seconds (duration_seconds); {seconds:.0f} are needed"
        )
        problem.hint = _longer(profile, seconds)
    raise problem


def _way_out_of_chain(config: Config, profile: RoleProfile | KeyProfile, seconds: float) -> str:
    is_on_keys = isinstance(profile, RoleProfile) and isinstance(config.profiles[profile.source_profile], KeyProfile)
    if not is_on_keys or seconds > ROLE_MAX_SECONDS:
        return f"AWS gives a role {ROLE_MAX_SECONDS} at most, and only with permanent keys"
    return f'mfa = "each" in its config, with duration_seconds = {seconds:.0f}: a prompt for each session'


def _longer(profile: RoleProfile | KeyProfile, seconds: float) -> str:
    most = ROLE_MAX_SECONDS if isinstance(profile, RoleProfile) else SESSION_MAX_SECONDS
    if seconds > most:
        return f"AWS gives {most} at most"
    return f"set duration_seconds to {seconds:.0f} or more in its config"
