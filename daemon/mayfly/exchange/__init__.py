"""The exchange: a process that lives for seconds, and the only one that ever holds long-term access keys and codes.

    program.py      the process: one request in, one line for each profile out
    early.py        starts `op` before slow imports, in the plain case
    request.py      carries out one request
    login.py        a login: joins onepassword/, otp_command.py and sts/
    preflight.py    the obstacles that are found before a person is prompted
    otp_command.py  a program that prints one-time passwords
    grants.py       how much a request may order for the session of a grant
    onepassword/    runs `op`
    sts/            calls AWS
    streams.py, peer_check.py, descendants.py    standard streams, who may ask, the end of every child

A request only names profiles. Everything else comes from the config, which the exchange reads itself.
"""
