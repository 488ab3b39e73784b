"""The daemon listens on 127.0.0.1 and nowhere else, on a port of each user's own."""

from __future__ import annotations

import os

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.shared import address


NOT_OURS = "is not on 127.0.0.1: mayfly listens nowhere else"
NO_ADDRESS = "must be 127.0.0.1:PORT: mayfly listens nowhere else"
BAD_ADDRESSES = [
    *(
        (text, f"{text!r} {NOT_OURS}")
        for text in ("0.0.0.0:80", "localhost:9170", "[::1]:9170", "10.0.0.1:1", "::1:80")
    ),
    *((text, NO_ADDRESS) for text in ("", ":9170", "9170", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:-1")),
    *((text, NO_ADDRESS) for text in ("127.0.0.1:9170 ", "127.0.0.1:+1", "127.0.0.1:٣", "127.0.0.1:0009170")),
    *((f"127.0.0.1:{port}", f"'127.0.0.1:{port}' has no port between 0 and 65535") for port in (65536, 999_999)),
]


@pytest.mark.parametrize(("text", "line"), BAD_ADDRESSES)
def test_an_address_that_is_not_ours_is_refused(text: str, line: str) -> None:
    """Anything but 127.0.0.1 and a port, also other names of loopback."""
    with pytest.raises(ValueError, match="127") as refusal:
        address.parse_address(text)

    assert line == str(refusal.value)


@given(st.integers(0, 65535))
def test_every_port_is_an_address(port: int) -> None:
    """0 is the port that the system chooses."""
    assert ("127.0.0.1", port) == address.parse_address(f"127.0.0.1:{port}")


@given(st.text())
def test_no_text_is_more_than_refused(text: str) -> None:
    """Any text is parsed as an address or refused with ValueError."""
    try:
        host, _ = address.parse_address(text)
    except ValueError:
        host = "127.0.0.1"
    assert "127.0.0.1" == host


def test_the_address_is_given_then_the_variable_then_configured_then_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable says nothing; an empty --listen is a mistake."""
    monkeypatch.delenv("MAYFLY_LISTEN", raising=False)
    assert ("127.0.0.1", 2) == address.listen_address(None, "127.0.0.1:2")
    monkeypatch.setenv("MAYFLY_LISTEN", "127.0.0.1:3")
    assert ("127.0.0.1", 3) == address.listen_address(None, "127.0.0.1:2")
    assert ("127.0.0.1", 4) == address.listen_address("127.0.0.1:4", "127.0.0.1:2")
    with pytest.raises(ValueError, match="must be"):
        address.listen_address("", None)
    monkeypatch.setenv("MAYFLY_LISTEN", "")
    assert ("127.0.0.1", 9170 + os.getuid() % 1000) == address.listen_address(None, None)


@pytest.mark.parametrize(("uid", "port"), [(0, 9170), (501, 9671), (1000, 9170), (1999, 10169)])
def test_each_user_has_a_port_of_its_own(monkeypatch: pytest.MonkeyPatch, uid: int, port: int) -> None:
    """9170 and the uid's last three digits: two users of a machine do not collide."""
    monkeypatch.setattr(os, "getuid", lambda: uid)

    assert ("127.0.0.1", port) == address.default_address()
