"""What is searched for by hypothesis is searched for the same way every time, and has all the time it needs."""

from collections.abc import Iterator

import coverage
import pytest

from hypothesis import HealthCheck, settings


settings.register_profile(
    "core",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("core")


@pytest.fixture(autouse=True)
def _not_followed(request: pytest.FixtureRequest) -> Iterator[None]:
    """Coverage knows the lines behind the laws from the tests that name them one by one."""
    followed = coverage.Coverage.current() if request.node.get_closest_marker("laws") else None
    if followed:
        followed.stop()
    yield
    if followed:
        followed.start()
