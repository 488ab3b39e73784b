"""The secrets and sockets that a program started here could reach besides those it is given. Names, never a value.

A program of this user can reach all of it, unless something in between hides it. The checks look as such a program
would: at files, variables and sockets, without using any of them.
"""

from __future__ import annotations

import os
import re
import socket

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs

from mayfly.cli import environment
from mayfly.cli.aws_config import ini, shadows
from mayfly.cli.doctor import aws_files, op_app
from mayfly.cli.doctor.check import Check, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.exchange.onepassword.op_program import find_op
from mayfly.shared import pathnames, paths, tokens
from mayfly.shared.errors import MayflyError
from mayfly.shared.files import Unreadable, read_plain_file
from mayfly.shared.grant import is_id
from mayfly.shared.grant_folder import GRANTS
from mayfly.shared.text import printable


CONNECT_SECONDS = 1
MAX_BYTES = 1024 * 1024
MOST_FILES = 50

# Parts of a name that say that its value opens something.
_SECRET = re.compile(
    r"(?:^|_)(?:TOKENS?|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|PAT|API_?KEYS?|ACCESS_?KEY(?:_ID)?|PRIVATE_?KEY"
    r"|CREDENTIALS?)(?:_|$)|^OP_SESSION_",
    re.IGNORECASE,
)
_ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*\S", re.MULTILINE)
_GIVEN = (environment.URL, environment.TOKEN, environment.TOKEN_FILE)
_GIVEN_BY_GRANT = (environment.SOCKET, environment.FILES[0], *environment.STATIC)
_OUTSIDE = ("docker.sock", "podman/podman.sock")


def checks(facts: Facts) -> Iterator[Check]:
    """A check for each kind of thing."""
    yield ok("sandbox.given", _given(facts.environ))
    yield _check("sandbox.aws", _aws(_outside_of_grant(facts)), "no keys in AWS's files")
    yield _check("sandbox.dotenv", _dotenv(Path.cwd()), "no keys in .env files of this folder")
    yield _variables(facts)
    yield _check("sandbox.tokens", _tokens(facts.environ), "no token of another profile or grant")
    yield _check("sandbox.control", _sockets(), "no socket of mayfly's")
    yield _check("sandbox.op", _onepassword(facts), "neither op nor 1Password")
    yield _agents(facts)
    yield _check("sandbox.outside", _outside(facts), "nothing that starts programs outside")


def _check(name: str, found: Iterable[str], nothing: str, hint: str = "") -> Check:
    lines = list(dict.fromkeys(found))
    return warning(name, "\n".join(lines), hint) if lines else ok(name, nothing)


def _given(environ: Mapping[str, str]) -> str:
    grant = printable(environ.get(environment.GRANT, ""))
    wanted = (*_GIVEN, *(_GIVEN_BY_GRANT if grant else ()))
    names = ", ".join(name for name in wanted if environ.get(name))
    profile = printable(environ.get(environment.PROFILE, "")) or "?"
    if grant:
        return f"grant {grant} of profile {profile}" + (f" by {names}" if names else "")
    return f"profile {profile} by {names}" if names else "nothing of mayfly's in this environment"


def _outside_of_grant(facts: Facts) -> Facts:
    """A grant's files of AWS's are given; besides them are the user's own."""
    if not facts.environ.get(environment.GRANT):
        return facts
    return attrs.evolve(
        facts, environ={name: value for name, value in facts.environ.items() if name not in environment.FILES}
    )


def _aws(facts: Facts) -> Iterator[str]:
    """Profiles with keys or a way to get some, keys of boto 2, and what the AWS CLI keeps of earlier log-ins."""
    files = aws_files.read(facts)
    for path, text in ((files.credentials_path, files.credentials), (files.config_path, files.config)):
        found = {ini.profile_of(section.head): _keys_in(section) for section in ini.parse(text).sections}
        if names := [f"{name} ({', '.join(keys)})" for name, keys in found.items() if keys]:
            yield f"{path}: {', '.join(names)}"
    # Also where BOTO_CONFIG names another file, as in a grant: this one can be read all the same.
    if boto := shadows.boto_file({}):
        yield f"{boto}: [Credentials] (aws_access_key_id)"
    home = Path(files.config_path).parent
    for cache in ("sso/cache", "cli/cache", "login/cache"):
        if names := [
            path.name for path in sorted((home / cache).glob("*.json"))[:MOST_FILES] if os.access(path, os.R_OK)
        ]:
            yield f"{home / cache}: {len(names)} of AWS's own sessions"


