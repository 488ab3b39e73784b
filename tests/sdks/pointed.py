"""The environment that points an SDK to a daemon or to a relay."""


def pointed(port: int, token: str) -> dict[str, str]:
    """What `mayfly env` sets, for this port and token."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{port}/credentials/nsrc",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
