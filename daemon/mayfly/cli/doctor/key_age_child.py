"""`python -m mayfly.cli.doctor.key_age_child ENDPOINT PROFILE=REGION…`: asks IAM for the dates of access keys.

The session comes from the daemon, is in this process alone, and ends with it. ENDPOINT "" is AWS's own.
"""

from __future__ import annotations

import json
import logging
import os
import sys

from typing import Any

import botocore.session

from botocore import exceptions as boto
from botocore.config import Config
from botocore.loaders import Loader

from mayfly.cli import client
from mayfly.cli.doctor.children import print_answer
from mayfly.config.network import ca_bundle
from mayfly.exchange.sts.environment import seal_environment
from mayfly.shared import hardening
from mayfly.shared.errors import MayflyError


CONNECT_SECONDS = 3
READ_SECONDS = 5


def main() -> int:
    """Print a line for each profile: `made_at`, the dates of the user's active keys, or `reason`."""
    hardening.forbid_core_dumps()
    hardening.forbid_dumping()
    # No log of botocore's: it could show a secret.
    logging.disable()
    bundle = ca_bundle(os.environ)
    seal_environment(os.environ)
    endpoint, *pairs = sys.argv[1:]
    for pair in pairs:
        name, _, region = pair.partition("=")
        try:
            made_at = _made_at(name, region, endpoint, bundle.value if bundle else None)
        except (client.NotRunning, client.Distrusted, MayflyError) as reason:
            print_answer(profile=name, reason=str(reason))
        except boto.ClientError as refusal:
            print_answer(profile=name, reason=f"IAM answers {refusal.response['Error'].get('Code')} to ListAccessKeys")
        except (boto.BotoCoreError, OSError, ValueError, LookupError):
            print_answer(profile=name, reason="IAM cannot be asked")
        else:
            print_answer(profile=name, made_at=made_at)
    return 0


def _made_at(name: str, region: str, endpoint: str, bundle: str | None) -> list[str]:
    reply = client.ask("GET", f"/peek/{name}")
    if reply.status == 403:
        raise client.NotRunning(f"the screen is locked, and on_lock withholds {name}")
    if reply.status != 200:
        raise client.NotRunning("the daemon has no session, or is of an older version")
    session = json.loads(reply.body)
    answer = _iam(session, region, endpoint, bundle).list_access_keys()
    active = [key for key in answer["AccessKeyMetadata"] if key["Status"] == "Active"]
    if not active:
        raise LookupError
    return [key["CreateDate"].isoformat() for key in active]


def _iam(session: dict[str, str], region: str, endpoint: str, bundle: str | None) -> Any:
    source = botocore.session.Session()
    # As in the exchange: botocore's own data, and not what lies in ~/.aws/models.
    own_data = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    source.register_component("data_loader", own_data)
    return source.create_client(
        "iam",
        region_name=region,
        endpoint_url=endpoint or None,
        verify=bundle or True,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 1},
            proxies={} if endpoint.startswith("http://") else None,
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
