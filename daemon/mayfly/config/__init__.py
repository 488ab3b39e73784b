"""The config: the file, its checks, and the values that come out.

    document.py      the file, read and parsed into one plain tree
    load.py          turns a document into a `Config`, or tells every problem
    model.py         `Config` and its profiles
    sketch.py        the part of a login that `op` needs, without attrs and cattrs
    way.py           one way to 1Password, without them
    rules.py         checks that span several keys
    values.py        checks of one key
    region.py        the check of a region's name, for the commands too
    kinds.py         the kinds of values (text, number, list …)
    assume_role.py   the parameters of AssumeRole
    narrowing.py     what narrows the session of a grant
    lasting.py       how long a profile's sessions can last
    profile_name.py  the check of a profile's name, for the commands too
    strict_json.py   JSON without doubled keys
    network.py       the certificates and the proxy that the environment names for calls to AWS
    sts_endpoint.py  the check of an STS endpoint that an environment variable names
    detours.py       settings that send calls to AWS another way, for `status`

This file imports nothing: a shell start-up reads only the document, and must not pay for attrs and cattrs.
"""
