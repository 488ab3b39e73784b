"""The environment of calls to AWS: nothing in it may bring another account, file or endpoint into a call."""

from __future__ import annotations

from collections.abc import MutableMapping

from mayfly.config.sts_endpoint import followed_endpoint


def seal_environment(environ: MutableMapping[str, str]) -> None:
    """Remove every AWS_ variable but AWS_CA_BUNDLE and an acceptable AWS_ENDPOINT_URL_STS, and turn off AWS's files."""
    endpoint_url = followed_endpoint(environ.get("AWS_ENDPOINT_URL_STS"))
    for name in [name for name in environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        del environ[name]
    if endpoint_url:
        environ["AWS_ENDPOINT_URL_STS"] = endpoint_url
    environ.update(
        AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true"
    )
