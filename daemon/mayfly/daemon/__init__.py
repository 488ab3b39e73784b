"""The daemon: the process that lives for weeks. It holds temporary credentials, and answers.

daemon.py            composes the parts; the phases of a life
endpoint/            the HTTP face for SDKs
control.py           the HTTP face for the user's own commands; event_stream.py is its `GET /events`
grants_control.py    the routes of grants there; routes.py says what a route is
http/                the HTTP server below both
admission.py         the check of a client's user
grants/              the check of a client's token; grants: made, ended, kept over a restart
keeper/              the engine: keeps the sessions
launcher.py          starts exchanges
session_store.py     sessions over a restart
prompt_files.py      the ends of sessions, for shells' prompts
reload.py            the config and the tokens, read again
report.py            the answer to `GET /status`; its values are in status.py and next_step.py
audit.py             the fetches of each process
notifications.py     notifications on the screen
remote_desk.py       the desk behind a socket
refusing_daemon.py   tells clients why the daemon cannot serve
events.py            events, for the log (log.py and log_*.py, redaction.py) and for listeners
sockets.py, descriptors.py, process.py, tasks.py, threads.py    tools
"""
