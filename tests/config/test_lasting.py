"""How long sessions can last, and what to do where that is too short."""

from __future__ import annotations

import pytest

from mayfly.config.lasting import check_lasting
from mayfly.shared.errors import ConfigInvalid
from support.configs import keys, loaded, role


CONFIG = loaded(
    {
        "profiles": {
            "base": keys(),
            "short": role("base", duration_seconds=1800),
            "role": role("base"),
            "deep": role("role"),
            "each": role("base", mfa="each", duration_seconds=7200),
        }
    }
)
HOUR = 3600


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("base", 0), ("base", 8 * HOUR), ("role", HOUR), ("each", 2 * HOUR), ("short", 1800), ("gone", 99 * HOUR)],
)
def test_what_can_last_so_long(name: str, seconds: float) -> None:
    """A full session counts, though it is a moment short when it is there; an unknown name is refused elsewhere."""
    check_lasting(CONFIG, name, seconds)


EACH = 'mfa = "each" in its config, with duration_seconds = 21600: a prompt for each session'
LONGER = "set duration_seconds to {} or more in its config"


@pytest.mark.parametrize(
    ("name", "seconds", "what", "hint"),
    [
        ("role", 6 * HOUR, "which AWS ends after 3600 seconds (role chaining); 21600 are needed", EACH),
        ("role", 13 * HOUR, "which AWS ends after 3600 seconds", "AWS gives a role 43200 at most"),
        ("deep", 6 * HOUR, "which AWS ends after 3600 seconds", "and only with permanent keys"),
        ("short", HOUR, "sessions of short last 1800 seconds (duration_seconds)", LONGER.format(3600)),
        ("short", 2 * HOUR, "which AWS ends after 3600 seconds", "with duration_seconds = 7200"),
        ("each", 6 * HOUR, "sessions of each last 7200 seconds (duration_seconds); 21600", LONGER.format(21600)),
        ("each", 13 * HOUR, "sessions of each last 7200 seconds", "AWS gives 43200 at most"),
        ("base", 8 * HOUR + 1, "sessions of base last 28800 seconds", LONGER.format(28801)),
        ("base", 37 * HOUR, "sessions of base last 28800 seconds", "AWS gives 129600 at most"),
    ],
)
def test_what_cannot_says_the_way_out(name: str, seconds: float, what: str, hint: str) -> None:
    """The limit that is in the way, and the key of the config that moves it, if one does."""
    with pytest.raises(ConfigInvalid) as refused:
        check_lasting(CONFIG, name, seconds)

    assert what in refused.value.message
    assert hint in refused.value.hint
