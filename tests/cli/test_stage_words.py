"""The words for what is waited for, in tables."""

from __future__ import annotations

import pytest

from mayfly.cli.durations import seconds_in
from mayfly.cli.stage_words import WORDS, Group, Seen, elapsed, fitted, groups, stopped, words
from mayfly.shared import stages


NOW = 100.0
EVERY = [
    ("turn", None, "waiting for another login to end (a, b)"),
    ("connect", None, "connecting to AWS (a, b)"),
    ("code", 113.2, "waiting for the next one-time password, 14 s (a, b)"),
    ("code", 99.0, "waiting for the next one-time password, 1 s (a, b)"),
    ("op", None, "waiting for 1Password (a, b)"),
    ("approve", None, "waiting for 1Password: approve the prompt for a, b"),
    ("aws", None, "asking AWS (a, b)"),
    ("start", None, "starting (a, b)"),
    ("", None, "waiting for the daemon (a, b)"),
    ("of a later version", 113.0, "waiting for the daemon (a, b)"),
]


@pytest.mark.parametrize(("stage", "until", "text"), EVERY)
def test_the_words_of_a_stage(stage: str, until: float | None, text: str) -> None:
    """Each has its own, and what is not known is not claimed."""
    assert text == words(Group(Seen(stage, 90.0, until), ["a", "b"]), NOW)


def test_every_stage_has_words_and_one_speaks_of_approval() -> None:
    """A stage that is added to the wire cannot be forgotten here."""
    assert {*stages.STAGES, stages.START} == WORDS.keys()
    assert ["approve"] == [name for name, text in WORDS.items() if "approve" in text]


@pytest.mark.parametrize(
    ("stage", "ends"), [("approve", True), ("code", True), ("op", True), ("aws", False), ("connect", False)]
)
def test_only_a_prompt_comes_through_the_lock(stage: str, ends: bool) -> None:
    """The addition of `--through-lock` is about prompts."""
    text = words(Group(Seen(stage, 90.0, 110.0), ["a"]), NOW, addition=", even if the screen is locked")
    assert ends == text.endswith(", even if the screen is locked")


@pytest.mark.parametrize(
    ("since", "until", "text"),
    [(95.1, None, ""), (95.0, None, ", 5 s so far"), (40.5, None, ", 59 s so far"), (40.0, 110.0, "")],
)
def test_how_long_it_takes_is_told_from_five_seconds_on(since: float, until: float | None, text: str) -> None:
    """Not where the time that is left is told."""
    assert text == elapsed(Seen("approve", since, until), NOW)


def test_profiles_that_wait_for_the_same_share_a_text() -> None:
    """In the order in which they were asked for."""
    prompt, aws = Seen("approve", 90.0), Seen("aws", 91.0)
    found = groups({"a": prompt, "b": aws, "c": prompt})
    assert [Group(prompt, ["a", "c"]), Group(aws, ["b"])] == found


@pytest.mark.parametrize(
    ("stage", "through_lock", "text"),
    [
        ("approve", False, "1Password's prompt for a is still up, and what you approve is kept"),
        ("approve", True, "1Password's prompt for a is still up, and what you approve is kept"),
        ("op", False, "1Password is still asked for a, and what it gives is kept"),
        ("code", False, "1Password is asked for a all the same, in 14 s"),
        ("code", True, "1Password is asked for a all the same, unless the screen is locked"),
        ("turn", False, "the daemon goes on getting a"),
        ("turn", True, "1Password is asked for a all the same, unless the screen is locked"),
        ("aws", True, "the daemon goes on getting a"),
        ("connect", False, "the daemon goes on getting a"),
        ("", False, "the daemon goes on getting a"),
    ],
)
def test_what_goes_on_after_ctrl_c(stage: str, through_lock: bool, text: str) -> None:
    """The exchange ends by itself; a login through the lock loses its leave with its command."""
    seen = Seen(stage, 90.0, 114.0 if stage == "code" else None)
    assert [text] == list(stopped([Group(seen, ["a"])], NOW, is_through_lock=through_lock))
    # Of a grant's own session nothing goes on, and of what it comes from the same as ever.
    kept = [] if text.startswith("the daemon") else [text]
    assert kept == list(stopped([Group(seen, ["a"])], NOW, is_through_lock=through_lock, is_kept=False))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("900s", 900), ("30m", 1800), ("8h", 28_800), ("1h30m", 5400), ("1d2h3m4s", 93_784), ("90m", 5400), ("0h5m", 300)],
)
def test_a_duration_as_people_write_it(text: str, seconds: int) -> None:
    """Units from the largest down, each once at most."""
    assert seconds == seconds_in(text)


@pytest.mark.parametrize(
    "text",
    ["", "6", "h", "6 h", "-6h", "6h-", "1.5h", "30m1h", "1h1h", "0s", "6H", "٦h", "6h\n", "9999999h", "1w", "+6h"],
)
def test_what_is_no_duration(text: str) -> None:
    """An example says what is expected."""
    with pytest.raises(ValueError, match="is no duration: expected one like 30m, 8h or 1h30m"):
        seconds_in(text)


APPROVE, SO_FAR = "waiting for 1Password: approve the prompt for nsrc", ", 65 s so far"


@pytest.mark.parametrize(
    ("texts", "room", "line"),
    [
        ([(APPROVE, SO_FAR)], 77, f"mayfly: {APPROVE}{SO_FAR}"),
        ([(APPROVE, SO_FAR)], 57, f"{APPROVE}, 65 s"),
        ([(APPROVE, "")], 57, f"mayfly: {APPROVE}"[:57]),
        ([(APPROVE, SO_FAR)], 40, "waiting for 1Password: approve ..., 65 s"),
        ([(APPROVE, SO_FAR), ("asking AWS (other)", "")], 77, f"{APPROVE}, 65 s; asking AWS (other)"),
        ([(APPROVE, SO_FAR), ("asking AWS (other)", "")], 57, f"{APPROVE[:48]}..., 65 s"),
        ([(APPROVE, SO_FAR)], 6, ", 65 s"),
        ([(APPROVE, SO_FAR)], 3, ", 6"),
        ([(APPROVE, SO_FAR)], 0, ""),
    ],
)
def test_a_narrow_line_keeps_the_time(texts: list[tuple[str, str]], room: int, line: str) -> None:
    """First the prefix goes and "so far", then the end of the words: the seconds show that something goes on."""
    found = fitted(texts, room)

    assert len(found) <= room
    assert line == found
