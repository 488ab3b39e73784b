"""A day of `make soak`: the whole of Mayfly on a fast clock."""

from __future__ import annotations

import os
import subprocess
import sys

from pathlib import Path

import pytest


LIBRARY_IS_MISSING = not any(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"))

# Beside other tests a process may take seconds to start, and the simulated clock does not wait for it.
RATE = "25"
PATIENCE_SECONDS = "10"


@pytest.mark.slow
@pytest.mark.skipif(
    LIBRARY_IS_MISSING and not os.environ.get("MAYFLY_REQUIRE_ALL_TESTS"), reason="needs Debian's package faketime"
)
def test_a_day_goes_by() -> None:
    """In a day with a coffee, a "no", an outage and a night, nobody is asked in vain or left without for no reason."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--short", "--rate", RATE, "--patience", PATIENCE_SECONDS],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (0, True) == (ended.returncode, "prompts with nobody there" in ended.stdout), ended.stdout + ended.stderr
