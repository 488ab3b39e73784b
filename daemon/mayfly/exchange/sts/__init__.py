"""AWS STS: every call to AWS is made here.

sessions.py          the calls of a login
roles.py             AssumeRole from sessions; assume_role.py: its parameters
identity.py          GetCallerIdentity
client.py            one call; connection.py: whether it was sent; http_session.py: no redirect, limited answers
answers.py           checks every answer
account_check.py     the account of new credentials
refusals.py          AWS's refusals as errors of ours; denials.py, hints.py, session_policies.py: their next steps
location.py          where STS is for a profile
reachability.py      whether STS can be reached
environment.py       nothing in the environment may redirect a call
"""
