"""The files that are made, and what has to stand in them."""

from __future__ import annotations

from pathlib import Path

from tests.generate.completions import completion
from tests.generate.config_tables import with_tables
from tests.generate.man import mayfly_1, mayfly_toml_5

from mayfly.cli.completion.completion import SHELLS


ROOT = Path(__file__).parents[2]
_COMPLETIONS = ROOT / "daemon/mayfly/cli/completion"
_CONFIG_PAGE = ROOT / "docs/config.md"


def generated() -> dict[Path, str]:
    """The text of each made file, by its path."""
    return {
        **{_COMPLETIONS / f"mayfly.{shell}": completion(shell) for shell in SHELLS},
        ROOT / "docs/man/mayfly.1": mayfly_1(),
        ROOT / "docs/man/mayfly.toml.5": mayfly_toml_5(),
        _CONFIG_PAGE: with_tables(_CONFIG_PAGE.read_text(encoding="utf-8")),
    }
