"""One `op inject` for all secret references of one [onepassword] table.

Output of `op` leaves this file only as the values of the references. Errors never repeat it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Self

from mayfly.config.values import OTP_QUERY
from mayfly.exchange.onepassword.child import Child, Flooded, Hung, Printed
from mayfly.exchange.onepassword.environment import op_environment
from mayfly.exchange.onepassword.op_program import find_op, missing
from mayfly.shared import errors


if TYPE_CHECKING:
    from mayfly.config.model import Way

OUTPUT_CAP_BYTES = 64 * 1024
VALUE_CAP_BYTES = 1024


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
            raise missing(f"{program} cannot be run: {reason.strerror}", table) from None

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
