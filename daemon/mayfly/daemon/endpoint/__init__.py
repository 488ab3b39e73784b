"""The container credentials endpoint: the HTTP face that AWS SDKs ask.

It reads, and asks to wake; it decides nothing.
"""

from mayfly.daemon.endpoint.endpoint import Endpoint


__all__ = ["Endpoint"]
