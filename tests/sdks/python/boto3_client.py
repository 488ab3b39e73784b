"""Prints the access key ID that boto3's default chain finds, for each line that it reads."""

import sys

import boto3
import botocore.exceptions


for _ in sys.stdin:
    try:
        print(boto3.Session().get_credentials().get_frozen_credentials().access_key, flush=True)
    except botocore.exceptions.BotoCoreError as reason:
        print("failed:", *str(reason).split(), flush=True)
