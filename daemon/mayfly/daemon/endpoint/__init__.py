"""The container credentials endpoint: the HTTP face that AWS SDKs ask.

It reads sessions, and asks the keeper for renewals. It decides nothing.
"""

from mayfly.daemon.endpoint.endpoint import Endpoint


__all__ = ["Endpoint"]
