"""`make picture`: docs/status.svg, the picture in the README, from a real run of `mayfly status`.

A stand-in for `op`, an embedded STS, a real daemon and real clients: no 1Password, no AWS.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile

from html import escape
from pathlib import Path

from mayfly.demo.sts.server import EmbeddedSts, Role
from support.terminal import Terminal
from support.world import SEED_ACCOUNT, World, seed_tree


ROOT = Path(__file__).parents[2]
COLUMNS = 100
LETTER, LINE, MARGIN = 8.4, 20, 20

COLOURS = {"default": "#d7dbe0", "green": "#7fd88f", "brown": "#e5c07b", "red": "#ef7a85", "cyan": "#7cc7d8"}
COLOURS |= {"blue": "#82aaff", "magenta": "#c792ea", "black": "#7a828c", "brightblack": "#7a828c", "white": "#d7dbe0"}

CONFIG = """
[profiles.work]
{keys}
duration_seconds = 28800
[profiles.admin]
source_profile = "work"
role_arn = "arn:aws:iam::{account}:role/Admin"
[profiles.deploy]
source_profile = "work"
role_arn = "arn:aws:iam::{account}:role/Deploy"
[profiles.audit]
source_profile = "work"
role_arn = "arn:aws:iam::{account}:role/Audit"
"""
ROLES = ("Admin", "Deploy")


async def picture(folder: Path) -> str:
    """The screen of `mayfly status`, as an SVG."""
    world = World(folder)
    keys = "\n".join(f'{name} = "{value}"' for name, value in seed_tree()["aws"].items() if "op://" in value)
    world.write_toml(CONFIG.format(keys=keys, account=SEED_ACCOUNT))
    async with EmbeddedSts(world.account(*(Role(name=name) for name in ROLES))) as world.sts, world.serve():
        for profile, client in (("work", "aws"), ("admin", "terraform"), ("deploy", "python3"), ("audit", "aws")):
            await _use(world, profile, client)
        terminal = Terminal(
            (sys.executable, "-m", "mayfly", "status"), world.env | _LOCALE, world.home, columns=COLUMNS, rows=40
        )
        await terminal.end()
    return _svg(terminal)


_LOCALE = {"PYTHONUTF8": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}


async def _use(world: World, profile: str, client: str) -> None:
    """A request by a process that bears the client's name."""
    program = world.folder / client
    program.write_text(
        f"#!{sys.executable}\nimport sys, urllib.request\n"
        "asked = urllib.request.Request(sys.argv[1], headers={'Authorization': sys.argv[2]})\n"
        "try: urllib.request.urlopen(asked)\nexcept OSError: pass\n"
    )
    program.chmod(0o755)
    await world.run("env", profile)
    await world.run_program(str(program), f"{world.url}/credentials/{profile}", world.token(profile))


def _svg(terminal: Terminal) -> str:
    lines = terminal.styled()
    width, height = COLUMNS * LETTER + 2 * MARGIN, (len(lines) + 2) * LINE + 2 * MARGIN
    rows = [_row(["$ mayfly status"], ["default"], 0), *(_row(*line, place + 2) for place, line in enumerate(lines))]
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}">',
            f'<rect width="{width:g}" height="{height:g}" rx="10" fill="#1b1f24"/>',
            '<g font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="14">',
            *rows,
            "</g>",
            "</svg>",
            "",
        )
    )


def _row(texts: list[str], colours: list[str], place: int) -> str:
    spans, column = [], 0
    for text, colour in zip(texts, colours, strict=True):
        if text.strip():
            x = MARGIN + column * LETTER
            fill = COLOURS.get(colour, COLOURS["default"])
            length = len(text) * LETTER
            spans.append(f'<tspan x="{x:g}" fill="{fill}" textLength="{length:g}">{escape(_kept(text))}</tspan>')
        column += len(text)
    return f'<text y="{MARGIN + (place + 1) * LINE - 5:g}">{"".join(spans)}</text>'


def _kept(text: str) -> str:
    """`text` with blanks that no viewer folds."""
    return text.replace(" ", "\u00a0")


def main() -> None:
    """Write the picture."""
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as folder:
        svg = asyncio.run(picture(Path(folder)))
    (ROOT / "docs/status.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
