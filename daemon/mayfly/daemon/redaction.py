"""Free text for the log, without what looks like a secret.

A secret has no business in any text that is logged. This is the last line of defence, for texts that others wrote:
messages of libraries, tracebacks, and names that programs give themselves.
"""

from __future__ import annotations

import re

from functools import partial
from urllib.parse import unquote

from mayfly.shared.text import printable


_REDACTED = "[redacted]"

# A secret may follow an escape, where repr() or JSON has written a line break.
_ESCAPE = r"(?<=\\[nrt])"


def _run(letters: str, count: str) -> str:
    """A pattern for a run of `count` of the `letters`. A run without a capital is a path, a digest or a plain word.

    (Less than one in 10^9 runs of random base64 has no capital.)
    """
    beginning = rf"(?:(?<![{letters}])|{_ESCAPE})"
    # Only the run itself is searched for the capital. Otherwise a long line would be searched once for each word.
    smalls = letters.replace("A-Z", "")
    return rf"{beginning}(?=[{smalls}]*[A-Z])[{letters}]{{{count}}}(?![{letters}])"


_SECRETS = re.compile(
    "|".join(
        (
            r"ops_[A-Za-z0-9_=-]+",  # a service account's token
            _run("A-Za-z0-9/+=%_-", "100,"),  # a session token, percent-encoded or not
            _run("A-Za-z0-9/+", "40"),  # a secret access key
            _run("A-Za-z0-9_-", "43"),  # an endpoint token
            # A one-time password: six digits, but not of a pid, a uid, a port, a duration or the fraction of a second.
            rf"(?:(?<![A-Za-z0-9])|{_ESCAPE})(?<!pid )(?<!uid )(?<!port )(?<![0-9]\.)[0-9]{{6}}"
            r"(?![A-Za-z0-9]|\.[0-9]| s\b| seconds\b)",
        )
    )
)
# Longer runs that may end with a secret, because a word or a path stands right before it.
_GLUED = ((40, re.compile(r"[A-Za-z0-9/+]{41,}")), (43, re.compile(r"[A-Za-z0-9_-]{44,}")))
_KEY_ID = re.compile(rf"(?:(?<![A-Za-z0-9])|{_ESCAPE})(AKIA|ASIA)[A-Z0-9]{{12}}([A-Z0-9]{{4}})(?![A-Za-z0-9])")
_JSON_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")
DECODINGS = 3
CAPITALS, SMALLS = 5, 3
# The lines of a traceback stay lines.
_LAYOUT = "\t\n"


def redacted(text: str) -> str:
    """The text without secrets, with key ids cut to their last four, and without characters that steer a terminal."""
    shown = _without_secrets(_decoded_if_secret(text))
    return printable(shown, allowed=_LAYOUT, replacement="\N{REPLACEMENT CHARACTER}")


def shortened(key_id: str) -> str:
    """An access key id as people see it: its kind (`AKIA`, `ASIA`) and its last four."""
    return f"{key_id[:4]}…{key_id[-4:]}"


def _without_secrets(text: str) -> str:
    text = _SECRETS.sub(_REDACTED, text)
    for count, longer in _GLUED:
        text = longer.sub(partial(_without_end, count=count), text)
    return _KEY_ID.sub(r"\1…\2", text)


def _without_end(run: re.Match[str], *, count: int) -> str:
    """A run without its last `count` letters, if these look like a secret and not like a path or a constant's name.

    (One in 10^4 runs of random base64 has fewer capitals or small letters.)
    """
    end = run[0][-count:]
    is_secret = sum(map(str.isupper, end)) >= CAPITALS and sum(map(str.islower, end)) >= SMALLS
    return run[0][:-count] + _REDACTED if is_secret else run[0]


def _decoded_if_secret(text: str) -> str:
    """The text decoded, if only the decoded text shows a secret; else the text as it is."""
    plain = text
    for _ in range(DECODINGS):
        before, plain = plain, _decoded(plain)
        if plain == before:
            break
        if _without_secrets(plain) != plain:
            text = plain
    return text


def _decoded(text: str) -> str:
    """The text without percent-encoding, and without the escapes of JSON and repr."""
    text = _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "\\" in text else text
    return unquote(text.replace("\\/", "/")) if "%" in text or "\\" in text else text
