"""JSON that says one thing to every reader."""

from __future__ import annotations

import json

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.config import strict_json


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_python_writes_is_read_back(value: object) -> None:
    """Nothing that is sound is refused."""
    assert value == strict_json.parse(json.dumps(value))


@pytest.mark.parametrize("text", ['{"a": 1, "a": 1}', '[{"b": {"a": 1, "c": 2, "a": 3}}]', '{"a": {}, "\\u0061": {}}'])
def test_a_key_that_stands_twice_is_refused(text: str) -> None:
    """At any depth, and however it is spelled: of two, readers keep one, and not all the same."""
    with pytest.raises(strict_json.DoubledKey) as refusal:
        strict_json.parse(text)

    assert "a" == refusal.value.key


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(name: str) -> None:
    """Python's own parser would take it."""
    with pytest.raises(ValueError, match=f"^{name} is no number there$"):
        strict_json.parse(f'{{"a": [{name}]}}')
