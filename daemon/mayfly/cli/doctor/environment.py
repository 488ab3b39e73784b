"""The variables of this shell: those that win over the endpoint, and whether those of `mayfly env` are still right."""

from __future__ import annotations

import hmac
import re

from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from mayfly.cli import environment, shells, target
from mayfly.cli.doctor import aws_files
from mayfly.cli.doctor.check import Check, failure, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.shared import tokens
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.files import Unreadable, read_plain_file


_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_OURS = re.compile(r"http://127\.0\.0\.1:([0-9]{1,5})/credentials/([A-Za-z0-9._-]{1,64})")


def checks(facts: Facts) -> Iterator[Check]:
    """Keys, a profile, the endpoint's own variables."""
    yield _keys(facts)
    yield _profile(facts)
    yield _endpoint(facts)


def _keys(facts: Facts) -> Check:
    names = [name for name in environment.SHADOWING if name in facts.environ and name not in _PROFILES]
    if not names:
        return ok("environment.keys", "no variable of this shell wins over mayfly's credentials")
    hint = facts.in_shell(dict.fromkeys(names))
    if any(facts.environ[name] for name in names):
        return failure("environment.keys", f"{', '.join(names)}: AWS SDKs take that before mayfly's credentials", hint)
    return warning(
        "environment.keys", f"{', '.join(names)}: set, and empty: object_store signs with an empty key", hint
    )


def _profile(facts: Facts) -> Check:
    name = next((name for name in _PROFILES if name in facts.environ), None)
    if name is None:
        return ok("environment.profile", "AWS_PROFILE is not set")
    value, unset = facts.environ[name], facts.in_shell({name: None})
    if not value:
        return failure("environment.profile", f"{name} is set, and empty: boto3 and the AWS CLI fail", unset)
    files = aws_files.read(facts)
    if value in files.ours:
        return ok("environment.profile", f"{name}={value}, a profile that mayfly has written")
    if keys := files.keys_of(value):
        what = f"{name}={value}: AWS SDKs take its {', '.join(keys)} before mayfly's credentials"
        return warning("environment.profile", what, unset)
    if value in files.names:
        return ok("environment.profile", f"{name}={value}, which has no credentials of its own")
    is_configured = facts.config is not None and value in facts.config.profiles
    hint = "mayfly aws-config --write" if is_configured else unset
    return failure(
        "environment.profile", f"{name}={value}: ~/.aws has no such profile: boto3 and the AWS CLI fail", hint
    )


def _endpoint(facts: Facts) -> Check:
    """A shell that was set up earlier may have another port, a profile that is gone, or a token that was rotated."""
    url = facts.environ.get(environment.URL)
    if not url:
        return ok("environment.endpoint", f"no endpoint in this shell ({environment.URL} is not set)")
    found = _OURS.fullmatch(url)
    if not found:
        return not_known("environment.endpoint", f"{environment.URL} is not mayfly's")
    port, profile = int(found[1]), found[2]
    hint = shells.EVAL[shells.of_user(facts.environ)].format(f"mayfly env {quote(profile)}")
    if facts.config and profile not in facts.config.profiles:
        hint = facts.in_shell(environment.changes_to_unset(facts.environ))
        return failure("environment.endpoint", f"this shell uses {profile}, which is not configured", hint)
    if port != (expected := _expected_port(facts, port)):
        return failure("environment.endpoint", f"this shell asks port {port}, and mayfly is on {expected}", hint)
    if problem := _token_problem(facts, profile):
        return failure("environment.endpoint", problem, hint)
    return ok("environment.endpoint", f"this shell uses {profile}")


def _expected_port(facts: Facts, default: int) -> int:
    try:
        return target.expected_port(facts.given_config)
    except ConfigInvalid:
        return default


def _token_problem(facts: Facts, profile: str) -> str:
    """Why the endpoint would refuse what SDKs send from this shell; "" if it would not."""
    try:
        token = read_plain_file(tokens.token_path(profile), tokens.MAX_BYTES).strip()
    except (OSError, Unreadable):
        return f"the token of {profile} cannot be read"
    if named := facts.environ.get(environment.TOKEN_FILE):
        is_ours = Path(named) == tokens.token_path(profile)
        return "" if is_ours else f"{environment.TOKEN_FILE} is another file than mayfly's"
    given = facts.environ.get(environment.TOKEN, "").encode(errors="surrogateescape")
    if not given:
        return f"{environment.TOKEN} is not set"
    return "" if hmac.compare_digest(given, token) else f"this shell has an older token of {profile}"
