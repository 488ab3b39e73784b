"""What `op` may print instead of what it was asked for: one error, or what can be used of it, and never a crash."""

from __future__ import annotations

import contextlib

from collections.abc import Callable
from typing import Any

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.cli.init import fields, op_json
from mayfly.cli.init.items import item_from
from mayfly.cli.init.shapes import shape_of
from mayfly.shared.errors import OnePasswordGarbled


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(
    ["id", "title", "vault", "name", "fields", "label", "value", "type", "section", "tags", "urls", "href", "email"]
)
_ROW = st.dictionaries(_KEYS, _ANYTHING | st.dictionaries(_KEYS, _ANYTHING, max_size=3), max_size=6)
_DOCUMENT = (
    _ANYTHING
    | _ROW
    | st.lists(_ROW, max_size=3)
    | st.fixed_dictionaries({"id": st.just("i"), "vault": st.just({"id": "v"}), "fields": st.lists(_ROW, max_size=3)})
)


@pytest.mark.laws
@pytest.mark.parametrize("read", [op_json.accounts, op_json.overviews, op_json.item])
@given(tree=_DOCUMENT)
def test_any_document_is_read_or_refused(read: Callable[[Any], Any], tree: Any) -> None:
    """OnePasswordGarbled is the only error; what is read has texts, and its fields can be looked at."""
    with contextlib.suppress(OnePasswordGarbled):
        found = read(tree)
        if read is op_json.item:
            again = item_from(
                {"overview": found.overview._asdict(), "fields": [field._asdict() for field in found.fields]}
            )
            assert found == again
            assert [fields.find(found, key) for key in fields.KEYS]


@pytest.mark.parametrize("printed", [b"", b"{", b"[" * 100_000, b"\xff", b"[] []"])
def test_what_is_no_json_is_refused(printed: bytes) -> None:
    """Nothing of it is repeated."""
    with pytest.raises(OnePasswordGarbled, match="op printed something else"):
        op_json.parsed(printed)


def test_none_is_no_list() -> None:
    """Go, in which `op` is written, prints a list that was never filled as null."""
    assert ([], []) == (op_json.accounts(None), op_json.overviews(None))


def test_a_code_without_its_seed_is_a_one_time_password() -> None:
    """`op` prints both; one that keeps the seed to itself prints the code alone."""
    row = {"id": "t", "type": "OTP", "label": "otp"}
    shapes = [op_json.item({"id": "i", "vault": {"id": "v"}, "fields": [row | more]}).fields[0].shape for more in CODES]

    assert ["otp", "otp", "empty"] == shapes


CODES = [{"totp": "123456"}, {"value": None, "totp": "123456"}, {"totp": ""}]


def test_an_account_without_any_name_is_left_out() -> None:
    """`op --account` could not be given one; an older op told no IDs, and its account is called by its address."""
    rows = [{"url": None, "email": "a@b.c"}, {"url": "a.1password.com"}, {"url": "b.1password.com", "user_uuid": "U"}]

    assert ["a.1password.com", "U"] == [account.name for account in op_json.accounts(rows)]


@pytest.mark.parametrize(
    ("kind", "value", "shape"),
    [
        ("STRING", "AKIA" + "A" * 16, "access-key-id"),
        ("CONCEALED", "AKIA" + "A" * 17, "word"),
        ("STRING", "AKIA" + "a" * 16, "word"),
        ("STRING", "a/+" + "A" * 37, "secret"),
        ("STRING", "A" * 40 + "\n", "padded-secret"),
        ("STRING", "A" * 41, "word"),
        ("otp", "JBSWY3DPEHPK3PXP", "otp"),
        ("OTP", " ", "empty"),
        ("STRING", "arn:aws-cn:iam::123456789012:mfa/a/b", "mfa-arn"),
        ("STRING", "arn:aws:iam::123456789012:mfa/", "arn"),
        ("STRING", "arn:aws:iam::123456789012:user/me", "arn"),
        ("STRING", "two words", "text"),
        ("STRING", "½ sign is no word", "text"),
        ("STRING", None, "empty"),
        ("STRING", 5, "empty"),
    ],
)
def test_shapes(kind: str, value: object, shape: str) -> None:
    """One word for a value, by the forms that the exchange will take."""
    assert shape == shape_of(kind, value)
