"""What earlier runs were killed before they could remove."""

from __future__ import annotations

import os

from pathlib import Path

from support import faketime
from support.others import ME, by_root


# Above every pid that Linux gives.
NOBODY = 2**22 + 1


@by_root
def test_what_another_user_has_left_stops_nobody(open_folder: Path) -> None:
    """Where only the other user may remove it, as in /dev/shm, it stays; one's own goes."""
    open_folder.chmod(0o1777)
    theirs = open_folder / f"faketime_shm_{NOBODY}"
    ours = open_folder / f"sem.faketime_sem_{NOBODY}"
    for path, uid in ((theirs, 0), (ours, ME)):
        path.touch()
        os.chown(path, uid, uid)

    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(ME)
        os.setuid(ME)
        code = 1
        try:
            faketime.tidy(open_folder)
            code = 0
        finally:
            os._exit(code)

    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert [theirs] == list(open_folder.iterdir())
