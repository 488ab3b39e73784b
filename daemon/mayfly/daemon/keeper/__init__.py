"""The engine: keeps the sessions, and is the only caller of the exchange.

    keeper.py        what the endpoint, the control socket and the clock ask for
    lanes.py         how wanted sessions are got
    wanted.py        the table of wanted sessions
    login_lane.py    logins, one after the other
    role_lane.py     roles on live sessions, all at once
    batches.py       what goes into one exchange
    code_queue.py    which logins wait for the next one-time password
    exchanges.py     one exchange from start to end, and its results
    outcomes.py      entering new credentials and failures in the ledger
    checks.py        what is checked before a result is believed
    verification.py  asking AWS whether it still accepts a session
    ledger.py        the sessions, and which session stands on which
    snapshot.py      the sessions as bytes, to be kept over a restart
    presence.py      who is in front of the screen
    debounce.py      waiting for clients that start together
    idle_timer.py    what is done when an exchange has been silent for a while

Nothing here decides *when*: that is `mayfly.session`.
"""

from mayfly.daemon.keeper.keeper import Keeper


__all__ = ["Keeper"]
