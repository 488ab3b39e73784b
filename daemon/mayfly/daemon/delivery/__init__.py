"""Delivers a grant's credentials to clients that cannot reach the port: by a socket or a file in a folder of its own.

    folder.py      `RUNTIME/grants/ID`: made, written and removed by descriptors
    socket.py      the server on a grant's socket
    binding.py     that socket, bound by the desk for a sealed daemon
    config.py      the config of a grant by file
    judge.py       the one grant that counts on a socket
    delivery.py    opens, renews and closes all of it

Law: nothing that a container puts into a mounted folder redirects a write or a removal, and files of others stay.
"""

from mayfly.daemon.delivery.delivery import Deliverable, Delivery
from mayfly.daemon.grants.delivery import Paths


__all__ = ["Deliverable", "Delivery", "Paths"]