def _keys_in(section: ini.Section) -> list[str]:
    wanted = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "credential_process", "sso_session"}
    return sorted({key.name for key in section.keys} & wanted)


def _dotenv(folder: Path) -> Iterator[str]:
    """Names in the files that development tools load."""
    places = [*folder.glob(".env*"), *folder.glob("*.env")]
    for path in sorted(set(places))[:MOST_FILES]:
        try:
            text = read_plain_file(path, MAX_BYTES).decode(errors="replace")
        except (OSError, Unreadable):
            continue
        if names := [name for name in dict.fromkeys(_ASSIGNMENT.findall(text)) if is_secret(name)]:
            yield f"{path}: {', '.join(names)}"


def is_secret(name: str) -> bool:
    """True if a variable of this name usually opens something."""
    return bool(_SECRET.search(name))


def _variables(facts: Facts) -> Check:
    of_grant = (*environment.STATIC, *environment.FILES) if facts.environ.get(environment.GRANT) else ()
    given = {*_GIVEN, *of_grant}
    names = sorted(name for name, value in facts.environ.items() if value and is_secret(name) and name not in given)
    hint = facts.in_shell(dict.fromkeys(names)) if names else ""
    found = [", ".join(names)] if names else []
    return _check("sandbox.environment", found, "no variable that opens something", hint)


def _tokens(environ: Mapping[str, str]) -> Iterator[str]:
    grant = environ.get(environment.GRANT)
    # A profile's own token opens more than a grant of it.
    own = None if grant else environ.get(environment.PROFILE)
    others = [name for name in tokens.made_before() if name != own]
    readable = [name for name in others if os.access(tokens.token_path(name), os.R_OK)]
    if readable:
        yield f"{paths.runtime_dir() / 'tokens'}: {', '.join(readable)}"
    folder = paths.runtime_dir() / GRANTS
    if found := sorted({path.relative_to(folder).parts[0] for path in _of_grants(folder)} - {grant}):
        yield f"{folder}: {', '.join(found)}"


def _of_grants(folder: Path) -> Iterator[Path]:
    """What opens a grant: tokens, and the credentials themselves."""
    for name in ("token", "credentials/credentials.json"):
        for path in folder.glob(f"*/{name}"):
            if is_id(path.relative_to(folder).parts[0]) and os.access(path, os.R_OK):
                yield path


def _sockets() -> Iterator[str]:
    """The sockets at which every profile can be had, or a prompt raised."""
    if _connects(paths.control_socket()):
        yield f"{paths.control_socket()}: every profile"
    # Not connected to: systemd would start an exchange.
    if paths.exchange_socket().is_socket() and os.access(paths.exchange_socket(), os.W_OK):
        yield f"{paths.exchange_socket()}: the exchange, which asks 1Password"


def _onepassword(facts: Facts) -> Iterator[str]:
    for table, way in facts.ways.items():
        try:
            yield f"{find_op(way, facts.environ, table)}: asks 1Password, with a prompt or without"
        except MayflyError:
            continue
        for path in filter(None, (way.token_file, way.connect_token_file)):
            if os.access(path, os.R_OK):
                yield f"{path}: the token of [{table}]"
    folder = facts.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    for place in (Path(folder) / "op-daemon.sock", Path(pathnames.home()) / ".config/op/op-daemon.sock"):
        if _connects(place):
            yield f"{place}: the session of op"
    yield from (f"{name}: 1Password's app" for name in op_app.sockets(facts))


def _agents(facts: Facts) -> Check:
    named = facts.environ.get("SSH_AUTH_SOCK", "")
    places = [Path(named)] if named else []
    found = [
        f"{place}: signs with your SSH keys"
        for place in (*places, Path(pathnames.home()) / ".1password/agent.sock")
        if _connects(place)
    ]
    hint = facts.in_shell({"SSH_AUTH_SOCK": None}) if named and found else ""
    return _check("sandbox.ssh-agent", found, "no SSH agent", hint)


def _outside(facts: Facts) -> Iterator[str]:
    """Sockets by which a program can have another one started, where nothing confines that one."""
    folder = Path(facts.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    for place in (folder / "systemd/private", folder / "bus"):
        if _connects(place):
            yield f"{place}: 'systemd-run --user' starts any program"
    for place in (path / name for name in _OUTSIDE for path in (Path("/run"), Path("/var/run"), folder)):
        if _connects(place.resolve()):
            yield f"{place.resolve()}: starts containers"


def _connects(place: Path) -> bool:
    """True if something listens at a Unix socket, and lets us in."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_SECONDS)
        try:
            probe.connect(str(place))
        except OSError:
            return False
    return True
