"""What is configured: the file, its checks, and the values that come out.

    document.py     the file, found and parsed into one plain tree
    load.py         a document, checked as a whole, as a `Config`
    model.py        `Config` and its profiles
    rules.py        checks that span several keys
    values.py       checks of one key
    kinds.py        the kinds of values (text, number, list …)
    assume_role.py  the parameters of AssumeRole

This file imports nothing: a shell start-up reads only the document, and must not pay for attrs and cattrs.
"""
