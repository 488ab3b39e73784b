"""A job of boto3's: it calls AWS again and again, with credentials as they come: `mayfly grant … -- python caller.py`.

For each line on standard input it makes a call, and prints a word: `ok`, or what went wrong. With MAYFLY_SOCKET set it
asks through a relay of its own, as a container does; the relay's file is its argument.
"""

import os
import subprocess
import sys

import boto3

from botocore.exceptions import BotoCoreError, ClientError


def relayed(file: str) -> subprocess.Popen[str]:
    """A relay to the grant's socket, to which the variables of this process point from now on."""
    to = f"unix:{os.environ['MAYFLY_SOCKET']}"
    relay = subprocess.Popen(
        [sys.executable, "-I", "-S", file, "--listen", "127.0.0.1:0", "--to", to],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert relay.stdout is not None
    path = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"].split("/", 3)[3]
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://{relay.stdout.readline().strip()}/{path}"
    return relay


def main() -> None:
    """Until standard input ends."""
    relay = relayed(sys.argv[1]) if "MAYFLY_SOCKET" in os.environ else None
    try:
        sts = boto3.client("sts", region_name="us-east-1")
        print("ready", flush=True)
        for _ in sys.stdin:
            try:
                sts.get_caller_identity()
                print("ok", flush=True)
            # botocore's word for refreshed credentials that have expired, too, is a RuntimeError.
            except (BotoCoreError, ClientError, RuntimeError) as reason:
                print(f"{type(reason).__name__}: {reason}".replace("\n", " "), flush=True)
    finally:
        if relay:
            relay.kill()
            relay.wait()


if __name__ == "__main__":
    main()
