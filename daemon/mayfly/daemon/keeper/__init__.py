"""The engine: keeps the sessions, and calls the exchange.

    keeper.py    what the faces and the clock ask
    lanes.py     what is wanted and under way, by which exchange
    batches.py   what goes into one exchange
    turns.py     one code of a device a step
    outcomes.py  what came of an exchange, entered in the ledger
    checks.py    what is looked at before a result is believed
    doubts.py    whether AWS takes what is held
    snapshot.py  the sessions as bytes, to be kept over a restart
    ledger.py    the sessions, and what stands on what
    lookout.py   who is there
    gathering.py waiting for those who come together
    tasks.py     what runs beside everything else

It decides nothing about *when*: that is `mayfly.session`.
"""

from mayfly.daemon.keeper.keeper import Keeper


__all__ = ["Keeper"]
