"""What the docs name exists: tests, files and links."""

from __future__ import annotations

import re

from pathlib import Path

import pytest

import mayfly


REPOSITORY = Path(mayfly.__file__).parents[2]
PAGES = sorted(page for folder in (".", "docs", "tests") for page in (REPOSITORY / folder).glob("*.md"))
TEST_FILES = {path.relative_to(REPOSITORY).as_posix(): path for path in (REPOSITORY / "tests").rglob("*.py")}


def _ids(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    """A sentence in threats.md that names its test is only as good as the test."""
    text = page.read_text()
    sources = "\n".join(path.read_text() for path in TEST_FILES.values())

    missing_files = {
        name for name in re.findall(r"`(tests/[\w/]+\.py)`", text) if name not in TEST_FILES and "NAME" not in name
    }
    named = set(re.findall(r"`(test_\w+)`", text))
    missing_tests = {name for name in named if not re.search(rf"def {name}\b|/{name}\.py", sources + str(TEST_FILES))}

    assert (set(), set()) == (missing_files, missing_tests)


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    """Links to other hosts are left alone: tests speak to nobody out there."""
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]

    assert [] == broken


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_file_of_the_package_that_a_page_names_exists(page: Path) -> None:
    """A path such as `keeper/ledger.py` is found below one of the package's folders."""
    package = [path.as_posix() for path in (REPOSITORY / "daemon/mayfly").rglob("*")]
    named = re.findall(
        r"`((?:cli|daemon|exchange|desk|service|demo|config|session|shared|keeper)/[\w/]+\.py)`", page.read_text()
    )

    assert [] == [
        name for name in named if "NAME" not in name and not any(path.endswith(f"/{name}") for path in package)
    ]
