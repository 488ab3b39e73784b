"""The exchange: a process that lives for seconds, and the only one that ever holds long-term access keys and codes.

A request only names profiles. Everything else comes from the config, which the exchange reads itself.
"""
