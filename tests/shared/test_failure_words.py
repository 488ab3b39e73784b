"""Failures of the system in words for a person."""

from __future__ import annotations

import subprocess

import pytest

from mayfly.shared.errors import ExchangeFailed
from mayfly.shared.text import failure_words
from mayfly.shared.wire import parse_result


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (ConnectionResetError("Connection lost"), "the connection broke off"),
        (TimeoutError(), "it did not end in time"),
        (subprocess.TimeoutExpired("systemctl", 3), "it did not end in time"),
        (OSError("odd"), "the system tells no reason"),
    ],
)
def test_a_failure_is_told_without_the_name_of_an_exception(reason: Exception, told: str) -> None:
    """The system's own words where it has some, else what happened."""
    assert told == failure_words(reason)


def test_an_answer_that_cannot_be_read_is_told_without_the_name_of_an_exception() -> None:
    """What Python calls it tells a person nothing."""
    with pytest.raises(ExchangeFailed) as failed:
        parse_result(b"[")

    assert "the exchange's answer cannot be read" == failed.value.message
