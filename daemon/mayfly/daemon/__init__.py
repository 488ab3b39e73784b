"""The daemon: the process that lives for weeks. It holds temporary credentials, and answers."""
