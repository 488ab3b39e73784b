"""The desk as a program: `python -I -m mayfly.desk`, started by systemd with the socket on which it answers.

It answers processes of its own user only. After `IDLE_SECONDS` without a question it ends; systemd starts it again at
the next connection.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from mayfly.desk import desk_here
from mayfly.desk.answers import answer_to, asks_person
from mayfly.desk.grant_sockets import send_socket, wanted_grant
from mayfly.shared.clock import Clock
from mayfly.shared.desk import MAX_LINE_BYTES, LocalDesk
from mayfly.shared.peer import is_ours, unix_peer


IDLE_SECONDS = 120
QUESTION_SECONDS = 5
SOCKET = 3


def main() -> int:
    """Answer until idle. Returns the exit code: 0, or 2 if there is no socket."""
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()) or os.environ.pop("LISTEN_FDS", "") != "1":
        print("mayfly.desk: error: systemd starts this: mayfly install", file=sys.stderr)  # noqa: T201 - a program
        return 2
    os.environ.pop("LISTEN_FDNAMES", None)
    os.set_inheritable(SOCKET, False)
    asyncio.run(serve(socket.socket(fileno=SOCKET), desk_here(Clock()), IDLE_SECONDS))
    return 0


async def serve(sock: socket.socket, desk: LocalDesk, idle_seconds: float) -> None:
    """Answer on a listening socket until `idle_seconds` have passed without a connection."""
    asked = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        try:
            if _is_ours(writer.get_extra_info("socket")):
                async with asyncio.timeout(QUESTION_SECONDS):
                    line = await reader.readline()
                if grant_id := wanted_grant(line):
                    send_socket(writer.get_extra_info("socket"), grant_id)
                    return
                writer.write(await _answered(line, desk, reader))
                await writer.drain()
        except (OSError, TimeoutError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            pass  # a malformed question gets no answer
        finally:
            writer.close()

    # The socket's path is systemd's. start_unix_server of Python 3.13 and newer removes it when the server closes.
    async with await asyncio.start_server(answer, sock=sock, limit=MAX_LINE_BYTES):
        while True:
            try:
                async with asyncio.timeout(idle_seconds):
                    await asked.wait()
            except TimeoutError:
                return
            asked.clear()


async def _answered(line: bytes, desk: LocalDesk, reader: asyncio.StreamReader) -> bytes:
    """The answer. A question to a person ends with its asker's connection: nobody would hear what the person says."""
    if not asks_person(line):
        return await answer_to(line, desk)
    answer = asyncio.ensure_future(answer_to(line, desk))
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait([answer, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ConnectionResetError("the asker has gone")
        return answer.result()
    finally:
        answer.cancel()
        leaving.cancel()
        await asyncio.gather(answer, leaving, return_exceptions=True)


def _is_ours(sock: socket.socket) -> bool:
    peer = unix_peer(sock)
    return peer is not None and is_ours(peer[1])


if __name__ == "__main__":
    sys.exit(main())
