"""The desk's side of the protocol: one question, one answer, each a line of JSON."""

from __future__ import annotations

import json

from typing import Any

from mayfly.shared.desk import LocalDesk


def asks_person(line: bytes) -> bool:
    """True if a person must answer the question in `line`. Raises as `answer_to` does."""
    return bool(json.loads(line)["question"] == "ask")


async def answer_to(line: bytes, desk: LocalDesk) -> bytes:
    """The answer to the question in `line`.

    Raises ValueError, TypeError, KeyError, OverflowError (1e999) or RecursionError (JSON of a thousand brackets) if
    `line` is no question.
    """
    question = json.loads(line)
    answer: Any = None
    match question["question"]:
        case "scene":
            presence = await desk.presence()
            answer = presence and presence.value
        case "tell":
            await desk.tell(str(question["title"]), str(question["text"]))
        case "can_ask":
            answer = await desk.can_ask()
        case "ask":
            answer = await desk.ask(str(question["text"]))
        case "caller":
            answer = await desk.caller(int(question["inode"]))
        case "process":
            answer = await desk.process(int(question["pid"]))
        case "agent":
            found = await desk.agent(inode=int(question["inode"]), pid=int(question["pid"]))
            # null stands for "no answer". No agent is another answer.
            answer = found or []
        case _:
            raise ValueError("no such question")
    return json.dumps(answer).encode() + b"\n"
