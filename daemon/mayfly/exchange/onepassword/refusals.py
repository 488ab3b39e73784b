"""Which of our errors each error of `op` becomes, and what mends it here: texts.py has the texts.

What is advised depends on the way to 1Password: a desktop app has no token, and a service account no app.
"""

from __future__ import annotations

import re

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mayfly.exchange.onepassword.environment import overlooked
from mayfly.exchange.onepassword.op_program import too_old
from mayfly.exchange.onepassword.texts import IGNORED, ROWS, STATUS_REFUSED, Row
from mayfly.shared import errors
from mayfly.shared.errors import MayflyError
from mayfly.shared.text import printable


if TYPE_CHECKING:
    from mayfly.config.model import Way

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

# Errors that surprise a person whose own `op` takes its account from a variable.
OF_THE_ACCOUNT = (
    errors.AccountAmbiguous,
    errors.AccountNotFound,
    errors.NotSignedIn,
    errors.OnePasswordNotRunning,
    errors.IntegrationOff,
)

RATE_LIMIT_SECONDS = 15 * 60
LONGEST_SECONDS = 24 * 3600


class Asked(NamedTuple):
    """What `op` was asked for, by which way to 1Password, and the table of the config that says so.

    `environ` is the environment that `op`'s was taken from.
    """

    references: Sequence[str]
    way: Way
    table: str
    environ: Mapping[str, str] = {}


def from_op(stderr: bytes, asked: Asked, *, elapsed_seconds: float) -> MayflyError:
    """The error for the text that `op` wrote to stderr, `elapsed_seconds` after it was asked."""
    text = _plain(stderr)
    words = _SINGLE_QUOTED.sub("''", _DOUBLE_QUOTED.sub('""', text))
    for row in ROWS:
        if re.search(row.pattern, words, re.IGNORECASE | re.DOTALL):
            return _made(row, text, asked, elapsed_seconds)
    named = [reference for reference in map(_bare, asked.references) if reference.lower() in text.lower()]
    about = f" (of {max(named, key=len)})" if named else ""
    message = f"1Password says: {_redacted(words) or 'nothing at all'}{about}"
    return errors.OnePasswordUnknown(message, hint="'mayfly doctor --ask' tries the references one by one")


def _made(row: Row, text: str, asked: Asked, elapsed_seconds: float) -> MayflyError:
    if row.error is errors.ApprovalDismissed and elapsed_seconds >= IGNORED_AFTER_SECONDS:
        # On Linux op says "dismissed" also for a prompt that nobody answered.
        return errors.ApprovalIgnored(IGNORED)
    if row.error is errors.OnePasswordRateLimited:
        seconds = _retry_after_seconds(text)
        return row.error(row.message, hint=f"come back in {_span(seconds)}", retry_after_seconds=seconds)
    if row.error in _PART_AT_FAULT:
        return row.error(
            f"{row.message}: {_reference_at_fault(row.error, text, asked.references)}",
            hint="look it up in 1Password, and mend the config or the item",
        )
    made = _OF_THE_WAY[row.error](row, asked) if row.error in _OF_THE_WAY else row.error(row.message, hint=row.hint)
    if isinstance(made, OF_THE_ACCOUNT):
        lines = overlooked(asked.way, asked.environ, asked.table, "of the daemon's environment")
        made.hint = "; ".join([made.hint, *lines])
    return made


# Errors of a way to 1Password


def _too_old(row: Row, asked: Asked) -> MayflyError:
    return too_old(row.message, asked.table)


def _account_ambiguous(row: Row, asked: Asked) -> MayflyError:
    several = f"account in [{asked.table}] fits several 1Password accounts"
    message = several if asked.way.account else row.message
    return errors.AccountAmbiguous(message, hint=f'set account = "USER ID" in [{asked.table}]: {_LIST}')


def _account_not_found(row: Row, asked: Asked) -> MayflyError:
    if asked.way.account:
        message = f"op does not know the account of [{asked.table}], or no account at all"
        hint = f"mend account in [{asked.table}] ({_LIST}); if there is none, {_TURN_ON}"
        return errors.AccountNotFound(message, hint=hint)
    return errors.AccountNotFound(row.message, hint=_token_hint(asked) or _TURN_ON)


def _not_signed_in(row: Row, asked: Asked) -> MayflyError:
    return errors.NotSignedIn(row.message, hint=_token_hint(asked))


def _rejected(row: Row, asked: Asked) -> MayflyError:
    """A refused token; in desktop mode there is none, and the sign-in of the app's account is refused."""
    if row.message != STATUS_REFUSED:
        return row.error(row.message, hint=_token_hint(asked))
    if asked.way.mode == "desktop":
        hint = (
            "sign in to the account again in the 1Password app, then run 'mayfly login'; "
            f"account in [{asked.table}] says which account is meant"
        )
        return errors.NotSignedIn("1Password does not accept the sign-in of the app's account", hint=hint)
    whose = "the Connect server does not accept its" if asked.way.mode == "connect" else "1Password does not accept the"
    kind = "access token" if asked.way.mode == "connect" else "service account token"
    return row.error(f"{whose} {kind}", hint=_token_hint(asked))


def _token_hint(asked: Asked) -> str | None:
    """How the token of this way is renewed; None for the desktop app, which has none."""
    way = asked.way
    if way.connect_host:
        return f"make a new access token of the Connect server and put it in connect_token_file of [{asked.table}]"
    if way.token_command:
        return f"make a new service account token, and have token_command in [{asked.table}] print it"
    if way.token_file:
        return f"make a new service account token and put it in token_file of [{asked.table}]"
    return None


_LIST = "'op account list' shows them"
_TURN_ON = errors.TURN_ON_INTEGRATION

_OF_THE_WAY: dict[type[MayflyError], Callable[[Row, Asked], MayflyError]] = {
    errors.OnePasswordMissing: _too_old,
    errors.AccountAmbiguous: _account_ambiguous,
    errors.AccountNotFound: _account_not_found,
    errors.NotSignedIn: _not_signed_in,
    errors.ServiceAccountRejected: _rejected,
}


# Words and references


def _plain(stderr: bytes) -> str:
    return _PREFIX.sub("", _ANSI.sub("", stderr.decode(errors="replace"))).strip()


def _redacted(words: str) -> str:
    """The printable characters of the first line, without references and without anything that could be a value."""
    first_line = "".join(_REFERENCE.sub("op://…", words).strip().splitlines()[:1])
    # Before the search for values, which such characters could hide.
    shown = printable(first_line, replacement="")
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
