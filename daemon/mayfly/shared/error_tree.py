"""An error on the wire between exchange and daemon, as a JSON object."""

from __future__ import annotations

import math

from typing import Any

from mayfly.shared.errors import MayflyError
from mayfly.shared.trees import object_of, text_of


MAX_TEXT_CHARACTERS = 4096
MAX_RETRY_AFTER_SECONDS = 24 * 3600


def error_tree(error: MayflyError) -> dict[str, Any]:
    """An error as a JSON object."""
    return {
        "code": error.code,
        "message": error.message[:MAX_TEXT_CHARACTERS],
        "hint": error.hint[:MAX_TEXT_CHARACTERS],
        "retry_after_seconds": error.retry_after_seconds,
    }


def parse_error(tree: Any) -> MayflyError:
    """The inverse of `error_tree`; raises ValueError, TypeError or KeyError for anything else."""
    # An exchange only writes errors, and would wait for all classes to be made before `op` starts.
    from mayfly.shared.errors.all_errors import leaf_named

    tree = object_of(tree, {"code", "message", "hint", "retry_after_seconds"})
    error = leaf_named(text_of(tree["code"]))(text_of(tree["message"]))
    error.hint = text_of(tree["hint"])
    error.retry_after_seconds = _retry_after(tree["retry_after_seconds"])
    return error


def _retry_after(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("not a number")
    if not (math.isfinite(value) and 0 <= value <= MAX_RETRY_AFTER_SECONDS):
        raise ValueError("not a time to wait")
    return value
