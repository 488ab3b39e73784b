"""1Password: `op` is run here, and nowhere else.

op.py             `op inject` for all references of one [onepassword] table
op_program.py     finds `op`, and checks its version
environment.py    the environment of `op`
items.py          checks the values that `op` gives
lock.py           one `op` at a time
sent_codes.py     each one-time password is sent once
refusals.py       the errors of `op` as errors of ours; texts.py: their texts
child.py          a child process with limits
command.py        `token_command` and `otp_command`
windows_drive.py  op.exe under WSL
"""
