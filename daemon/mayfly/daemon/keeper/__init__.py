"""The engine: keeps the sessions, and is the only caller of the exchange.

    keeper.py        the calls of the endpoint, the control socket and the clock
    hand_outs.py     handing out credentials, at once or after a wait
    rounds.py        what the clock does for each session, again and again
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
    ledger.py        the sessions, by their names
    links.py         which session stands on which, by the config
    grant_links.py   the same for the sessions of grants, too
    grant_session.py what is known of a grant's session
    snapshot.py      the sessions as bytes, to be kept over a restart
    presence.py      the user's presence at the screen
    lock_guard.py    keeping credentials back while the screen is locked
    profile_waits.py waiting on behalf of a profile or a grant, until its session is taken away
    debounce.py      waiting for clients that start together
    idle_timer.py    a call after an exchange has been silent for a while

Nothing here decides *when*: that is `mayfly.session`.
"""

from mayfly.daemon.keeper.keeper import Keeper


__all__ = ["Keeper"]
