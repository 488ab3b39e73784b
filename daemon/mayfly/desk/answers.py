"""The desk's side of its socket: a question read, and answered."""

from __future__ import annotations

import json

from typing import Any

from mayfly.shared.desk import LocalDesk


async def answered(desk: LocalDesk, line: bytes) -> bytes:
    """The answer to the question in `line`; raises ValueError, TypeError or KeyError if there is none in it."""
    question = json.loads(line)
    told: Any = None
    match question["question"]:
        case "scene":
            presence = await desk.presence()
            told = presence and presence.value
        case "tell":
            await desk.tell(str(question["title"]), str(question["text"]))
        case "caller":
            told = await desk.caller(int(question["inode"]))
        case "process":
            told = await desk.process(int(question["pid"]))
        case _:
            raise ValueError("no such question")
    return json.dumps(told).encode() + b"\n"
