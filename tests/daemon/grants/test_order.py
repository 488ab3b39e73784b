"""What may be asked for: a request for a grant is read strictly, and each refusal is a sentence."""

from __future__ import annotations

import json

from typing import Any

import pytest

from mayfly.daemon.grants import narrowing
from mayfly.daemon.grants.order import Order, parse
from mayfly.shared.errors import GrantRefused
from mayfly.shared.grant import Narrowing


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON object"),
        (b"\xff", "no JSON object"),
        (b"[" * 5000, "no JSON object"),
        (b"[]", "no JSON object"),
        (b'"nsrc"', "no JSON object"),
        (b'{"profile": "nsrc", "profile": "other"}', "no JSON object"),
        (b'{"profile": "nsrc", "seconds": NaN}', "no JSON object"),
        (b"{}", "names no profile"),
        (b'{"profile": null}', "names no profile"),
        (b'{"profile": 7}', "profile must be a text"),
        (b'{"profile": "nsrc", "tags": {}}', "'tags'"),
        (b'{"profile": "nsrc", "role_arn": "arn:aws:iam::1:role/Admin"}', "'role_arn'"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, words: str) -> None:
    """Nothing is guessed, and no key is passed over."""
    with pytest.raises(GrantRefused, match=words):
        parse(body)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": ""}, "a label is"),
        ({"label": "a" * 33}, "a label is"),
        ({"label": "-a"}, "a label is"),
        ({"label": "a b"}, "a label is"),
        ({"label": "a\n"}, "a label is"),
        ({"label": "ä"}, "a label is"),
        ({"label": ["a"]}, "label must be a text"),
        ({"seconds": 899}, "15 min to 12 h"),
        ({"seconds": 43_201}, "15 min to 12 h"),
        ({"seconds": -900}, "15 min to 12 h"),
        ({"seconds": 900.0}, "seconds must be a whole number"),
        ({"seconds": "900"}, "seconds must be a whole number"),
        ({"seconds": True}, "seconds must be a whole number"),
        ({"narrowing": "read-only"}, "narrowing must be an object"),
        ({"narrowing": {"name": "x"}}, "'name'"),
        ({"narrowing": {"words": "reed-only"}}, "read-only or view-only, or has a policy or policy_arns; not 'reed"),
        ({"narrowing": {"words": "Read-Only", "policy_arns": []}}, "not 'Read-Only'"),
        ({"narrowing": {"policy": {}}}, "policy must be a text"),
        ({"narrowing": {"policy_arns": "arn"}}, "policy_arns must be a list"),
        ({"narrowing": {"policy_arns": [7]}}, "policy_arns must be a list of texts"),
        ({"as": "pigeon"}, "endpoint, socket, file or env"),
        ({"as": "env", "token_file": True}, "has no token"),
        ({"as": "file", "token_file": True}, "has no token"),
        ({"ask": 1}, "ask must be true or false"),
        ({"held": "yes"}, "held must be true or false"),
        ({"token_file": 0}, "token_file must be true or false"),
        ({"allow_disk": "no"}, "allow_disk must be true or false"),
    ],
)
def test_a_value_that_the_rules_refuse_is_named(changes: dict[str, Any], words: str) -> None:
    """With what they allow."""
    with pytest.raises(GrantRefused, match=words):
        parse(json.dumps({"profile": "nsrc"} | changes).encode())


def test_what_is_left_out_is_as_usual() -> None:
    """An hour at the endpoint, for nobody in particular; a null is left out, too."""
    usual = Order("nsrc", "grant", 3600, Narrowing(), "endpoint", False, False, False, False)

    assert usual == parse(b'{"profile": "nsrc"}')
    assert usual == parse(b'{"profile": "nsrc", "label": null, "seconds": null, "narrowing": null, "ask": null}')


def test_everything_can_be_asked_for() -> None:
    """A policy of 2,048 characters, ten ARNs, the longest label and the longest time."""
    arns = [f"arn:aws:iam::aws:policy/P{number}" for number in range(10)]
    tree = {
        "profile": "admin",
        "label": "a" * 32,
        "seconds": 43_200,
        "narrowing": {"words": "anything", "policy": "{" + "\u00e9" * 2046 + "}", "policy_arns": arns},
        "as": "socket",
        "ask": True,
        "token_file": True,
        "allow_disk": True,
        "held": True,
    }

    narrowing = Narrowing("{" + "\u00e9" * 2046 + "}", tuple(arns))
    assert Order("admin", "a" * 32, 43_200, narrowing, "socket", True, True, True, True) == parse(
        json.dumps(tree).encode()
    )


AWS, OWN = "arn:aws:iam::aws:policy/", "arn:aws:iam::123456789012:policy/"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Narrowing(), ""),
        (Narrowing(policy_arns=(f"{AWS}ReadOnlyAccess",)), "read-only"),
        (Narrowing(policy_arns=(f"{AWS}job-function/ViewOnlyAccess",)), "view-only"),
        (Narrowing(policy_arns=(f"{AWS}AdministratorAccess",)), "AdministratorAccess"),
        (Narrowing("{}", (f"{OWN}team/Deploy",)), "the account's Deploy and a policy of its own"),
        (
            Narrowing(policy_arns=(f"{OWN}read-only", f"{OWN}ReadOnlyAccess")),
            "the account's read-only and the account's ReadOnlyAccess",
        ),
    ],
)
def test_a_policy_of_the_account_passes_for_none_of_awss(found: Narrowing, words: str) -> None:
    """What a person approves is called what it is, also if somebody has called a policy `read-only`."""
    assert words == narrowing.words(found)
