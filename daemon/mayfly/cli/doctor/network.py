"""The way to AWS: proxies, certificates, STS itself; and by the time in its answer, this machine's clock.

One request for one page of STS's, without keys and without a redirect, tells all of it. On loopback it stays there.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import ssl
import urllib.error
import urllib.request

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import attrs

from mayfly.cli import environment
from mayfly.cli.doctor import timing
from mayfly.cli.doctor.check import Check, failure, not_known, ok, warning
from mayfly.cli.doctor.facts import Facts
from mayfly.cli.durations import format_duration
from mayfly.config.network import ca_bundle, certificates_in, proxy_of, shown_host
from mayfly.config.sts_endpoint import followed_endpoint
from mayfly.exchange.sts.environment import check_settings
from mayfly.exchange.sts.location import StsLocation, sts_location
from mayfly.shared.errors import AwsUnreachable
from mayfly.shared.files import Unreadable


PROBE_SECONDS = 3
# A one-time password is of 30 seconds. AWS takes one that is a step late or early, and no other (RFC 6238, 5.2).
WARN_FROM_SECONDS = 15
FAIL_FROM_SECONDS = 60
USUAL_REGION = "us-east-1"


@attrs.frozen(kw_only=True)
class Probe:
    """STS's answer: AWS's clock minus ours, or why there is none. `is_distrusted`: its certificate was not accepted."""

    skew_seconds: float | None = None
    problem: str = ""
    is_distrusted: bool = False


def checks(facts: Facts) -> Iterator[Check]:
    """Proxy, certificates, STS, clock."""
    yield _past_proxy(facts)
    location = sts_of(facts)
    try:
        check_settings(location, facts.environ)
    except AwsUnreachable as reason:
        yield failure("network.settings", f"{reason.message}: {reason.hint}", _unsetting(facts, location))
        return
    yield ok("network.settings", _settings(facts, location))
    probe = timing.within(PROBE_SECONDS, lambda: ask(location, facts.environ))
    probe = probe or Probe(problem=f"no answer within {PROBE_SECONDS} s")
    yield _sts(location, probe)
    yield clock(probe)


def sts_of(facts: Facts) -> StsLocation:
    """The STS of the first profile, as the exchange finds it; without a config that of the usual region."""
    url = followed_endpoint(facts.environ.get("AWS_ENDPOINT_URL_STS"))
    if facts.config is None or not facts.config.profiles:
        return StsLocation(region=USUAL_REGION, endpoint_url=url)
    followed = {"AWS_ENDPOINT_URL_STS": url} if url else {}
    return sts_location(facts.config, next(iter(facts.config.profiles)), followed)


def _past_proxy(facts: Facts) -> Check:
    proxies = [name for name in environment.PROXIES if facts.environ.get(name)]
    if not proxies:
        return ok("network.proxy", "no proxy in this shell")
    if changes := environment.changes_past_proxy(facts.environ):
        what = f"{', '.join(proxies)} without this machine in NO_PROXY: object_store sends your token to the proxy"
        return warning("network.proxy", what, facts.in_shell(changes))
    return ok("network.proxy", f"{', '.join(proxies)}; requests to this machine go past it")


def _settings(facts: Facts, location: StsLocation) -> str:
    proxy = None if location.is_loopback() else proxy_of(location.netloc(), facts.environ)
    bundle = ca_bundle(facts.environ)
    way = f"through the proxy {shown_host(proxy.value)} ({proxy.variable})" if proxy else "without a proxy"
    return f"{way}; certificates are judged by {f'{bundle.value} ({bundle.variable})' if bundle else 'the usual list'}"


def _unsetting(facts: Facts, location: StsLocation) -> str:
    """The command that takes away the setting in force that makes every call impossible."""
    bundle = ca_bundle(facts.environ)
    proxy = None if location.is_loopback() else proxy_of(location.netloc(), facts.environ)
    found = [setting.variable for setting in (proxy, bundle) if setting]
    for name in found:
        rest = {key: value for key, value in facts.environ.items() if key != name}
        try:
            check_settings(location, rest)
        except AwsUnreachable:
            continue
        return facts.in_shell({name: None})
    return facts.in_shell(dict.fromkeys(found))


def _sts(location: StsLocation, probe: Probe) -> Check:
    if probe.is_distrusted:
        what = f"the certificate of {location.netloc()} is not accepted ({probe.problem})"
        why = "a company's proxy may stand in between: put its certificate into AWS_CA_BUNDLE, for the daemon, too"
        return failure("network.sts", f"{what}\n{why}")
    if probe.problem:
        return warning("network.sts", f"AWS STS cannot be reached at {location.description()}: {probe.problem}")
    return ok("network.sts", f"AWS STS answers at {location.netloc()}")


def clock(probe: Probe) -> Check:
    """This machine's clock against AWS's."""
    if probe.skew_seconds is None:
        return not_known("clock", "AWS did not tell its time")
    off = abs(probe.skew_seconds)
    if off < WARN_FROM_SECONDS:
        return ok("clock", "right, by AWS's")
    what = f"{format_duration(off)} {'behind' if probe.skew_seconds > 0 else 'ahead of'} AWS's"
    hint = "sudo sntp -sS time.apple.com" if os.uname().sysname == "Darwin" else "sudo timedatectl set-ntp true"
    if off < FAIL_FROM_SECONDS:
        return warning("clock", f"{what}: some one-time passwords are refused", hint)
    return failure("clock", f"{what}: one-time passwords are refused", hint)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none: the answer that redirects has the time, too."""


