"""Events are told to the log and to listeners, and a slow listener delays nobody."""

import asyncio

from typing import Any

from mayfly.daemon.events import QUEUE_LENGTH, Events
from support.stage import Log


async def begin(events: Events) -> tuple[Any, "asyncio.Task[Any]"]:
    """A listener that waits for its first event."""
    listener = events.listen()
    first = asyncio.ensure_future(anext(listener))
    await asyncio.sleep(0)
    return listener, first


async def test_every_event_goes_to_the_log_and_to_all_who_listen() -> None:
    """An event is a name and facts, the same for everybody."""
    log = Log()
    events = Events(log)
    _, first = await begin(events)
    _, second = await begin(events)
    events.info("session.refreshed", profile="nsrc")
    expected = {"event": "session.refreshed", "profile": "nsrc"}
    assert [expected, expected] == [await first, await second]
    assert [("info", "session.refreshed", {"profile": "nsrc"})] == log.lines


async def test_warnings_are_told_and_faults_are_not() -> None:
    """A fault of ours is for the log alone: it may carry a traceback."""
    log = Log()
    events = Events(log)
    _, first = await begin(events)
    events.error("task.failed", exc_info=None)
    events.warning("session.refresh_failed", code="ApprovalDismissed")
    assert {"event": "session.refresh_failed", "code": "ApprovalDismissed"} == await first
    assert ["error", "warning"] == [level for level, _, _ in log.lines]


async def test_who_does_not_keep_up_loses_the_oldest() -> None:
    """A full queue drops its first event, so the sender never waits."""
    events = Events(Log())
    listener, first = await begin(events)
    for number in range(QUEUE_LENGTH + 10):
        events.info("audit.limited", times=number)
    await first
    events.info("audit.limited", times=-1)
    rest = [(await anext(listener))["times"] for _ in range(QUEUE_LENGTH)]
    assert (11, -1) == (rest[0], rest[-1])


async def test_who_leaves_is_forgotten() -> None:
    """A listener that is closed gets nothing any more, and nothing is kept for it."""
    events = Events(Log())
    listener, first = await begin(events)
    events.info("daemon.draining")
    await first
    await listener.aclose()
    assert set() == events._queues


async def test_close_lets_everybody_go() -> None:
    """The end of the daemon is the end of every stream."""
    events = Events(Log())
    listener, first = await begin(events)
    events.info("daemon.draining")
    events.close()
    heard = [await first, *[told async for told in listener]]
    assert [{"event": "daemon.draining"}] == heard


async def test_listeners_hear_what_the_log_says() -> None:
    """Of a key id the last four, of a text no secret, of fields those that are listed."""
    events = Events(Log())
    listener, first = await begin(events)
    events.info("session.refreshed", profile="nsrc", access_key_id="ASIAIOSFODNN7EXAMPLE", skew_seconds=0)
    events.warning("config.refused", reason="the code is 371946\x1b[31m")

    assert {
        "event": "session.refreshed",
        "profile": "nsrc",
        "access_key_id": "ASIA…MPLE",
        "skew_seconds": 0,
    } == await first
    assert {"event": "config.refused", "reason": "the code is [redacted]\N{REPLACEMENT CHARACTER}[31m"} == await anext(
        listener
    )
