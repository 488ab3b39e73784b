"""Under sudo, work with the daemon of the user who called it."""

from __future__ import annotations

import os
import stat

from mayfly.shared.runtime_folder import runtime_dir
from mayfly.shared.users import work_with_daemon_of


def accept_sudo_user() -> None:
    """Under sudo, work with the daemon of the user who called it, if the runtime folder is that user's.

    sudo(8) sets SUDO_UID. Root may read that user's files in any case; the daemon decides by `allow_root`.
    """
    caller = sudo_uid()
    try:
        facts = os.lstat(runtime_dir()) if caller else None
    except OSError:
        return
    if facts and stat.S_ISDIR(facts.st_mode) and facts.st_uid == caller:
        work_with_daemon_of(facts.st_uid)


def sudo_uid() -> int:
    """The user who called sudo; 0 if nobody has, or root itself."""
    caller = os.environ.get("SUDO_UID", "")
    return int(caller) if os.getuid() == 0 and caller.isascii() and caller.isdigit() else 0
