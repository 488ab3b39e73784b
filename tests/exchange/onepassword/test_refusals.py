"""The texts of `op`'s errors, and the error that each becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import pytest

from exchange.onepassword.op_texts import DESKTOP, REFERENCES, TEXTS, UNKNOWN, WAITS, Said
from mayfly.config.model import OnePassword
from mayfly.exchange.onepassword.refusals import Asked, from_op
from mayfly.shared import errors
from mayfly.shared.errors import MayflyError, OnePasswordError


PREFIX = "[ERROR] 2026/08/24 12:00:00 "
NOW = datetime(2026, 8, 24, 12, tzinfo=UTC)
DISMISSED = b"[ERROR] 2026/08/24 12:00:00 error initializing client: authorization prompt dismissed, please try again"

ABOUT_A_REFERENCE = [said for said in TEXTS if said.at_fault]


def _error(raw: bytes, references: Sequence[str] = REFERENCES, way: OnePassword = DESKTOP) -> MayflyError:
    return from_op(raw, Asked(references, way, "onepassword"), elapsed_seconds=2)


def _numbered(rows: Iterable[Said]) -> list[str]:
    return [f"{number}-{said.leaf.__name__}" for number, said in enumerate(rows)]


DRESSES: dict[str, Callable[[str], str]] = {
    "bare": lambda text: text,
    "prefixed": lambda text: PREFIX + text + "\n",
    "each line prefixed": lambda text: "".join(f"{PREFIX}{line}\n" for line in text.split("\n")),
    "in red": lambda text: f"\x1b[31m{PREFIX}{text}\x1b[0m\r\n",
    "shouted": lambda text: PREFIX + text.upper(),
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("said", TEXTS, ids=_numbered(TEXTS))
def test_every_recorded_text_becomes_its_error(said: Said, dress: str) -> None:
    """Each text of `op` is one error, with or without its prefix, in colour or not."""
    error = _error(DRESSES[dress](said.text).encode(), way=said.way)

    assert said.leaf is type(error)


@pytest.mark.parametrize("said", ABOUT_A_REFERENCE, ids=_numbered(ABOUT_A_REFERENCE))
def test_an_error_about_a_reference_names_it(said: Said) -> None:
    """An error in an item or in the config names the secret reference, without its query."""
    error = _error((PREFIX + said.text).encode())

    assert said.at_fault == error.message.partition(": ")[2]
    assert (400, False, False) == (error.http_status, error.needs_human, error.retryable)
    assert error.hint


@pytest.mark.parametrize(
    ("elapsed_seconds", "leaf"),
    [(2.2, errors.ApprovalDismissed), (54.9, errors.ApprovalDismissed), (60.05, errors.ApprovalIgnored)],
)
def test_an_ignored_prompt_is_told_from_a_dismissed_one_by_its_time(
    elapsed_seconds: float, leaf: type[MayflyError]
) -> None:
    """On Linux `op` says "dismissed" for both; after a minute it means that nobody answered."""
    error = from_op(DISMISSED, Asked(REFERENCES, DESKTOP, "onepassword"), elapsed_seconds=elapsed_seconds)

    assert (leaf, 403, True, False) == (type(error), error.http_status, error.needs_human, error.retryable)
    assert "run 'mayfly login' when you are ready" == error.hint


@pytest.mark.parametrize(("text", "seconds", "span"), WAITS)
def test_a_rate_limit_says_when_to_come_back(text: str, seconds: float, span: str) -> None:
    """1Password's own time to wait is kept and shown: 15 minutes if it names none, a day at most."""
    error = _error((PREFIX + text).encode())

    assert (errors.OnePasswordRateLimited, seconds) == (type(error), error.retry_after_seconds)
    assert f"come back in {span}" == error.hint
    assert (503, True) == (error.http_status, error.retryable)


@pytest.mark.parametrize(("text", "shown"), UNKNOWN)
def test_an_unknown_text_is_shown_redacted(text: str, shown: str) -> None:
    """Of an unknown text the first line is shown, without names, references, values and control characters."""
    error = _error((PREFIX + text).encode())

    assert (errors.OnePasswordUnknown, f"1Password says: {shown}") == (type(error), error.message)
    assert "'mayfly doctor --ask' tries the references one by one" == error.hint


def test_an_unknown_text_about_a_reference_names_it() -> None:
    """The reference is in the config and no secret, and tells its owner where to look."""
    error = _error(f"could not read secret '{ONE_ITEM[1]}': odd".encode(), ONE_ITEM)

    assert f"1Password says: could not read secret '': odd (of {ONE_ITEM[1]})" == error.message


def test_an_unknown_text_is_never_long() -> None:
    """A long text is cut."""
    assert len(_error(b"odd words " * 10_000).message) < 250


ONE_ITEM = tuple(f"op://NSRC/AWS/{field}" for field in ("access_key_id", "secret_access_key", "mfa_id"))


@pytest.mark.parametrize("words", ["does not", "doesn't"])
@pytest.mark.parametrize("title", ["AWS", "mfa_id", "Another"])
def test_a_field_without_a_one_time_password_is_the_codes(title: str, words: str) -> None:
    """Whichever name `op` gives: only the reference that asks for a code can be meant."""
    references = (*ONE_ITEM, "op://NSRC/AWS/mfa_id?attribute=otp")
    error = _error(f'"{title}" {words} have a one-time password'.encode(), references)

    assert "1Password finds no such field in the item: op://NSRC/AWS/mfa_id" == error.message


def test_of_several_references_none_is_blamed_without_need() -> None:
    """If `op` names none of our references, the error does not blame the first one."""
    error = _error(b'"Elsewhere" isn\'t an item', ONE_ITEM)

    assert "1Password finds no such item: which one, it does not say" == error.message


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"\n\n\n", b"\x1b[31m", PREFIX.encode()])
def test_whatever_bytes_are_an_error(raw: bytes) -> None:
    """Any bytes on stderr become an error."""
    assert isinstance(_error(raw), OnePasswordError)


HOSTILE = {
    "a terminal's title": "\x1b]0;title\x07",
    "the clipboard": "\x1b]52;c;aGk=\x1b\\",
    "the other clipboard": "\x9d52;c;aGk=\x9c",
    "a cleared screen": "\x9b2J",
    "right to left": "\u202e",
    "isolates": "\u2066\u2069",
    "a line separator": "\u2028",
    "a paragraph separator": "\u2029",
    "a next line": "\x85",
    "a carriage return": "\r",
    "a tab": "\t",
    "nothing": "\x00",
    "no width": "\u200b",
    "a byte order mark": "\ufeff",
    "a private character": "\ue000",
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("text", ["odd {}words{}", "could not find item {}", "'{}'{}", "{}", "too many requests {}"])
def test_no_text_of_op_steers_a_terminal(hostile: str, text: str) -> None:
    """Every text of `op` reaches a person as one line of printable characters."""
    error = _error(text.replace("{}", hostile).encode())

    assert error.sentence().isprintable()
