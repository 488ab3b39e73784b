"""What runs on the other host: two scripts for its `sh`, and what the first one tells. Pure.

The user's shell there may be any: it reads each script in single quotes. So the scripts have no single quote, no
backslash (fish), no exclamation mark and no line break (csh). Law: no argv has the token. `dd` copies it from standard
input, byte by byte, into a file that only the user can read.
"""

from __future__ import annotations

from collections.abc import Mapping

from mayfly.cli import environment


# What the first script says, each at the beginning of a line. Files that a shell reads may print more.
READY = "mayfly-ready"
LISTENS = "mayfly-listens"
LOOKED = "mayfly-looked"
FILE = "mayfly-file"

# The words of a listening socket's line: in the kernel's table, which is in the host's byte order, and in netstat's.
_LOOPBACK = {
    *("0100007F", "7F000001"),
    *("00000000000000000000000001000000", "00000000000000000000000000000001"),
    *("127.0.0.1", "::1", "localhost"),
}

# The user's runtime folder is in memory. mktemp makes the file with mode 0600, and none that is there already.
_KEEP = """
umask 077; file=;
remove() {{ test -z "$file" || rm -f "$file"; }};
trap remove EXIT; trap "exit 1" HUP INT TERM;
echo {ready};
read -r port hex || exit 1;
if test -r /proc/net/tcp;
then grep -h ":$hex 0*:0000 0A " /proc/net/tcp /proc/net/tcp6 2>/dev/null | while read -r _ address _;
do echo {listens} "$address"; done;
else netstat -an 2>/dev/null | grep LISTEN | grep "[.:]$port " | while read -r _ _ _ address _;
do echo {listens} "$address"; done;
fi;
echo {looked};
read -r length || exit 1;
file=$(mktemp "${{XDG_RUNTIME_DIR:-/nowhere}}/mayfly-XXXXXXXXXX" 2>/dev/null
|| mktemp "${{TMPDIR:-/tmp}}/mayfly-XXXXXXXXXX") || exit 1;
dd bs=1 count="$length" 2>/dev/null >"$file" || exit 1;
echo {file} "$file";
cat >/dev/null
"""

# boto3 takes keys that boto 2 has left before it asks the endpoint.
_PAST_BOTO = (
    'for boto in /etc/boto.cfg "$HOME/.boto"; do if grep -qi aws_access_key_id "$boto" 2>/dev/null; '
    "then export BOTO_CONFIG=/dev/null; fi; done"
)


def keeper() -> str:
    """The command that keeps the token's file while its standard input is open.

    It reads a line with the forwarded port, decimal and in hexadecimal, and tells who can reach it; then a line with
    the token's length, and the token; then it tells the file.
    """
    return _sh(_KEEP.format(ready=READY, listens=LISTENS, looked=LOOKED, file=FILE))


def shell(variables: Mapping[str, str], file: str, *, reads_file: bool) -> str:
    """The command that becomes the user's login shell, with `variables` and the token that is in `file`.

    `reads_file`: SDKs read the file. Else the token is a variable, which all but object_store read; the file goes.
    """
    gone = " ".join((*environment.SHADOWING, environment.URL, environment.TOKEN, environment.TOKEN_FILE))
    if reads_file:
        token = f"{environment.TOKEN_FILE}=$file; export {environment.TOKEN_FILE}"
    else:
        token = f'{environment.TOKEN}=$(cat "$file") || exit 1; export {environment.TOKEN}; rm -f "$file"'
    # Without it object_store sends the token to a proxy.
    past_proxy = "; ".join(
        f'case "${name}" in "*") ;; *) export {name}="127.0.0.1,localhost${{{name}:+,${name}}}" ;; esac'
        for name in environment.NO_PROXIES
    )
    script = (
        f'file=$1; shift; unset {gone} BOTO_CONFIG; export "$@"; {token}; {past_proxy}; {_PAST_BOTO}; '
        'exec "${SHELL:-/bin/sh}" -l'
    )
    words = (file, *(f"{name}={value}" for name, value in variables.items()))
    return " ".join((_sh(script), "mayfly", *map(quoted, words)))


def quoted(word: str) -> str:
    """The word for any shell; raises ValueError for a word that not every shell reads alike."""
    if any(letter in "'\\!" or not letter.isprintable() for letter in word):
        raise ValueError(f"{word!r} cannot be quoted for every shell")
    return f"'{word}'"


def is_far(address: str) -> bool:
    """True for an address, as the script tells it after LISTENS, that others than the host itself can reach."""
    # netstat writes 127.0.0.1:22, or 127.0.0.1.22 as on BSD.
    return address[: max(address.rfind(":"), address.rfind("."))].strip("[]") not in _LOOPBACK


def _sh(script: str) -> str:
    return "exec sh -c " + quoted(" ".join(script.split("\n")).strip())
