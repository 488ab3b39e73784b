"""Credentials and the region of [default] in `~/.aws`. SDKs take these credentials before those of an endpoint.

boto3 and the AWS CLI also take those that boto 2 has left before an endpoint's (botocore's BotoProvider).

If we missed them, the user would work in the wrong account. Only the names of keys are kept, and the region's value.
"""

from __future__ import annotations

import os
import re

from collections.abc import Callable, Iterator, Mapping

from mayfly.cli.aws_config.aws_paths import config_file, credentials_file
from mayfly.config.region import is_region


# Keys that give credentials. A region or an output format does no harm.
_KEYS = {"aws_access_key_id", "credential_process", "login_session", "role_arn", "aws_secret_access_key"}
_BOTO_KEY = "aws_access_key_id"
_BOTO_FILES = ("/etc/boto.cfg", "~/.boto")


def find(environ: Mapping[str, str]) -> list[str]:
    """A line for each file in which [default] has credentials, or a way to get some, and for boto 2's with keys."""
    return list(lines_by_file(environ).values())


def lines_by_file(environ: Mapping[str, str]) -> dict[str, str]:
    """The lines of `find`, by the path of the file."""
    found = {
        path: f"{path}: [default] has {', '.join(keys)}: AWS SDKs take that before mayfly's credentials"
        for path in (credentials_file(environ), config_file(environ))
        if (keys := _shadowing_keys(path))
    }
    if boto := boto_file(environ):
        found[boto] = f"{boto}: [Credentials] has {_BOTO_KEY}: boto3 takes that before mayfly's credentials"
    return found


def boto_file(environ: Mapping[str, str]) -> str | None:
    """The file of boto 2's from which boto3 would take keys, or None."""
    named = [environ["BOTO_CONFIG"]] if "BOTO_CONFIG" in environ else _BOTO_FILES
    return next((path for path in map(os.path.expanduser, named) if _has_boto_key(path)), None)


def _has_boto_key(path: str) -> bool:
    return any(key == _BOTO_KEY for key, _ in _items(_text(path), lambda header: header == "Credentials"))


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
    """The keys, in lower case, and values of [default] (or [profile default]) in a file of `~/.aws`."""
    return _items(text, _is_default)


def _items(text: str, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """The keys, in lower case, and values of the sections with a wanted header.

    As botocore reads it: a line that is indented deeper than the key before it continues that key's value.
    """
    is_inside = False
    key_indent: int | None = None
    for line in text.split("\n"):
        words = line.strip()
        indent = len(line) - len(line.lstrip())
        if not words or words[0] in "#;" or (key_indent is not None and indent > key_indent):
            continue
        if words[0] == "[":
            is_inside = is_wanted(words[1:].partition("]")[0])
            key_indent = None
        else:
            key_indent = indent
            if is_inside:
                key, value, *_ = (*re.split("[=:]", words, maxsplit=1), "")
                yield key.strip().lower(), value.strip()


def _is_default(header: str) -> bool:
    name = header.strip().removeprefix("profile ")
    return name.strip(" \t\"'") == "default"
