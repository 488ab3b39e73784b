"""`python -m mayfly.cli.doctor.references_child CONFIG PROFILE…`: reads the references, and says whether they resolve.

The values are in this process alone, which ends. It sends nothing to AWS, so a one-time password stays unused.
"""

from __future__ import annotations

import os
import signal
import sys

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from mayfly.cli.doctor.children import print_answer
from mayfly.config.load import load
from mayfly.config.model import Config
from mayfly.exchange import peer_check
from mayfly.exchange.onepassword import child
from mayfly.exchange.onepassword import lock as oplock
from mayfly.exchange.onepassword.items import OF_ONE_ITEM, item_from
from mayfly.exchange.onepassword.op import Op
from mayfly.shared import hardening
from mayfly.shared.errors import MayflyError, OnePasswordUnknown


def main() -> int:
    """Print a line for each profile: that its references resolve, or the error's message and hint."""
    hardening.forbid_core_dumps()
    hardening.forbid_dumping()
    signal.signal(signal.SIGTERM, _end)
    # The doctor may be ended by Ctrl-C while a prompt waits.
    peer_check.end_with_peer(sys.stdin.fileno())
    source, *names = sys.argv[1:]
    try:
        config = load(Path(source))
        with oplock.held(lambda: datetime.now(UTC)):
            for group in _by_way(config, names):
                for name, error in _read(config, group):
                    _print(name, error)
    except MayflyError as error:
        for name in names:
            _print(name, error)
    return 0


def _end(number: int, _frame: object) -> NoReturn:
    """End `op`, too: nobody should answer a prompt whose result nobody reads."""
    signal.signal(number, signal.SIG_IGN)
    child.end_all()
    os._exit(128 + number)


def _print(name: str, error: MayflyError | None) -> None:
    if error is None:
        print_answer(profile=name, resolves=True)
    else:
        # That of a text that is not known is the command that runs us.
        hint = "" if isinstance(error, OnePasswordUnknown) else error.hint_for(name)
        print_answer(profile=name, resolves=False, message=error.message, hint=hint)


def _by_way(config: Config, names: list[str]) -> list[list[str]]:
    """The profiles, those of one way to 1Password together: one `op`, and one prompt."""
    groups: dict[object, list[str]] = {}
    for name in names:
        groups.setdefault(config.onepassword_of(name), []).append(name)
    return list(groups.values())


def _read(config: Config, names: list[str]) -> Iterator[tuple[str, MayflyError | None]]:
    """Each profile with its error, or None. One bad reference fails a whole `op`: then each profile is read alone."""
    try:
        values = _values(config, names)
    except MayflyError as error:
        is_of_one = isinstance(error, OF_ONE_ITEM) and len(names) > 1
        for name in names:
            yield from _read(config, [name]) if is_of_one else [(name, error)]
        return
    for name in names:
        profile = config.keys_of(name)
        try:
            item_from(profile, [values[reference] for reference in profile.references()])
        except MayflyError as error:
            yield name, error
        else:
            yield name, None


def _values(config: Config, names: list[str]) -> dict[str, str]:
    references = dict.fromkeys(reference for name in names for reference in config.keys_of(name).references())
    keys, way = config.keys_of(names[0]), config.onepassword_of(names[0])
    table = f"onepasswords.{keys.onepassword}" if keys.onepassword else "onepassword"
    with Op(way, tuple(references), os.environ, table) as op:
        return op.values()


if __name__ == "__main__":
    sys.exit(main())