def ask(location: StsLocation, environ: Mapping[str, str]) -> Probe:
    """Ask STS for a page, and take the time from its answer."""
    url = location.endpoint_url or f"https://{location.netloc()}/"
    proxy = None if location.is_loopback() else proxy_of(location.netloc(), environ)
    by_tls = [] if location.is_plain_loopback() else [urllib.request.HTTPSHandler(context=_certificates(environ))]
    by_proxy = urllib.request.ProxyHandler({"https": proxy.value} if proxy else {})
    opener = urllib.request.build_opener(by_proxy, _NoRedirect, *by_tls)
    sent_at = _now()
    try:
        with opener.open(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS) as answer:  # noqa: S310 - the scheme is checked with the config
            return _probe(answer.headers, sent_at)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return _probe(refusal.headers, sent_at)
    except (OSError, ValueError, http.client.HTTPException) as reason:
        return _problem(reason)


def _certificates(environ: Mapping[str, str]) -> ssl.SSLContext:
    """As the exchange judges certificates: by the file in force, else by botocore's list."""
    bundle = ca_bundle(environ)
    spec = None if bundle else importlib.util.find_spec("botocore")
    place = bundle.value if bundle else str(Path((spec and spec.origin) or "").with_name("cacert.pem"))
    try:
        return certificates_in(place)
    except (OSError, Unreadable):
        return ssl.create_default_context()


def _problem(reason: Exception) -> Probe:
    inner = getattr(reason, "reason", None)
    cause = inner if isinstance(inner, Exception) else reason
    is_distrusted = isinstance(cause, ssl.SSLCertVerificationError)
    words = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else None
    return Probe(
        problem=words or (isinstance(cause, OSError) and cause.strerror) or str(cause), is_distrusted=is_distrusted
    )


def _probe(headers: Message, sent_at: datetime) -> Probe:
    """A `Date` has whole seconds, and was written between our question and its answer."""
    received_at = _now()
    try:
        told = parsedate_to_datetime(headers.get("Date") or "")
    except (TypeError, ValueError):
        return Probe()
    aws_at = (told if told.tzinfo else told.replace(tzinfo=UTC)) + timedelta(seconds=0.5)
    return Probe(skew_seconds=(aws_at - (sent_at + (received_at - sent_at) / 2)).total_seconds())


def _now() -> datetime:
    return datetime.now(UTC)
