"""An MCP client: starts the server of its command line, over stdio, and calls its tool for each line that it reads.

Prints a line for each answer: whether it is an error, and its text, in JSON.
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main() -> None:
    """Until standard input ends."""
    server = StdioServerParameters(command=sys.argv[1], args=sys.argv[2:], env=dict(os.environ))
    async with stdio_client(server) as (reads, writes), ClientSession(reads, writes) as session:
        await session.initialize()
        while await asyncio.to_thread(sys.stdin.readline):
            result = await session.call_tool("whoami")
            print(json.dumps([result.is_error, result.content[0].text]), flush=True)


asyncio.run(main())
