"""The embedded STS as a process that can be switched off and on and forgets nothing: `python -m tests.soak.sts FILE`.

It prints its URL; each line on standard input is `down` or `up`.
"""

from __future__ import annotations

import asyncio
import sys

from pathlib import Path

from mayfly.demo.sts.account import account_from, read_document
from mayfly.demo.sts.server import EmbeddedSts


async def _serve(path: Path) -> None:
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with EmbeddedSts(account_from(read_document(path))) as sts:
        print(sts.url, flush=True)
        async for order in orders:
            await (sts.down if order == b"down\n" else sts.up)()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
