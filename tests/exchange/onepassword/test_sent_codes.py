"""The sent codes alone, on a clock of their own: in which step a code may be sent, and what the file keeps."""

from __future__ import annotations

import json
import os

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mayfly.exchange.onepassword.sent_codes import WAIT_SLICE_SECONDS, Device, SentCodes
from mayfly.session import first_usable_step
from mayfly.shared.errors import ConfigInvalid
from support.exchange import CODE_SECONDS


class StillClock:
    """A clock that moves only when the lock waits or the test moves it."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_001.0
        self.waited_seconds = 0.0
        # What a clock shows that nobody sets.
        self.ticks = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=self.seconds)

    def wait(self, seconds: float) -> None:
        assert 0 < seconds <= WAIT_SLICE_SECONDS
        self.pass_by(seconds)
        self.waited_seconds += seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.ticks += seconds

    @property
    def step(self) -> int:
        # By the time that the lock is told, which is rounded to microseconds.
        return int(self().timestamp()) // CODE_SECONDS


MINE, OTHER = Device("", "op://V/I/totp?attribute=otp"), Device("", "op://V/J/totp?attribute=otp")


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "op.lock"


@pytest.fixture(name="still")
def _still() -> StillClock:
    return StillClock()


@pytest.fixture(name="codes")
def _codes(path: Path, still: StillClock) -> Iterator[SentCodes]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    yield SentCodes(descriptor, still, still.wait)
    os.close(descriptor)


def test_a_device_that_sent_nothing_does_not_wait(codes: SentCodes, still: StillClock) -> None:
    """The first code of a device is sent at once, and so is that of another device."""
    codes.wait_for_fresh_codes([MINE])
    codes.note_sent([MINE])
    codes.wait_for_fresh_codes([OTHER])

    assert 0 == still.waited_seconds


def test_a_device_waits_for_the_next_step_and_no_longer(codes: SentCodes, still: StillClock) -> None:
    """The wait ends with the step: 30 seconds and a moment at most."""
    codes.note_sent([MINE])
    before = still.step
    codes.wait_for_fresh_codes([OTHER, MINE])

    assert before + 1 == still.step
    assert still.waited_seconds <= CODE_SECONDS + 1


def test_who_waits_is_told_how_long(codes: SentCodes, still: StillClock) -> None:
    """The rest of the step, or of two where the next code was sent, too; nothing where there is nothing to wait for."""
    told: list[float] = []
    codes.wait_for_fresh_codes([MINE], told.append)
    still.seconds = 1_700_000_010.0  # the beginning of a step
    codes.note_sent([MINE])
    codes.wait_for_fresh_codes([OTHER], told.append)
    still.seconds += 12
    codes.wait_for_fresh_codes([OTHER, MINE], told.append)

    assert [18] == told


@pytest.mark.parametrize(
    ("account", "seconds", "may_be"),
    [("", 0, True), ("", 600, True), ("", 700, False), ("", -60, True), ("", -86_400, False), ("work", 0, False)],
)
def test_the_app_may_have_authorized_op(
    codes: SentCodes, still: StillClock, account: str, seconds: float, may_be: bool
) -> None:
    """For ten minutes after an `op` of the same account has given a code, the next one may need nobody.

    A clock that was set back makes these no longer: a person would not be told of the prompt.
    """
    assert not codes.may_be_authorized("")
    codes.note_sent([MINE, Device.of_serial("arn:aws:iam::123456789012:mfa/me")], "/usr/bin/op")
    still.seconds += seconds

    assert may_be == codes.may_be_authorized(account)


GARBAGE = {
    "nothing": "",
    "cut off": "{",
    "a list": "[]",
    "null": "null",
    "a number for steps": '{"a": 1}',
    "words for steps": '{"a": ["x"]}',
    "an infinite step": '{"a": [1e999]}',
    "zeros": "\0" * 100,
    "nested deep": "[" * 100_000,
    "no text": "\ud800",
}


@pytest.mark.parametrize("text", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_file_that_cannot_be_read_counts_as_just_now(
    codes: SentCodes, path: Path, still: StillClock, text: str
) -> None:
    """An empty file means that no code was sent. Garbage means that a code of every device was just sent."""
    path.write_bytes(text.encode(errors="surrogatepass"))
    before = still.step
    codes.wait_for_fresh_codes([MINE])
    codes.note_sent([MINE])

    assert still.step == before + (text != "")
    codes.wait_for_fresh_codes([MINE])
    assert still.step == before + (text != "") + 1


def test_a_clock_set_back_waits_for_nothing_but_the_next_step(codes: SentCodes, still: StillClock) -> None:
    """After a clock that was an hour ahead is corrected, nobody waits for an hour."""
    codes.note_sent([MINE])
    still.seconds -= 3600
    codes.wait_for_fresh_codes([MINE])

    assert 0 == still.waited_seconds


@pytest.mark.parametrize(("steps_back", "waits"), [(0, 1), (1, 2), (2, 3), (3, 0)])
def test_a_clock_set_back_to_a_step_that_was_sent_waits(
    codes: SentCodes, still: StillClock, steps_back: int, waits: int
) -> None:
    """The code may be of this step or of the one before: a clock set back to either, or just before, waits for both."""
    codes.note_sent([MINE])
    sent = still.step
    still.seconds -= steps_back * CODE_SECONDS
    codes.wait_for_fresh_codes([MINE])

    assert sent - steps_back + waits == still.step


def test_the_step_before_is_written_down_too(codes: SentCodes, path: Path, still: StillClock) -> None:
    """`op` may have made the code just before the step ended."""
    codes.note_sent([MINE])

    assert {" op://V/I/totp?attribute=otp": [still.step - 1, still.step]} == json.loads(path.read_text())


def test_the_file_holds_numbers_and_references_and_stays_small(codes: SentCodes, path: Path, still: StillClock) -> None:
    """A year of logins of many devices does not make the file grow."""
    for number in range(600):
        still.seconds += CODE_SECONDS
        codes.note_sent([Device("", f"op://V/{number % 300}/totp?attribute=otp"), MINE])

    assert path.stat().st_size < 64 * 1024
    before = still.step
    codes.wait_for_fresh_codes([MINE])
    assert before + 1 == still.step


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_what_cannot_be_written_down_is_not_sent(still: StillClock) -> None:
    """The error of a full disk names the file."""
    descriptor = os.open("/dev/full", os.O_RDWR)
    try:
        with pytest.raises(ConfigInvalid, match=r"^/run/op\.lock: cannot be written: No space left"):
            SentCodes(descriptor, still, still.wait, path="/run/op.lock").note_sent([MINE])
    finally:
        os.close(descriptor)


def test_a_code_made_before_the_step_ended_is_as_old_as_the_wait(codes: SentCodes, still: StillClock) -> None:
    """A device that only the item names: a code made in a step that it used counts as sent, even after that step."""
    codes.note_sent([OTHER])
    codes.wait_for_fresh_codes([MINE])
    still.seconds += CODE_SECONDS

    assert codes.is_spent(OTHER)
    assert not codes.is_spent(MINE)
    codes.wait_for_fresh_codes([MINE, OTHER])
    assert not codes.is_spent(OTHER)


@pytest.mark.parametrize("is_of_command", [False, True])
@pytest.mark.parametrize("set_by_seconds", [-3600.0, -31.0, -30.0, 61.0, 3600.0])
def test_a_clock_that_is_set_between_code_and_call_hides_no_code(
    path: Path, still: StillClock, set_by_seconds: float, *, is_of_command: bool
) -> None:
    """A code counts as sent by the clock that it was made by, too: that clock may come back."""
    with path.open("w+b") as file:
        codes = SentCodes(file.fileno(), still, still.wait, ticks=lambda: still.ticks)
        codes.wait_for_fresh_codes([MINE])
        still.pass_by(40)
        made = still.step
        still.seconds += set_by_seconds
        codes.note_sent([MINE], is_of_command=is_of_command)
        still.seconds -= set_by_seconds
        codes.wait_for_fresh_codes([MINE])

    assert made < still.step


JUMP = st.one_of(
    st.floats(-90, 90),
    st.sampled_from([0.0, 1.0, 29.0, 30.0, 31.0, -30.0, -1.0, 3600.0, -3600.0, 86_400.0]),
)
JUMPS = st.lists(st.tuples(JUMP, JUMP), max_size=30)


@settings(deadline=None)
@given(jumps=JUMPS)
@example(jumps=[(0.0, 0.0), (-1.2e-7, 0.0)])
def test_no_step_goes_out_twice_under_any_jumps(
    tmp_path_factory: pytest.TempPathFactory, jumps: list[tuple[float, float]]
) -> None:
    """However the clock jumps between logins, while they wait and under `op`, each code is sent at most once."""
    still = StillClock()
    path = tmp_path_factory.getbasetemp() / f"op.lock-{os.getpid()}"
    path.write_bytes(b"")
    descriptor = os.open(path, os.O_RDWR)
    sent: list[int] = []
    try:
        for before, under_op in jumps:
            still.seconds += before
            codes = SentCodes(descriptor, still, still.wait, ticks=lambda: still.ticks)
            codes.wait_for_fresh_codes([MINE])
            made = still.step
            still.pass_by(abs(before) % 20)
            still.seconds += under_op
            codes.note_sent([MINE])
            sent.append(made)
    finally:
        os.close(descriptor)

    assert sorted(set(sent)) == sorted(sent)


@settings(deadline=None)
@given(last=st.none() | st.integers(0, 2**40), now=st.integers(0, 2**40))
def test_the_first_usable_step_is_neither_past_nor_used(last: int | None, now: int) -> None:
    """The step is the first one that is neither before now nor at or before the last one sent."""
    step = first_usable_step(last, now)

    assert step >= now
    assert last is None or step > last
    assert step == now or step - 1 == last
