"""What in `~/.aws` would win over the endpoint: every SDK asks [default] before it asks a container.

The price of missing one is work in the wrong account. Only names of keys are kept, never a value.
"""

from __future__ import annotations

import os

from collections.abc import Iterator, Mapping


# A region or an output format does no harm.
_KEYS = {"aws_access_key_id", "credential_process", "login_session", "role_arn", "aws_secret_access_key"}


def find(environ: Mapping[str, str]) -> list[str]:
    """A line for each file in which [default] has credentials of its own, or a way to some."""
    return [
        f"{path}: [default] has {', '.join(keys)}: AWS SDKs take that before mayfly's credentials"
        for path in _files(environ)
        if (keys := _shadowing_keys(path))
    ]


def _files(environ: Mapping[str, str]) -> tuple[str, str]:
    return (
        os.path.expanduser(environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"),  # noqa: PTH111 - speed
        os.path.expanduser(environ.get("AWS_CONFIG_FILE") or "~/.aws/config"),  # noqa: PTH111 - speed
    )


def _shadowing_keys(path: str) -> list[str]:
    # Only a plain file: to read a pipe would leave nothing for the SDK.
    if not os.path.isfile(path):  # noqa: PTH113 - speed
        return []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - speed
            keys = default_keys(file.read())
    except OSError:
        return []
    return sorted({key for key in keys if key in _KEYS or key.startswith("sso_")})


def default_keys(text: str) -> Iterator[str]:
    """The keys of [default] (or [profile default]) in a file of `~/.aws`, in lower case.

    As botocore reads it: a line that is indented deeper than the key before it goes on with that key's value.
    """
    is_default = False
    key_indent: int | None = None
    for line in text.splitlines():
        words = line.strip()
        indent = len(line) - len(line.lstrip())
        if not words or words[0] in "#;" or (key_indent is not None and indent > key_indent):
            continue
        if words[0] == "[":
            is_default = _is_default(words[1:].partition("]")[0])
            key_indent = None
        else:
            key_indent = indent
            if is_default:
                yield words.partition("=")[0].partition(":")[0].strip().lower()


def _is_default(header: str) -> bool:
    name = header.strip().removeprefix("profile ")
    return name.strip(" \t\"'") == "default"
