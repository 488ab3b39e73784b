"""What values must be to each other: checked on a Config whose single values are all well-formed."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.config.model import Config, KeyProfile, OnePassword, RoleProfile


Problem = tuple[tuple[str, ...], str]

# AWS counts a role assumed from a session, MFA or not, as chained, and chained roles end after an hour (IAM user
# guide).
CHAINED_MAX_SECONDS = 3600


def problems(config: Config) -> Iterator[Problem]:
    """Every pair (keys, rest of the sentence) that stands against this config."""
    if not config.profiles:
        yield ("profiles",), "is empty: mayfly needs at least one profile"
    yield from _twins(config)
    yield from _ways(config)
    for name, profile in config.profiles.items():
        if isinstance(profile, KeyProfile):
            yield from _key_profile(config, name, profile)
        else:
            yield from _role_profile(config, name, profile)


def _twins(config: Config) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in config.profiles:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            yield (
                ("profiles", name),
                f"differs from {other} by case only: token files could not be told apart",
            )


def _ways(config: Config) -> Iterator[Problem]:
    yield from _way(("onepassword",), config.onepassword)
    for name, way in config.onepasswords.items():
        yield from _way(("onepasswords", name), way)


def _way(keys: tuple[str, ...], way: OnePassword) -> Iterator[Problem]:
    connect = (way.connect_host, way.connect_token_file)
    if any(connect) and not all(connect):
        yield keys, "needs both connect_host and connect_token_file"
    chosen = [name for name in ("token_file", "token_command", "connect_host") if getattr(way, name)]
    if len(chosen) > 1:
        yield keys, f"has {' and '.join(chosen)}: choose one"
    if chosen and way.account:
        yield (
            (*keys, "account"),
            f"cannot be combined with {chosen[0]}: op would ask the desktop app",
        )


def _key_profile(config: Config, name: str, profile: KeyProfile) -> Iterator[Problem]:
    if profile.onepassword and profile.onepassword not in config.onepasswords:
        yield ("profiles", name, "onepassword"), f"there is no [onepasswords.{profile.onepassword}]"


def _role_profile(config: Config, name: str, profile: RoleProfile) -> Iterator[Problem]:
    if profile.source_profile not in config.profiles:
        yield ("profiles", name, "source_profile"), f"there is no profile {profile.source_profile}"
    elif _is_in_cycle(config, name):
        yield (
            ("profiles", name, "source_profile"),
            f"leads back to {name}: a chain must end at a profile with keys",
        )
    if profile.duration_seconds > CHAINED_MAX_SECONDS:
        yield (
            ("profiles", name, "duration_seconds"),
            f"is {profile.duration_seconds}: a role assumed from a session lives an hour at most in AWS "
            f"(role chaining): use {CHAINED_MAX_SECONDS} or less, it is renewed without a prompt",
        )


def _is_in_cycle(config: Config, name: str) -> bool:
    seen = {name}
    at = config.profiles[name]
    while isinstance(at, RoleProfile) and at.source_profile in config.profiles:
        if at.source_profile in seen:
            return at.source_profile == name
        seen.add(at.source_profile)
        at = config.profiles[at.source_profile]
    return False


# botocore asks again on every call inside the last 15 minutes, so a third of a shorter life would be spent asking.
SHORT_SECONDS = 2700


def warnings(config: Config) -> Iterator[str]:
    """What is allowed, and will surprise."""
    for name, profile in config.profiles.items():
        if profile.duration_seconds < SHORT_SECONDS:
            yield (
                f"{config.source}: profiles.{name}.duration_seconds: {profile.duration_seconds} is short: "
                f"SDKs ask again 15 minutes before the end; {SHORT_SECONDS} or more is better"
            )
