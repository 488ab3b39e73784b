"""docs/errors.md has every code that a client can meet, with its status, a cause and a remedy."""

from __future__ import annotations

import re

from pathlib import Path

import pytest

import mayfly

from mayfly.shared.errors import MayflyError
from mayfly.shared.errors.all_errors import leaves


PACKAGE = Path(mayfly.__file__).parent
PAGE = (PACKAGE.parents[1] / "docs/errors.md").read_text()
ROWS = {
    cells[1].strip("` "): cells[2:-1]
    for line in PAGE.splitlines()
    if (cells := line.split("|"))[1:2] and "`" in cells[1]
}

ERRORS = {leaf.__name__: leaf.http_status for leaf in leaves(MayflyError)}
# Refusals that are no MayflyError, by the calls that make them.
REFUSALS = {
    code: int(status)
    for path in (PACKAGE / "daemon").rglob("*.py")
    for status, code in re.findall(r'refusal\(\s*(\d{3}),\s*"([A-Za-z]+)"', path.read_text())
}


@pytest.mark.parametrize(("code", "status"), (REFUSALS | ERRORS).items())
def test_every_code_has_its_row(code: str, status: int) -> None:
    """A person who searches the page for a code finds the status, the cause and what helps."""
    found, cause, _ = (cell.strip() for cell in ROWS[code])

    assert str(status) == found
    assert cause


def test_the_page_has_no_code_that_does_not_exist() -> None:
    """Nothing is left of codes that are gone."""
    assert {*REFUSALS, *ERRORS} == {*ROWS}
    assert len(REFUSALS) > 8
