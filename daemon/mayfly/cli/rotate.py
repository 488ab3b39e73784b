"""`mayfly rotate`: makes new tokens; the old ones open nothing from then on."""

from __future__ import annotations

import argparse

from mayfly.cli import daemon_calls, speech
from mayfly.config import document
from mayfly.shared import paths, tokens
from mayfly.shared.errors import ConfigInvalid
from mayfly.shared.text import printable


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    daemon_calls.add_profiles(parser)


def run(given: argparse.Namespace) -> int:
    """Make new tokens and have a running daemon read them. A fault elsewhere keeps no old token alive."""
    known = _known(given.config)
    daemon_calls.check_names(given.profiles, known)
    chosen = dict.fromkeys(given.profiles or known)
    problems = {name: reason for name in chosen if (reason := _rotate(name))}
    refused = _reload_tokens()
    for name, reason in (refused | problems).items():
        say = speech.error if name in chosen else speech.warning
        say(f"{name}: {reason}")
    if chosen.keys() - problems.keys():
        speech.hint("shells that have an old token need the new one: run 'mayfly env' there again")
    return speech.FAILED if chosen.keys() & (problems | refused).keys() else speech.DONE


def _known(config: str | None) -> list[str]:
    """The config's profiles; if it cannot be read, the profiles that have a token."""
    try:
        return list(document.read(paths.config_file(config)).tables("profiles"))
    except ConfigInvalid as problem:
        if not (known := tokens.made_before()):
            raise
        for text in problem.problems:
            speech.warning(text)
        return known


def _rotate(name: str) -> str | None:
    """Make a new token; the reason if that fails."""
    try:
        tokens.rotate_token(name)
    except ConfigInvalid as problem:
        return problem.message
    print(printable(f"{name}: new token in {tokens.token_path(name)}"))
    return None


def _reload_tokens() -> dict[str, str]:
    """Have a running daemon read the tokens; why it could not, by profile. Such a profile has no token now."""
    try:
        body = daemon_calls.ask("POST", "/tokens")
    except speech.Stop as reason:
        if reason.exit_code != speech.NOT_RUNNING:
            raise
        _warn_of_unreachable_daemon()
        return {}
    with daemon_calls.understood():
        return {str(name): str(reason) for name, reason in daemon_calls.tree(body)["refused"].items()}


def _warn_of_unreachable_daemon() -> None:
    """Warn if a process of this user has the port: a daemon whose control socket was removed has the old tokens."""
    from mayfly.cli import ports, target

    port = target.expected_port()
    who = None if ports.other_user(port) else ports.holder(port)
    if who:
        speech.warning(f"no daemon answers on {paths.control_socket()}, and port {port} is taken by {who}")
        speech.hint("if that is a mayfly daemon, end it: it takes the old tokens until a client brings a new one")
