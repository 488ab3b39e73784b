"""The template of `op inject`: enclosed and bare secret references among other text.

Law: the whole template is parsed before anybody is asked, and nothing is printed if one reference is wrong. A comment
is text like any other: a bare `op://` in it is a reference.
"""

from __future__ import annotations

import re

from mayfly.demo.op import messages
from mayfly.demo.op.messages import OpError
from mayfly.demo.op.references import Reference


TYPE_CHECKING = False  # importing typing takes 4 ms of every call
if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTED = r'"(?:[^"\\]|\\.)*"'
# op's manual says where a bare reference may begin, and its characters.
_PIECE = re.compile(
    rf"\{{\{{\s*(?P<enclosed>{_QUOTED}|[^\n]*?)\s*\}}\}}"
    r"|(?P<bare>(?<![A-Za-z0-9+\\.-])op://[A-Za-z0-9?_./-]*)"
    r"|(?P<open>\{\{)"
)
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::-(?P<default>[^}]*))?\}|(?P<plain>[A-Za-z_]\w*))")


def parse(template: str, environment: Mapping[str, str]) -> list[str | Reference]:
    """Cut a template, with its variables expanded, into text and references. Raises OpError."""
    text = _VARIABLE.sub(lambda match: _variable(match, environment), template)
    pieces: list[str | Reference] = []
    end = 0
    for match in _PIECE.finditer(text):
        pieces += [text[end : match.start()], _piece(match)]
        end = match.end()
    return [*pieces, text[end:]]


def _piece(match: re.Match[str]) -> str | Reference:
    if match["bare"]:
        return Reference(match["bare"])
    enclosed = match["enclosed"] or ""
    if re.fullmatch(_QUOTED, enclosed, re.DOTALL):
        return re.sub(r"\\(.)", r"\1", enclosed[1:-1])  # assumption: a backslash escapes
    if enclosed.startswith("op://"):
        return Reference(enclosed)
    # assumption: the position is that of the braces
    before = match.string[: match.start()]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    raise OpError(messages.parsing_error(line, column))


def _variable(match: re.Match[str], environment: Mapping[str, str]) -> str:
    name = match["braced"] or match["plain"]
    value = environment.get(name, match["default"])
    if value is None:
        # assumption: wording. It is documented that op fails.
        raise OpError(f"could not find environment variable {name}")
    return value
