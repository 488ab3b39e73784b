"""The environment of calls to AWS: nothing in it may bring another account, file or endpoint into a call.

What may stay in it is a proxy and a file of certificates. Both are judged before anybody is asked for a code.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from functools import cache
from urllib.parse import urlsplit

from mayfly.config.network import ca_bundle, certificates_in, proxy_of, proxy_problem
from mayfly.config.sts_endpoint import followed_endpoint
from mayfly.exchange.sts.location import StsLocation
from mayfly.shared import errors
from mayfly.shared.files import Unreadable
from mayfly.shared.text import printable


def seal_environment(environ: MutableMapping[str, str]) -> None:
    """Remove every AWS_ variable but AWS_CA_BUNDLE and an acceptable AWS_ENDPOINT_URL_STS, and turn off AWS's files."""
    endpoint_url = followed_endpoint(environ.get("AWS_ENDPOINT_URL_STS"))
    for name in [name for name in environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        del environ[name]
    if endpoint_url:
        environ["AWS_ENDPOINT_URL_STS"] = endpoint_url
    environ.update(
        AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null", AWS_EC2_METADATA_DISABLED="true"
    )


def check_settings(location: StsLocation, environ: Mapping[str, str]) -> None:
    """Raise AwsUnreachable if the environment's proxy or its certificates make every call to `location` impossible."""
    proxies = (
        () if location.is_loopback() else (proxy_of(region.netloc(), environ) for region in location.each_region())
    )
    for proxy in proxies:
        problem = proxy and proxy_problem(proxy)
        if proxy and problem:
            hint = f"set {proxy.variable} to an http:// proxy, or name AWS's hosts in NO_PROXY, for the daemon"
            raise _not_callable(f"{proxy.variable} {problem}", hint)
    bundle = ca_bundle(environ)
    if bundle:
        problem = _bundle_problem(bundle.value)
        if problem:
            hint = f"set {bundle.variable} to a file of PEM certificates, or unset it, for the daemon"
            raise _not_callable(problem, hint)


def botocore_proxies(location: StsLocation, environ: Mapping[str, str]) -> dict[str, str] | None:
    """The proxies of a client for one region. None leaves the choice to botocore: on macOS the system may have one."""
    # On loopback a proxy could read the code and the key id.
    if location.is_loopback():
        return {}
    proxy = proxy_of(location.netloc(), environ)
    if proxy is None:
        return None
    parts = urlsplit(proxy.value if "//" in proxy.value else f"//{proxy.value}")
    return {"https": parts._replace(scheme=parts.scheme or "http").geturl()}


def certificate_hint(environ: Mapping[str, str], where: str = "for the daemon") -> str:
    """The hint for a certificate that is not accepted, with the variable that is in force."""
    bundle = ca_bundle(environ)
    if bundle:
        return (
            f"{printable(bundle.value)} ({bundle.variable}) must hold the certificate of the authority that signed it"
        )
    return f"behind a company's proxy set AWS_CA_BUNDLE {where} to a file with the proxy's certificate"


@cache
def _bundle_problem(path: str) -> str | None:
    """Why no call can be made with this file. aiobotocore would read it only when the code is already there."""
    import ssl  # only for those who have set a file

    try:
        certificates_in(path)
    except ssl.SSLError:
        return f"{printable(path)} holds no certificate that can be read"
    except Unreadable as reason:
        return f"{printable(path)} {reason}"
    except OSError as reason:
        return f"{printable(path)}: {reason.strerror}"
    return None


def _not_callable(why: str, hint: str) -> errors.AwsUnreachable:
    return errors.AwsUnreachable(f"AWS STS cannot be called: {why}", hint=hint)
