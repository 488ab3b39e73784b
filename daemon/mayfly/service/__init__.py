"""The service manager of the user's session: what it hands to the daemon, what the daemon tells it, and its units.

    inherited.py          the sockets that systemd has opened for the daemon
    notify.py             the messages of a running service to systemd
    fd_store.py           the bytes that systemd keeps over a restart
    manager.py            these three in one object, as the daemon needs them
    installed_version.py  the version on disk, which may differ from the running one
    units.py              the templates of the units, and how they are filled in
    files.py              the state of a unit's file: ours, edited by hand, or foreign
    systemd.py            `systemctl --user`
    sandbox.py            which parts of the seal this machine supports
    launchd.py            the same for macOS

Law: nothing here knows what a session is, and nothing here holds a secret for longer than it takes to hand it on.
"""
