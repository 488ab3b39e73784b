"""AWS Signature Version 4, the server's side: nothing is trusted that was not signed.

The canonical request is computed again from the bytes that came in, for the header-signed form
("Signing AWS API requests", IAM User Guide). The credential scope's service must be `sts`; its
region may be any. The date may be 15 minutes from the server's clock, either way.
"""

import hashlib
import hmac

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from mayfly.demo.sts.answers import StsError


ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "sts"
TERMINATOR = "aws4_request"
TOLERANCE = timedelta(minutes=15)

_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it came in: `target` is raw, `headers` in order, names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The last value of header `name`, or None."""
        return dict(self.headers).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What the Authorization header says, and the date that goes with it (as it was sent)."""

    access_key_id: str
    scope: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str

    @property
    def at(self) -> datetime:
        """The instant of signing. Raises ValueError where `stamp` is not one."""
        return datetime.strptime(self.stamp, _STAMP).replace(tzinfo=UTC)


def read(request: SignedRequest) -> Signature:
    """Take the signature out of `request`. Raises StsError where it is missing or malformed."""
    header = request.header("authorization")
    if not header:
        raise StsError(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    fields = _fields(header, request.header("x-amz-date"))
    access_key_id, _, scope = fields["Credential"].partition("/")
    signature = Signature(
        access_key_id=access_key_id,
        scope=scope,
        signed_headers=tuple(fields["SignedHeaders"].split(";")),
        signature=fields["Signature"],
        stamp=fields["X-Amz-Date"],
    )
    _check_scope(signature)
    return signature


def check_date(signature: Signature, now: datetime) -> None:
    """Refuse a signature that is more than 15 minutes from `now`."""
    stamp, clock = signature.stamp, now.strftime(_STAMP)
    if signature.at < now - TOLERANCE:
        limit = (now - TOLERANCE).strftime(_STAMP)
        raise _mismatch(f"Signature expired: {stamp} is now earlier than {limit} ({clock} - 15 min.)")
    if signature.at > now + TOLERANCE:
        limit = (now + TOLERANCE).strftime(_STAMP)
        raise _mismatch(f"Signature not yet current: {stamp} is still later than {limit} ({clock} + 15 min.)")


def check(request: SignedRequest, signature: Signature, secret_access_key: str) -> None:
    """Refuse a signature that `secret_access_key` did not make for exactly this request."""
    if "host" not in signature.signed_headers:
        raise _mismatch("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    expected = _sign(request, signature, secret_access_key)
    if not hmac.compare_digest(expected.encode(), signature.signature.encode()):
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. Check"
            " your AWS Secret Access Key and signing method. Consult the service documentation for"
            " details."
        )


def _mismatch(message: str) -> StsError:
    return StsError(403, "SignatureDoesNotMatch", message)


def _fields(header: str, stamp: str | None) -> dict[str, str]:
    algorithm, _, rest = header.partition(" ")
    if algorithm != ALGORITHM:
        raise StsError(400, "IncompleteSignature", f"Unsupported AWS 'algorithm': '{algorithm}'.")
    pairs = (part.strip().partition("=") for part in rest.split(","))
    fields = {name: value for name, _, value in pairs}
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in ("Credential", "Signature", "SignedHeaders")
        if not fields.get(name)
    ]
    if not stamp:
        missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    if missing:
        raise StsError(400, "IncompleteSignature", " ".join(missing))
    return fields | {"X-Amz-Date": stamp or ""}


def _check_scope(signature: Signature) -> None:
    stamp = signature.stamp
    try:
        day = signature.at.strftime("%Y%m%d")
    except ValueError:
        message = f"Date must be in ISO-8601 'basic format'. Got '{stamp}'."
        raise StsError(400, "IncompleteSignature", message) from None
    scope = signature.scope.split("/")
    if len(scope) != 4:
        message = "Credential must have exactly 5 slash-delimited elements."
        raise StsError(400, "IncompleteSignature", message)
    if scope[0] != day:
        raise _mismatch(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            f" HTTP: '{scope[0]}' != '{day}', from '{stamp}'."
        )
    if scope[2] != SERVICE:
        raise _mismatch(f"Credential should be scoped to correct service: '{SERVICE}'. ")
    if scope[3] != TERMINATOR:
        rule = f"Credential should be scoped with a valid terminator: '{TERMINATOR}'"
        raise _mismatch(f"{rule}, not '{scope[3]}'. ")


def _sign(request: SignedRequest, signature: Signature, secret_access_key: str) -> str:
    canonical = _canonical(request, signature.signed_headers)
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((ALGORITHM, signature.stamp, signature.scope, digest))
    key = f"AWS4{secret_access_key}".encode()
    for part in signature.scope.split("/"):
        key = _hmac(key, part)
    return _hmac(key, text).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _canonical(request: SignedRequest, signed_headers: tuple[str, ...]) -> str:
    path, _, query = request.target.partition("?")
    pairs = sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair)
    lines = [f"{name}:{_joined(request, name)}" for name in signed_headers]
    return "\n".join(
        (
            request.method,
            quote(path, safe="/~"),
            "&".join(pairs),
            *lines,
            "",
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )


def _joined(request: SignedRequest, name: str) -> str:
    return ",".join(" ".join(value.split()) for key, value in request.headers if key == name)
