"""Requests that nobody would write: mutations of good ones, and noise."""

from __future__ import annotations

import json
import select
import socket

from collections.abc import Iterator
from pathlib import Path

import pytest

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.raw import asking, get, replies
from support.warm import Warm


pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER_SECONDS = 5
# What looks complete is answered by then, as a rule.
GLANCE_SECONDS = 0.3
EXAMPLES = 200
STATUSES = {400, 401, 403, 404, 405}
EXAMPLE = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
)


def send(port: int, raw: bytes) -> bytes:
    """All that comes back for `raw`, and then for something malformed, which ends a request that `raw` has begun.

    An answer that takes too long is a failure.
    """
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as sock:
        try:
            sock.sendall(raw)
            if b"\r\n\r\n" in raw:
                select.select([sock], [], [], GLANCE_SECONDS)
            sock.sendall(b"\r\n\r\n\0\r\n\r\n")
            while block := sock.recv(65536):
                received += block
        except ConnectionError:
            pass
    return received


class Target:
    """The daemon, as threads see it."""

    def __init__(self, warm: Warm) -> None:
        self.port = warm.world.port
        self.good = warm.fill(asking("Accept: */*"))
        self.without_token = warm.fill(get("/credentials/nsrc", "Accept: */*"))
        self.pid = warm.daemon.pid

    def refuses(self, raw: bytes) -> None:
        """Nothing comes back, or refusals."""
        for reply in replies(send(self.port, raw)):
            assert reply.status in STATUSES
            assert ["code", "message"] == list(json.loads(reply.body))

    def resident_mib(self) -> float:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.fixture(name="target")
def _target(warm: Warm) -> Iterator[Target]:
    """The daemon is the same afterwards: it lives, is as small as it was, and its log has no traceback."""
    target = Target(warm)
    before = target.resident_mib()
    yield target
    assert send(target.port, target.good).startswith(b"HTTP/1.1 200 OK\r\n")
    assert target.resident_mib() < before + 8
    # A client that asks again and again makes the daemon ask AWS, whose stand-in is held up by this very test.
    assert {"client.refused", "request.refused", "session.unverified"} >= {
        row["event"] for row in warm.daemon.events() if row["level"] != "info"
    }
    assert "Traceback" not in warm.daemon.log_text


async def test_noise_is_never_answered_with_credentials(target: Target) -> None:
    """Random bytes are refused, or cut off."""

    @EXAMPLE
    @given(st.binary(min_size=1, max_size=300))
    def noise(raw: bytes) -> None:
        target.refuses(raw)

    noise()


async def test_noise_in_a_request_without_its_token_is_refused(target: Target) -> None:
    """However a request without a token is mutated, it gets no credentials."""

    @EXAMPLE
    @given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 2), st.binary(max_size=8)), min_size=1, max_size=4))
    def mutated(cuts: list[tuple[int, int, bytes]]) -> None:
        raw = target.without_token
        for place, length, put in cuts:
            raw = raw[:place] + put + raw[place + length :]
        target.refuses(raw)

    mutated()


async def test_one_changed_byte_of_the_token_is_enough(target: Target) -> None:
    """Any other visible byte anywhere in the token, and it opens nothing."""
    start = target.good.index(b"Authorization: ") + len(b"Authorization: ")

    @EXAMPLE
    @given(st.integers(0, 42), st.integers(0x21, 0x7E))
    def changed(place: int, byte: int) -> None:
        raw = bytearray(target.good)
        if raw[start + place] != byte:
            raw[start + place] = byte
            target.refuses(bytes(raw))

    changed()


async def test_one_changed_byte_of_the_target_or_host_is_enough(target: Target) -> None:
    """Any other byte in method, target, version or Host, and it is another request, which is refused."""
    end = target.good.index(b"\r\nAuthorization")

    @EXAMPLE
    @given(st.integers(0, end - 1), st.integers(0, 255))
    def changed(place: int, byte: int) -> None:
        raw = bytearray(target.good)
        if chr(raw[place]).lower() != chr(byte).lower() and not _is_harmless(raw, place, byte):
            raw[place] = byte
            target.refuses(bytes(raw))

    changed()


def _is_harmless(raw: bytearray, place: int, byte: int) -> bool:
    """HTTP/1.0 is as good as 1.1, white space around a value is none, and our Host may have any port."""
    version, after_colon = raw.index(b"1.1") + 2, raw.index(b"Host:") + len(b"Host:")
    port = range(raw.index(b"127.0.0.1:") + len(b"127.0.0.1:"), raw.index(b"\r\n", after_colon))
    is_blank = place == after_colon and byte in b"\t "
    return (place == version and byte == ord("0")) or is_blank or (place in port and chr(byte).isdigit())


async def test_a_header_of_noise_does_not_change_who_is_asking(target: Target) -> None:
    """For any name and value of one more header: credentials or a refusal, never a fault, never silence."""
    name = st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=":"), min_size=1, max_size=30
    )

    @EXAMPLE
    @given(name, st.binary(max_size=60))
    def noisy(name: str, value: bytes) -> None:
        raw = target.good.replace(b"Accept: */*", name.encode() + b": " + value)
        for reply in replies(send(target.port, raw)):
            assert reply.status in STATUSES | {200}

    noisy()
