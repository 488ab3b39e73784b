"""The engine: keeps the sessions, and is the only caller of the exchange.

    keeper.py        the calls of the endpoint, the control socket and the clock
    lanes.py         gets the wanted sessions, by the two lanes
    wanted.py        the table of wanted sessions
    renewals.py      starting renewals, for the clock, a client or a person
    login_lane.py    logins, one after the other
    role_lane.py     roles on live sessions, all at once
    batches.py       the request for one exchange
    code_queue.py    which logins wait for the next one-time password
    exchanges.py     one exchange from start to end
    spare.py         an exchange that is opened while the desk looks at the screen
    progress.py      each profile's status, and what is waited for
    recorder.py      recording new credentials and failures in the ledger
    result_checks.py checks of a result before it is recorded
    common_errors.py errors that several files raise
    verification.py  asking AWS whether it still accepts a session
    ledger.py        the sessions, and which session stands on which
    snapshot.py      the sessions as bytes, to be kept over a restart
    presence.py      the user's presence at the screen
    lock_guard.py    keeping credentials back while the screen is locked
    profile_waits.py waiting on behalf of a profile, until a reload takes its session away
    debounce.py      waiting for clients that start together
    idle_timer.py    a call after an exchange has been silent for a while

Nothing here decides *when*: that is `mayfly.session`.
"""

from mayfly.daemon.keeper.keeper import Keeper


__all__ = ["Keeper"]
