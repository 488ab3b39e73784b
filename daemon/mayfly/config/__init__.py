"""The config: the file, its checks, and the values that come out.

    document.py      the file, read and parsed into one plain tree
    load.py          turns a document into a `Config`, or tells every problem
    model.py         `Config` and its profiles
    sketch.py        what a login asks of `op`, without attrs and cattrs; way.py: one way to 1Password, without them
    rules.py         checks that span several keys
    values.py        checks of one key
    region.py        the check of a region's name, for the commands too
    kinds.py         the kinds of values (text, number, list …)
    assume_role.py   the parameters of AssumeRole
    strict_json.py   JSON without doubled keys
    network.py       which certificates and which proxy the environment names for calls to AWS
    sts_endpoint.py  which STS endpoint an environment variable may name
    detours.py       settings that send calls to AWS another way, for `status`

This file imports nothing: a shell start-up reads only the document, and must not pay for attrs and cattrs.
"""
