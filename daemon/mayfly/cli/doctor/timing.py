"""Work with an end: in a thread that is left behind if it does not return, as by a name server that is silent."""

from __future__ import annotations

import threading

from collections.abc import Callable
from typing import Generic, TypeVar


T = TypeVar("T")


class Work(Generic[T]):
    """A call in a thread of its own. The end of the process does not wait for the thread."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._result: T | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as reason:  # noqa: BLE001 - raised again where the result is wanted
            self._error = reason

    def result(self, seconds: float | None) -> T | None:
        """What the call returned, or None if it has not within so many seconds; raises what the call raised."""
        self._thread.join(seconds)
        if self._error:
            raise self._error
        return self._result


def within(seconds: float, call: Callable[[], T]) -> T | None:
    """The result of `call`, or None if it takes longer."""
    return Work(call).result(seconds)
