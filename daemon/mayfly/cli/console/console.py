"""`mayfly console`: opens the AWS console in the browser, signed in with a role's session."""

from __future__ import annotations

import argparse
import json
import os

from collections.abc import Iterable

from mayfly.cli import daemon_calls, speech
from mayfly.cli.console import browser
from mayfly.cli.console.federation import Credentials, FederationFailed, check_settings, login_url, sign_in_token
from mayfly.cli.console.handover import BROWSER_SECONDS, Handover
from mayfly.cli.console.hosts import Hosts, NoSuchDestination, hosts_of
from mayfly.cli.waited_answer import waited_answer
from mayfly.config.load import load
from mayfly.config.model import Config, RoleProfile


# The daemon has its own config.
TAKES_CONFIG = False
# Most browsers ask sooner.
QUIET_SECONDS = 3


def arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("profile", metavar="PROFILE", help="a profile with a role_arn")
    parser.add_argument("--to", metavar="URL|SERVICE", default="", help="where to: s3, or a URL of the console")
    parser.add_argument("--print", action="store_true", help="print the URL, which signs its reader in for 15 minutes")
    parser.add_argument("--browser", metavar="CMD", help="the browser (default: $BROWSER, else the desktop's)")
    parser.add_argument("--logout-first", action="store_true", help="sign out of the browser's present session before")


def run(given: argparse.Namespace) -> int:
    """Sign in with the profile's session; raises Stop."""
    profile = _role(given.profile)
    hosts, destination = _place(profile, given.to)
    line = [] if given.print else browser.command(given.browser, given.profile)
    # AWS takes a life of the console's own only where the role was assumed with a long-term access key.
    seconds = int(profile.duration_seconds) if profile.mfa else None
    try:
        check_settings(hosts, os.environ)
        token = sign_in_token(hosts, _credentials(given.profile), seconds, os.environ)
    except FederationFailed as reason:
        raise speech.Stop(speech.FAILED, str(reason), hints=(reason.hint,) if reason.hint else ()) from None
    url = login_url(hosts, token, destination, logout_first=given.logout_first)
    if given.print:
        print(url)
        return speech.DONE
    return _open(line, url, given.profile)


def _open(line: list[str], url: str, profile: str) -> int:
    """Start the browser, and wait until it has fetched `url`."""
    with Handover(url) as handover:
        process = browser.start(line, handover.url, profile)
        waited = 0
        while not handover.is_taken(1):
            waited += 1
            if waited == QUIET_SECONDS:
                speech.say(f"waiting for the browser to ask for the page, {BROWSER_SECONDS} s at most")
            if process.poll():
                raise _not_asked(f"{line[0]} ended with exit code {process.returncode}, and asked for nothing", profile)
            if waited == BROWSER_SECONDS:
                raise _not_asked(f"no browser has asked for the page within {BROWSER_SECONDS} s", profile)
    return speech.DONE


def _not_asked(text: str, profile: str) -> speech.Stop:
    return speech.Stop(speech.FAILED, text, hints=(browser.print_instead(profile),))


def _place(profile: RoleProfile, to: str) -> tuple[Hosts, str]:
    try:
        hosts = hosts_of(profile.role_arn)
        return hosts, hosts.destination(to, profile.region)
    except NoSuchDestination as reason:
        raise speech.Stop(speech.WRONG_USAGE, str(reason)) from None


def _role(name: str) -> RoleProfile:
    """The profile `name` in the daemon's config; raises Stop unless it is a role."""
    status = daemon_calls.status([name])
    with daemon_calls.understood():
        daemon_calls.check_names([name], [row["profile"] for row in status["profiles"]])
    config = load(daemon_calls.config_path(status))
    daemon_calls.check_names([name], list(config.profiles))
    profile = config.profiles[name]
    if isinstance(profile, RoleProfile):
        return profile
    text = f"{name} has a session of GetSessionToken, and AWS's console takes only a role's session"
    raise speech.Stop(speech.WRONG_USAGE, text, hints=(_roles_hint(name, config),))


def _roles_hint(name: str, config: Config) -> str:
    """What to do instead: the roles that start from `name` first."""
    roles = [found for found, profile in config.profiles.items() if isinstance(profile, RoleProfile)]
    if not roles:
        return f'add a profile to the config with source_profile = "{name}" and a role_arn'
    near = sorted(roles, key=lambda role: name not in config.ancestry(role))
    return f"mayfly console {near[0]}{_others(near[1:])}"


def _others(names: Iterable[str]) -> str:
    rest = ", ".join(names)
    return f"   (or: {rest})" if rest else ""


def _credentials(name: str) -> Credentials:
    """The profile's credentials, as the daemon gives them to `credential_process`."""
    call = daemon_calls.send_about(name, "GET", "process", "{}", answer_seconds=None)
    body = waited_answer(call, name, not_done="; no page was opened")
    with daemon_calls.understood():
        found = json.loads(body)
        return Credentials(str(found["AccessKeyId"]), str(found["SecretAccessKey"]), str(found["SessionToken"]))
