"""What is searched for by hypothesis is searched for the same way every time, and has all the time it needs."""

from hypothesis import HealthCheck, settings


settings.register_profile(
    "core",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("core")
