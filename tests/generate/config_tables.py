"""The tables of keys in docs/config.md, between its marks."""

from __future__ import annotations

from tests.generate.config_keys import TABLES


_BEGIN, _END = "<!-- keys: made by `make generate` -->", "<!-- end of keys -->"


def with_tables(page: str) -> str:
    """The page with today's tables between its marks."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{_tables()}{_END}{after}"


def _tables() -> str:
    blocks = []
    for table in TABLES:
        rows = [
            f"| `{key.name}` | {_cell(key.meaning)} | {_cell(key.takes)} | {_cell(key.default)} |" for key in table.keys
        ]
        head = f"### {table.head[0].upper()}{table.head[1:]}"
        blocks.append("\n".join([head, "", table.what, "", "| key | | takes | |", "|---|---|---|---|", *rows, ""]))
    return "\n" + "\n".join(blocks) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
