"""The environment of a grant: for a command an allow-list, for a shell the changes that it evaluates.

Law: a command of a grant gets no credentials and no way to any but the grant's. So every variable of AWS's, 1Password's
and ours is taken away but those that are listed here; what AWS invents tomorrow is taken away, too. Pure.
"""

from __future__ import annotations

import os

from collections.abc import Mapping

from mayfly.cli import environment
from mayfly.cli.environment import Changes
from mayfly.cli.grant import order
from mayfly.cli.grant.granted import Granted
from mayfly.cli.target import Target


GUARDED = ("AWS_", "AMAZON_", "BOTO", "OP_", "MAYFLY_")

# None holds credentials, or says where some are (botocore's `configprovider.py`; "Settings reference" in the AWS SDKs
# and Tools Reference Guide; object_store's documentation).
HARMLESS = frozenset(
    {
        # Where to work. `exec` leaves the user's region alone, too.
        *environment.REGIONS,
        # Without a company's certificate authority no call gets through.
        "AWS_CA_BUNDLE",
        # How often, how fast, and to which kind of host.
        "AWS_DEFAULTS_MODE",
        "AWS_DISABLE_REQUEST_COMPRESSION",
        "AWS_MAX_ATTEMPTS",
        "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES",
        "AWS_RETRY_MODE",
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
        # What stores that speak S3 need: checksums, path styles, locks.
        "AWS_ALLOW_HTTP",
        "AWS_REQUEST_CHECKSUM_CALCULATION",
        "AWS_RESPONSE_CHECKSUM_VALIDATION",
        "AWS_S3_ALLOW_UNSAFE_RENAME",
        "AWS_S3_DISABLE_EXPRESS_SESSION_AUTH",
        "AWS_S3_DISABLE_MULTIREGION_ACCESS_POINTS",
        "AWS_S3_LOCKING_PROVIDER",
        "AWS_S3_US_EAST_1_REGIONAL_ENDPOINT",
        "AWS_S3_USE_ARN_REGION",
        # How the AWS CLI speaks to people and programs.
        "AWS_CLI_AUTO_PROMPT",
        "AWS_CLI_FILE_ENCODING",
        "AWS_DEFAULT_OUTPUT",
        "AWS_PAGER",
        # Words in the User-Agent, which CloudTrail shows.
        "AWS_EXECUTION_ENV",
        "AWS_SDK_UA_APP_ID",
        # Other endpoints (LocalStack, a VPC's) are what the user set. Without them, calls that are meant for a test
        # would reach the real account. The other endpoint gets signatures, which give nobody the secret key.
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_ENDPOINT",
        "AWS_ENDPOINT_URL",
    }
)
# AWS_ENDPOINT_URL_S3, one for each service.
HARMLESS_PREFIX = "AWS_ENDPOINT_URL_"

# So that `mayfly env --off` in a command that is a shell can undo what `exec` would have set.
MARKS = frozenset(environment.MARK + name for name in (*environment.REGIONS, *environment.NO_PROXIES))

# For every SDK an empty file (tried with boto3, the AWS CLI, and the SDKs for JavaScript, Go, Java, Rust and C++).
# JavaScript v2 fails on a missing one where AWS_SDK_LOAD_CONFIG is set. Nobody can write into this one, as a command
# could into a file of ours (`aws configure set`), for the next grant to find.
EMPTY_FILE = os.devnull


def of_command(now: Mapping[str, str], target: Target, grant: Granted) -> dict[str, str]:
    """The variables of a grant's command."""
    # First the changes, which know by our marks what is the user's, then the list.
    changed = environment.applied(now, _changes(now, target, grant))
    ours = dict(_way(grant, target)) | _own(grant)
    kept = {name: value for name, value in changed.items() if not is_guarded(name) or name in MARKS}
    return (
        kept
        | {environment.PROFILE: target.profile}
        | {
            "AWS_CONFIG_FILE": grant.config_file or EMPTY_FILE,
            "AWS_SHARED_CREDENTIALS_FILE": shared_credentials_file(grant),
            "AWS_SDK_LOAD_CONFIG": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        | ours
    )


def of_shell(now: Mapping[str, str], target: Target, grant: Granted) -> Changes:
    """The changes for a shell; `mayfly env --off` undoes them."""
    changes = _changes(now, target, grant) | _way(grant, target) | _own(grant)
    if grant.delivery == order.FILE and grant.config_file:
        files = {
            "AWS_CONFIG_FILE": grant.config_file,
            # [default] in it would win over the config's.
            "AWS_SHARED_CREDENTIALS_FILE": shared_credentials_file(grant),
            "AWS_SDK_LOAD_CONFIG": "1",
        }
        changes |= environment.changes_to_files(now, files)
    if grant.credentials:
        changes |= environment.changes_to_static(grant.credentials)
    return changes


def is_guarded(name: str) -> bool:
    """True for a variable that a grant's command does not inherit."""
    is_listed = name in HARMLESS or name.startswith(HARMLESS_PREFIX)
    return name.startswith(GUARDED) and not is_listed


def shared_credentials_file(grant: Granted) -> str:
    """The file in the place of `~/.aws/credentials`. What `--as file` delivers is another: its config prints it."""
    return EMPTY_FILE if grant.delivery == order.FILE else grant.credentials_file or EMPTY_FILE


def _changes(now: Mapping[str, str], target: Target, grant: Granted) -> Changes:
    changes = environment.changes_to_choose(now, target)
    return changes | environment.changes_past_proxy(now) if grant.token or grant.token_path else changes


def _way(grant: Granted, target: Target) -> dict[str, str]:
    """The variables that lead to the credentials, or hold them."""
    if grant.credentials:
        return grant.credentials
    if not (grant.token or grant.token_path):
        return {}
    # Where there is a file it was asked for: SDKs that take either prefer the token itself.
    is_file = grant.token_path is not None
    token = {environment.TOKEN_FILE if is_file else environment.TOKEN: grant.token_path or grant.token or ""}
    return {environment.URL: f"http://127.0.0.1:{target.port}/credentials/{target.profile}"} | token


def _own(grant: Granted) -> dict[str, str]:
    socket = {environment.SOCKET: grant.socket} if grant.socket else {}
    return {environment.GRANT: grant.id} | socket
