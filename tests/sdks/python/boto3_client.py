"""Prints the access key ID that boto3's default chain finds."""

import boto3


print(boto3.Session().get_credentials().get_frozen_credentials().access_key)
