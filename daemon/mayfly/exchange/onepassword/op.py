"""One `op inject` for all secret references of one [onepassword] table.

Output of `op` leaves this file only as the values of the references. Errors never repeat it.
"""

from __future__ import annotations

import re

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from mayfly.config.values import OTP_QUERY
from mayfly.exchange.onepassword import windows_drive
from mayfly.exchange.onepassword.child import Child, Flooded, Hung, Printed
from mayfly.exchange.onepassword.environment import op_environment, plain_environment
from mayfly.shared import errors, programs
from mayfly.shared.errors import ConfigInvalid, OnePasswordMissing


if TYPE_CHECKING:
    from mayfly.config.model import Way

OUTPUT_CAP_BYTES = 64 * 1024
VALUE_CAP_BYTES = 1024

# The first that knows service accounts (1Password's documentation). The texts of its errors are known from 2.20 on.
OLDEST_VERSION = (2, 18)
VERSION_SECONDS = 5

USUAL_PLACES = ("/usr/bin/op", "/usr/local/bin/op", "/opt/homebrew/bin/op", "/opt/1Password/op")


def find_op(onepassword: Way, environ: Mapping[str, str], table: str = "onepassword") -> str:
    """The `op` to run: the configured one, or the first on PATH and in the usual places that nobody else can replace.

    An op.exe that is configured may be on a Windows drive, where Windows alone says who can replace it. `table` is the
    name of the table in the config. Raises OnePasswordMissing, or ConfigInvalid if another user could have put there
    every `op` that is found.
    """
    is_exempt = windows_drive.exemption(onepassword.op) if onepassword.op else None
    try:
        return programs.place_of(onepassword.op or "op", environ, USUAL_PLACES, is_exempt=is_exempt)
    except programs.NotFound as reason:
        if reason.distrusted:
            raise ConfigInvalid(*(f"op at {line}" for line in reason.distrusted)) from None
        if onepassword.op:
            raise _missing(str(reason), table) from None
        skipped = "".join(f"; skipped: {line}" for line in reason.skipped)
        raise _missing(f"op, the 1Password CLI, is neither on PATH nor in the usual places{skipped}", table) from None


def _missing(message: str, table: str) -> OnePasswordMissing:
    return OnePasswordMissing(message, hint=f'install the 1Password CLI, or set op = "/path/to/op" in [{table}]')


def check_version(onepassword: Way, environ: Mapping[str, str], table: str = "onepassword") -> None:
    """Raise OnePasswordMissing for an `op` that is too old by its own word, and what `find_op` raises.

    The check costs a process, so it is for times when a code must be waited for anyway. An `op` that tells no version
    passes: whether it can do its work shows when it is asked for the values.
    """
    program = find_op(onepassword, environ, table)
    try:
        with Child(
            (program, "--version"), environment=plain_environment(environ), limit_seconds=VERSION_SECONDS
        ) as child:
            printed = child.printed()
    except OSError as reason:
        raise _missing(f"{program} cannot be run: {reason.strerror}", table) from None
    except (Hung, Flooded):
        return
    found = re.match(rb"\s*(\d{1,4})\.(\d{1,4})\.", printed.stdout)
    if found and (int(found[1]), int(found[2])) < OLDEST_VERSION:
        raise too_old(f"op {int(found[1])}.{int(found[2])} at {program}", table)


def too_old(which: str, table: str) -> OnePasswordMissing:
    """The error for an `op` that cannot do what is asked of it."""
    oldest = ".".join(map(str, OLDEST_VERSION))
    return OnePasswordMissing(
        f"{which} is too old: mayfly needs {oldest} or later",
        hint=f"get a newer 1Password CLI, or name one by op in [{table}]",
    )


def in_order(references: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Each reference of some profiles once. The codes are read last, because they expire."""
    given = dict.fromkeys(reference for profile in references for reference in profile)
    return tuple(sorted(given, key=lambda reference: reference.endswith(OTP_QUERY)))


def template(references: Iterable[str]) -> bytes:
    """The input of `op inject`: one reference a line, in braces. A bare one would end at its first blank or '='."""
    return "".join(f"{{{{ {reference} }}}}\n" for reference in references).encode()


def _lines(text: str, count: int) -> list[str]:
    """The lines of `text`. Of the empty lines at its end only as many stay as `count` needs.

    The last value may be empty, and 1Password does not document whether `op` adds a line break at the end.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while len(lines) > count and not lines[-1]:
        lines.pop()
    return lines


class Op:
    """A running `op inject`, started and fed. `values` waits for it; after the `with` block it has ended."""

    def __init__(self, onepassword: Way, references: tuple[str, ...], environ: Mapping[str, str], table: str) -> None:
        self._onepassword = onepassword
        self._references = references
        self._table = table
        self._environ = environ
        self.program = program = find_op(onepassword, environ, table)
        account = ("--account", onepassword.account) if onepassword.account else ()
        try:
            self._child = Child(
                (program, "--cache=false", "--no-color", *account, "inject"),
                text=template(references),
                environment=op_environment(onepassword, environ),
                limit_seconds=onepassword.timeout_seconds,
                cap_bytes=OUTPUT_CAP_BYTES + len(references) * VALUE_CAP_BYTES,
            )
        except OSError as reason:
            raise _missing(f"{program} cannot be run: {reason.strerror}", table) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self._child.__exit__(*reason)

    def values(self) -> dict[str, str]:
        """The value of each reference, which may be empty; waits for `op`, and raises an OnePasswordError."""
        try:
            printed = self._child.printed()
        except Hung:
            raise errors.OnePasswordHung(
                f"op did not end within {self._onepassword.timeout_seconds} s",
                hint=f"see that no window of 1Password waits; timeout_seconds in [{self._table}] is the limit",
            ) from None
        except Flooded:
            raise errors.OnePasswordGarbled("op printed more than any set of values can be") from None
        # Before 2.32.1 op could fail with exit code 0.
        if printed.exit_code != 0 or (printed.stderr and not printed.stdout):
            # Imported here: a login that succeeds does not need its table of patterns.
            from mayfly.exchange.onepassword.refusals import Asked, from_op

            asked = Asked(self._references, self._onepassword, self._table, self._environ)
            raise from_op(printed.stderr, asked, elapsed_seconds=printed.seconds)
        return self._checked(printed)

    def _checked(self, printed: Printed) -> dict[str, str]:
        """The line of each reference. With a line too many or too few, values would go to the wrong references."""
        try:
            found = _lines(printed.stdout.decode(), len(self._references))
        except UnicodeDecodeError:
            raise errors.OnePasswordGarbled("op printed something that is no text") from None
        if len(found) != len(self._references):
            raise errors.OnePasswordGarbled(
                f"op printed {len(found) if any(found) else 0} values for {len(self._references)} references"
                + self._item_named(),
                hint="update op (before 2.32.1 it hid some errors), and look for line breaks in the item's fields",
            )
        return dict(zip(self._references, found, strict=True))

    def _item_named(self) -> str:
        items = {"/".join(reference.split("/")[:4]) for reference in self._references}
        return f" to {items.pop()}" if len(items) == 1 else ""
