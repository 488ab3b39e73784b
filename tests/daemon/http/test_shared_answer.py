"""An answer that is made once for all requests that wait for it, and is older than none of them."""

from __future__ import annotations

import asyncio

import pytest

from mayfly.daemon.http.answer import Answer, json_answer
from mayfly.daemon.http.shared_answer import SharedAnswer


class _Work:
    """Makes answers that are numbered by their beginning, each when it may end."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Semaphore(0)

    async def __call__(self) -> Answer:
        self.begun += 1
        number = self.begun
        await self.may_end.acquire()
        if number == 3:
            raise ValueError(number)
        return json_answer(200, number)


async def _asked(shared: SharedAnswer, times: int) -> list[asyncio.Task[Answer]]:
    """So many requests, which wait now."""
    tasks = [asyncio.create_task(shared.get()) for _ in range(times)]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


async def test_requests_share_an_answer_that_is_not_older_than_they_are() -> None:
    """Those that come at once share one; those that come while it is made share the next, and its exception."""
    work = _Work()
    shared = SharedAnswer(work)
    first = await _asked(shared, 3)
    second = await _asked(shared, 2) + await _asked(shared, 2)
    begun = [work.begun]
    work.may_end.release()
    bodies = {(await task).body for task in first}
    third = await _asked(shared, 2)
    begun.append(work.begun)
    work.may_end.release()
    bodies |= {(await task).body for task in second}
    work.may_end.release()
    for task in third:
        with pytest.raises(ValueError, match="3"):
            await task

    assert [1, 2] == begun
    assert {b"1", b"2"} == bodies
    assert 3 == work.begun


async def test_a_client_that_leaves_takes_no_answer_from_the_others() -> None:
    """Its request is cancelled, the work is not; and an exception that nobody waits for harms nobody."""
    work = _Work()
    shared = SharedAnswer(work)
    first, second = await _asked(shared, 2)
    first.cancel()
    work.may_end.release()
    body = (await second).body
    for _ in range(2):
        (alone,) = await _asked(shared, 1)
        alone.cancel()
        work.may_end.release()
        await asyncio.sleep(0.01)

    assert b"1" == body
    assert 3 == work.begun
