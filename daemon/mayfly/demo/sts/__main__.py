"""The embedded STS as a process: `python -m mayfly.demo.sts --account FILE.json`.

It prints its URL as the first line on stdout and serves until it is killed. FILE.json has the fields of Account, User,
Role and Faults:

    {"account_id": "058264411872",
     "users": [{"name": "carmas", "user_id": "AIDA…", "access_key_id": "AKIA…",
                "secret_access_key": "…", "mfa_serial": "arn:aws:iam::058264411872:mfa/carmas",
                "totp_seed": "BASE32"}],
     "roles": [{"name": "Admin", "max_session_seconds": 3600, "requires_mfa": true}],
     "faults": {"latency_seconds": 0.2, "max_life_seconds": 60, "script": ["throttle"]}}
"""

import argparse
import asyncio
import contextlib

from pathlib import Path

from mayfly.demo.sts.account import account_from, read_document
from mayfly.demo.sts.faults import faults_from
from mayfly.demo.sts.server import EmbeddedSts


async def _serve(path: Path) -> None:
    document = read_document(path)
    faults = faults_from(document.get("faults", {}))
    async with EmbeddedSts(account_from(document), faults=faults) as sts:
        print(sts.url, flush=True)
        await asyncio.Event().wait()


def main() -> None:
    """Serve the account of `--account FILE.json` until killed."""
    parser = argparse.ArgumentParser(prog="python -m mayfly.demo.sts", description="an AWS STS for one account")
    parser.add_argument(
        "--account", type=Path, required=True, metavar="FILE.json", help="the account, and what goes wrong with it"
    )
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.account))


if __name__ == "__main__":
    main()
