"""`mayfly init`: from 1Password's items to a config, a service and a first `whoami`.

    init.py          the command: the order of the questions
    talk.py          questions and answers at a terminal
    asking.py        asks the reader, and lets the person mend what is wrong
    reader.py        a child process, the only one that sees values: runs `op`, passes on names and shapes
    op_json.py       what `op` prints, cut down to names and shapes
    shapes.py        the shape of a value
    devices.py       ListMFADevices, in the reader
    items.py         accounts, items and fields as values
    ranking.py       which items may hold keys
    fields.py        which field is which, and the reference to it
    picks.py         the items and fields that are picked
    serial.py        the MFA device
    ways.py          which way to 1Password
    profiles.py      the profile's name and region, and the roles of ~/.aws
    draft.py         the tables to be written
    next_steps.py    install, aws-config, login, whoami
    trial_daemon.py  a daemon for that login, where none runs

`import-aws-config` shares with it the reader of ~/.aws (aws_config/) and the writer of configs (config_text.py and
config_file.py in cli/).
"""
