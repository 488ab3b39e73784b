"""What a login asks of `op`, read without attrs and cattrs: it is what the fully checked config says, or nothing."""

from __future__ import annotations

import json
import subprocess
import sys

from pathlib import Path
from typing import Any

import pytest

from mayfly.config.document import Document
from mayfly.config.sketch import sketches
from mayfly.exchange.sts.location import links
from support.configs import ROLE_ARN, document, keys, loaded, problems, role


SERIAL = "arn:aws:iam::123456789012:mfa/me"
PROFILES = {
    "base": keys(),
    "serial": keys(mfa_id=SERIAL, otp="op://V/I/totp?attr=totp", region="eu-central-1"),
    "section": keys(access_key_id="op://V/I/AWS keys/id", sts_region="eu-west-1", duration_seconds=900),
    "regions": keys(sts_region=["eu-central-1", "eu-west-1"], sts_endpoint_url="http://127.0.0.1:9"),
    "robot": keys(onepassword="robot"),
    "role": role(),
    "above": role("role", region="us-west-2"),
    "each": role(mfa="each", sts_endpoint_url="https://sts.example"),
    "above-each": role("each"),
}
CONFIG: dict[str, Any] = {
    "listen": "127.0.0.1:9999",
    "onepassword": {"op": "~/bin/op", "account": "my.1password.com", "timeout_seconds": 30},
    "onepasswords": {
        "robot": {"token_file": "/run/token"},
        "script": {"token_command": ["pass", "show", "op"]},
        "server": {"connect_host": "https://connect", "connect_token_file": "/run/connect"},
    },
    "profiles": PROFILES | {f"by-{name}": keys(onepassword=name) for name in ("robot", "script", "server")},
}


def test_a_sketch_is_what_the_checked_config_says() -> None:
    """For each profile: whose keys and code, by which way to 1Password, and where STS is."""
    config = loaded(CONFIG)
    for name in config.profiles:
        (sketch,) = sketches(document(CONFIG), [name])
        base = config.base_of(name)
        found, table = config.keys_of(base), config.keys_of(base).onepassword

        assert config.onepassword_of(base).plain() == sketch.way
        assert (f"onepasswords.{table}" if table else "onepassword") == sketch.table
        assert (found.references(), found.mfa_id) == (sketch.references, sketch.mfa_id)
        assert tuple(links(config, base)) == sketch.links


def test_profiles_on_one_login_are_one_sketch() -> None:
    """A role without a code of its own comes from the session below it."""
    found = document(CONFIG)

    assert sketches(found, ["base"]) == sketches(found, ["role", "base", "above"])
    assert sketches(found, ["base", "each"]) == sketches(found, ["above", "above-each"])


# What is wrong in the part that a sketch needs, in a tree with the profiles "base" and "role".
UNUSUAL: dict[str, Any] = {
    "no reference": {"profiles": {"base": keys(access_key_id="AKIA"), "role": role()}},
    "a code with another query": {"profiles": {"base": keys(otp="op://V/I/totp?attribute=value"), "role": role()}},
    "no device": {"profiles": {"base": keys(mfa_id="arn:aws:iam::1:mfa/x"), "role": role()}},
    "a missing key": {"profiles": {"base": {"otp": "op://V/I/totp"}, "role": role()}},
    "no table": {"profiles": {"base": 1, "role": role()}},
    "a region that is none": {"profiles": {"base": keys(region="nowhere"), "role": role()}},
    "no region in the list": {"profiles": {"base": keys(sts_region=[]), "role": role()}},
    "an endpoint that others can read": {"profiles": {"base": keys(sts_endpoint_url="http://sts"), "role": role()}},
    "a role that leads back": {"profiles": {"base": role("role"), "role": role("base")}},
    "a source that is missing": {"profiles": {"base": role("none"), "role": role()}},
    "a role with another mfa": {"profiles": {"base": role("keys", mfa="all"), "role": role(), "keys": keys()}},
    "a role that is none": {
        "profiles": {"base": role("keys", mfa="each", role_arn="x"), "role": role(), "keys": keys()}
    },
    "a way that is missing": {"profiles": {"base": keys(onepassword="none"), "role": role()}},
    "an op that is not named from the root on": {"onepassword": {"op": "bin/op"}},
    "an unknown key of a way": {"onepassword": {"vault": "x"}},
    "half a Connect server": {"onepassword": {"connect_host": "https://connect"}},
    "two ways in one": {"onepassword": {"token_file": "/t", "token_command": ["x"]}},
    "an account for a token": {"onepassword": {"token_file": "/t", "account": "x"}},
    "a command without a program": {"onepassword": {"token_command": []}},
    "a time limit that is none": {"onepassword": {"timeout_seconds": True}},
    "a table that is none": {"onepassword": "x"},
}


@pytest.mark.parametrize("case", UNUSUAL)
def test_what_does_not_pass_its_checks_has_no_sketch(case: str) -> None:
    """The ordinary way tells the problem, which is one there too."""
    tree = {"profiles": {"base": keys(), "role": role()}} | UNUSUAL[case]

    assert [] != problems(tree)
    with pytest.raises((ValueError, TypeError, LookupError, AttributeError)):
        sketches(document(tree), ["role"])


def test_a_sketch_costs_no_attrs(tmp_path: Path) -> None:
    """`op` starts by it in a fresh interpreter: neither attrs nor cattrs nor pathlib is imported for it."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"profiles": {"a": keys(), "b": {"source_profile": "a", "role_arn": ROLE_ARN}}}))
    script = (
        "import sys; from mayfly.config import document; from mayfly.config.sketch import sketches; "
        "[sketch] = sketches(document.read(sys.argv[1]), ['b']); print(*sketch.references, "
        "*sorted({'attr', 'attrs', 'cattr', 'cattrs', 'pathlib'} & set(sys.modules)))"
    )
    # An empty environment: coverage would import pathlib.
    ended = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True, env={})

    assert "op://V/I/id op://V/I/secret op://V/I/mfa op://V/I/totp?attribute=otp\n" == ended.stdout


def test_the_one_account_shape_has_a_sketch() -> None:
    """`{"aws": {…}}` is a profile like any other."""
    found = Document("/c/config.json", json.dumps({"aws": keys(org_id="nsrc")}).encode())

    assert sketches(document({"profiles": {"nsrc": keys()}}), ["nsrc"]) == sketches(found, ["nsrc"])
