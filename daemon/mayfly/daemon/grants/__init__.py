"""Grants: the rights to fetch credentials, one for each token in force.

table.py         the token check: which token opens which profile
registry.py      the one writer: makes grants, ends them, and knows all
order.py         a request for a grant, read from its JSON
new_grant.py     a grant as it begins
rules.py         what is refused, and what is warned about
narrowing.py     what narrows a grant, and the words for it
questions.py     grants that wait for a person's yes
holds.py         the commands that hold grants
sessions.py      the sessions that grants hand out: every call to the engine
deliveries.py    the token's file, the socket and the credentials' files of a grant
grants_file.py   grants over a restart
kept.py          which grants of an earlier process still count
token_file.py    the token of a grant in a file
for_agents.py    grants that the daemon makes by itself, for coding agents
delivery.py      the interface to what makes sockets and files
"""

from mayfly.daemon.grants.for_agents import AgentGrants
from mayfly.daemon.grants.registry import Registry
from mayfly.daemon.grants.table import Grant, Table


__all__ = ["AgentGrants", "Grant", "Registry", "Table"]
