"""How a grant's credentials reach those for whom the port is out of reach: by a socket, or by a file, in a folder.

    folder.py      `RUNTIME/grants/ID`: made, written and removed by descriptors
    socket.py      the server on a grant's socket
    binding.py     that socket, bound by the desk for a sealed daemon
    config.py      the config of a grant by file
    judge.py       the one grant that counts on a socket
    delivery.py    opens, renews and closes all of it

Law: nothing that a container may have put into a mounted folder leads elsewhere, and nothing of others is removed.
"""

from mayfly.daemon.delivery.delivery import Delivery, Wanted
from mayfly.daemon.grants.delivery import Paths


__all__ = ["Delivery", "Paths", "Wanted"]
