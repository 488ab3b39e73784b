"""`mayfly install` and `mayfly uninstall`: the user service, by systemd or launchd."""
