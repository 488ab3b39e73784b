"""A program that uses AWS, for the demo: plain botocore, which knows nothing of Mayfly.

python -m mayfly.demo.sdk_client whoami    GetCallerIdentity with the default credential chain
python -m mayfly.demo.sdk_client replay    GetSessionToken with the access key and code that stdin has as JSON
"""

from __future__ import annotations

import json
import sys

from typing import Any

import botocore.session

from botocore.exceptions import BotoCoreError, ClientError


def whoami() -> str:
    """The caller's ARN, from STS."""
    sts: Any = botocore.session.get_session().create_client("sts")
    return str(sts.get_caller_identity()["Arn"])


def replay() -> str:
    """Ask for a session as the exchange does; returns STS's answer as one line."""
    given = json.load(sys.stdin)
    session = botocore.session.get_session()
    session.set_credentials(given["access_key_id"], given["secret_access_key"])
    sts: Any = session.create_client("sts")
    try:
        sts.get_session_token(SerialNumber=given["mfa_serial"], TokenCode=given["code"])
    except ClientError as refusal:
        return str(refusal.response["Error"]["Message"])
    return "accepted"


def main() -> int:
    """Run the command that the argument names; returns the exit code."""
    try:
        print({"whoami": whoami, "replay": replay}[sys.argv[1]]())
    except BotoCoreError as reason:
        print(reason, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
