"""Credentials and the region of [default] in `~/.aws`. SDKs take these credentials before those of an endpoint.

If we missed them, the user would work in the wrong account. Only the names of keys are kept, and the region's value.
"""

from __future__ import annotations

import os
import re

from collections.abc import Iterator, Mapping

from mayfly.cli.aws_config.aws_paths import config_file, credentials_file
from mayfly.config.region import is_region


# Keys that give credentials. A region or an output format does no harm.
_KEYS = {"aws_access_key_id", "credential_process", "login_session", "role_arn", "aws_secret_access_key"}


def find(environ: Mapping[str, str]) -> list[str]:
    """A line for each file in which [default] has credentials, or a way to get some."""
    return [
        f"{path}: [default] has {', '.join(keys)}: AWS SDKs take that before mayfly's credentials"
        for path, keys in keys_of_default(environ).items()
    ]


def keys_of_default(environ: Mapping[str, str]) -> dict[str, list[str]]:
    """By file, the keys by which [default] has credentials, or a way to get some; no file without such keys."""
    found = {path: _shadowing_keys(path) for path in (credentials_file(environ), config_file(environ))}
    return {path: keys for path, keys in found.items() if keys}


def default_region(environ: Mapping[str, str]) -> str | None:
    """The region of [default] in the config file, or None."""
    return region_in(_text(config_file(environ)))


def region_in(text: str) -> str | None:
    """The region of [default] in a config file's text, or None."""
    named = [value for key, value in _default_items(text) if key == "region"]
    return named[-1] if named and is_region(named[-1]) else None


def _shadowing_keys(path: str) -> list[str]:
    keys = {key for key, _ in _default_items(_text(path))}
    return sorted(key for key in keys if key in _KEYS or key.startswith("sso_"))


def _text(path: str) -> str:
    # Only plain files are read: after us, a pipe would have nothing left for the SDK.
    if not os.path.isfile(path):
        return ""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _default_items(text: str) -> Iterator[tuple[str, str]]:
    """The keys, in lower case, and values of [default] (or [profile default]) in a file of `~/.aws`.

    As botocore reads it: a line that is indented deeper than the key before it continues that key's value.
    """
    is_default = False
    key_indent: int | None = None
    for line in text.split("\n"):
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
                key, value, *_ = (*re.split("[=:]", words, maxsplit=1), "")
                yield key.strip().lower(), value.strip()


def _is_default(header: str) -> bool:
    name = header.strip().removeprefix("profile ")
    return name.strip(" \t\"'") == "default"
