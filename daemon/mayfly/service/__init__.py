"""The service manager of the user's session: what it hands us, what we tell it, and how it is told of us.

    inherited.py  the sockets it has opened for us
    notify.py     what a running service tells systemd
    store.py      what systemd keeps for us over a restart
    manager.py    the three together, as the daemon needs them
    version.py    whether another version lies on disk than the one that runs
    units.py      the templates of the units, and how they are filled in
    files.py      ours, edited, or another's: what stands where a unit is to be written
    systemd.py    put the units there, and take them away
    sandbox.py    what of the seal this machine can do
    launchd.py    the same for macOS

Law: nothing here knows what a session is, or holds a secret for longer than it takes to hand it on.
"""
