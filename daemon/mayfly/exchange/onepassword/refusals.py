"""The errors of `op`, and which of our errors each one becomes.

The texts are no stable interface of 1Password. They were collected from recorded sessions and users' reports of op 2.20
to 2.40. The first row that matches wins. Names in quotes are removed before matching, so that an item called "rate
limit" is not misread.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Sequence

from mayfly.shared import errors
from mayfly.shared.errors import MayflyError


IGNORED_AFTER_SECONDS = 55

_PREFIX = re.compile(r"^\[ERROR] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_REFERENCE = re.compile(r"op://[^'\"\n]*?(?=['\"\n:]|$)")
_DOUBLE_QUOTED = re.compile(r'"[^"\n]*"')
# An apostrophe inside a word (isn't) is no quote.
_SINGLE_QUOTED = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)")
_RETRY_IN = re.compile(
    r"(?:retry|again) in (?:(\d{1,4}) hours?)?(?: and |, | )?"
    r"(?:(\d{1,4}) minutes?)?(?: and |, | )?(?:(\d{1,6}) seconds?)?",
    re.IGNORECASE,
)
# Text that could be a value: as long as an ID, a key or a token, or the six digits of a code.
_VALUE_LIKE = re.compile(r"[\w/+=-]{16,}|\b\d{6}\b")

RATE_LIMIT_SECONDS = 15 * 60
LONGEST_SECONDS = 24 * 3600

# A number after a colon is a port, not a status.
_STATUS = r"(?<![:.\w/-])"

_IGNORED = "nobody answered the 1Password prompt within a minute"

_ROWS: tuple[tuple[str, type[MayflyError], str], ...] = (
    (
        r"isn't an item|could not find item|could not resolve item uuid.*could not find|deleted or archived"
        # A 403 or 404 about one item says nothing about the account.
        r"|could not (resolve|get) item.*\(40[34]\)",
        errors.ItemNotFound,
        "1Password finds no such item",
    ),
    (
        r"isn't a field|does not have a (field|section)|could not find field|does(n't| not) have a one-time password",
        errors.FieldNotFound,
        "1Password finds no such field in the item",
    ),
    (
        r"unable to generate (an )?otp",
        errors.ItemValueInvalid,
        "1Password makes no one-time password of what the item has",
    ),
    (r"isn't a vault", errors.VaultNotFound, "1Password finds no such vault"),
    (
        r"more than one item matches",
        errors.ItemAmbiguous,
        "1Password finds more than one item of this name",
    ),
    (
        r"invalid secret reference|parsing error",
        errors.ReferenceInvalid,
        "1Password cannot read the secret reference",
    ),
    (
        r"authorization prompt dismissed",
        errors.ApprovalDismissed,
        "the 1Password prompt was dismissed",
    ),
    (r"authorization timeout", errors.ApprovalIgnored, _IGNORED),
    (r"app is locked|is locked", errors.OnePasswordLocked, "1Password is locked"),
    (
        r"cannot connect to 1password app|couldn't connect to the 1password desktop app"
        r"|connecting to desktop app timed out|desktop app.*(connection refused|\beof\b)",
        errors.OnePasswordNotRunning,
        "the 1Password app is not running, or does not answer",
    ),
    (
        r"connection reset.*1password|desktop app.*connection reset|unsupportedclienttype",
        errors.IntegrationOff,
        "the 1Password app does not accept op",
    ),
    (
        r"no accounts? (configured|found)",
        errors.AccountNotFound,
        "op knows no 1Password account, or not the configured one",
    ),
    (
        r"not currently signed in|account is not signed in|session expired|no active session"
        r"|could not find session token",
        errors.NotSignedIn,
        "nobody is signed in to 1Password",
    ),
    (
        rf"service account .*deleted|{_STATUS}(401|403)\b(?!->)|not authenticated yet|decodesaccredentials",
        errors.ServiceAccountRejected,
        "1Password does not accept the service account token",
    ),
    (
        rf"{_STATUS}429\b(?!->)|too many requests|rate[- ]limit",
        errors.OnePasswordRateLimited,
        "1Password's rate limit is reached",
    ),
    (
        r"\(50[0234]\)|internal server error|bad gateway|service unavailable|gateway time-?out",
        errors.OnePasswordOffline,
        "1Password's servers fail",
    ),
    (
        r"dial tcp|no such host|i/o timeout|connection refused|connection reset by peer|network is (unreachable|down)"
        r"|no route to host|deadline exceeded|tls handshake|unexpected eof|temporary failure in name resolution"
        r"|server misbehaving",
        errors.OnePasswordOffline,
        "op cannot reach 1Password's servers: the network is down",
    ),
)


def from_op(stderr: bytes, references: Sequence[str], *, elapsed_seconds: float) -> MayflyError:
    """The error for the text that `op` wrote to stderr, `elapsed_seconds` after it was asked for `references`."""
    text = _plain(stderr)
    words = _SINGLE_QUOTED.sub("''", _DOUBLE_QUOTED.sub('""', text))
    for pattern, error, message in _ROWS:
        if re.search(pattern, words, re.IGNORECASE | re.DOTALL):
            return _made(error, message, text, references, elapsed_seconds)
    named = [reference for reference in map(_bare, references) if reference.lower() in text.lower()]
    about = f" (of {max(named, key=len)})" if named else ""
    return errors.OnePasswordUnknown(f"1Password says: {_redacted(words) or 'nothing at all'}{about}")


def _made(
    error: type[MayflyError],
    message: str,
    text: str,
    references: Sequence[str],
    elapsed_seconds: float,
) -> MayflyError:
    if error is errors.ApprovalDismissed and elapsed_seconds >= IGNORED_AFTER_SECONDS:
        # On Linux op says "dismissed" also for a prompt that nobody answered.
        return errors.ApprovalIgnored(_IGNORED)
    if error is errors.OnePasswordRateLimited:
        seconds = _retry_after_seconds(text)
        return error(message, hint=f"come back in {_span(seconds)}", retry_after_seconds=seconds)
    if error in _PART_AT_FAULT:
        return error(
            f"{message}: {_reference_at_fault(error, text, references)}",
            hint="look it up in 1Password, and mend the config or the item",
        )
    return error(message)


def _plain(stderr: bytes) -> str:
    return _PREFIX.sub("", _ANSI.sub("", stderr.decode(errors="replace"))).strip()


def _redacted(words: str) -> str:
    """The printable characters of the first line, without references and without anything that could be a value."""
    first_line = "".join(_REFERENCE.sub("op://…", words).strip().splitlines()[:1])
    # Before the search for values, which such characters could hide.
    shown = "".join(letter for letter in first_line if letter.isprintable())
    return _VALUE_LIKE.sub("…", shown)[:200]


def _part(number: int) -> Callable[[str], str]:
    return lambda reference: reference.split("/")[number]


def _whole(reference: str) -> str:
    return reference


def _bare(reference: str) -> str:
    return reference.partition("?")[0]


_VAULT, _ITEM, _FIELD = _part(2), _part(3), _part(-1)

# Which parts of a reference `op` names in this error, the most specific first.
_PART_AT_FAULT: dict[type[MayflyError], tuple[Callable[[str], str], ...]] = {
    errors.VaultNotFound: (_VAULT,),
    errors.ItemNotFound: (_ITEM,),
    errors.ItemAmbiguous: (_ITEM,),
    errors.FieldNotFound: (_FIELD, _ITEM),
    errors.ItemValueInvalid: (),
    errors.ReferenceInvalid: (),
}


def _reference_at_fault(error: type[MayflyError], text: str, references: Sequence[str]) -> str:
    """The reference that the text is about: by the number of its line, or by the reference or a part of it in the text.

    If the text names none of ours, no reference is blamed.
    """
    said = text.lower()
    if re.search(r"does(n't| not) have a one-time password|unable to generate", said):
        # The text names the item only. Of our references just those to codes can fail like this.
        references = [reference for reference in references if "?attribute=otp" in reference]
    bare = [_bare(reference) for reference in references]
    line = re.search(r"parsing error at (\d+):", said)
    if line and 0 < int(line[1]) <= len(bare):
        return bare[int(line[1]) - 1]
    for part in (_whole, *_PART_AT_FAULT[error]):
        named = [reference for reference in bare if part(reference).lower() in said]
        if named:
            return max(named, key=lambda reference: len(part(reference)))
    return bare[0] if len(bare) == 1 else "which one, it does not say"


def _retry_after_seconds(text: str) -> float:
    found = _RETRY_IN.search(text)
    hours, minutes, seconds = (int(number or 0) for number in found.groups()) if found else (0, 0, 0)
    return min(hours * 3600 + minutes * 60 + seconds or RATE_LIMIT_SECONDS, LONGEST_SECONDS)


def _span(seconds: float) -> str:
    """In the largest unit of which it has at least two, rounded up, so that nobody tries too early."""
    length, unit = next(((length, unit) for length, unit in _UNITS if seconds >= 2 * length), (1, "second"))
    number = -(-seconds // length)
    return f"{number:.0f} {unit}{'' if number == 1 else 's'}"


_UNITS = ((3600, "hour"), (60, "minute"))
