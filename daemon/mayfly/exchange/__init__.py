"""The exchange: a process that lives for seconds, and the only place where permanent keys and one-time codes ever are.

It takes no orders: a request names profiles, and everything else comes from the config that the exchange reads itself.
"""
