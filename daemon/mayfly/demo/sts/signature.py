"""AWS Signature Version 4 as a server checks it: botocore signs the request again, and both results are compared.

botocore gets only the headers that the client says it signed. The credential scope's service must be that of the
action, its region may be any. The date may be 15 minutes from the server's clock, either way.
"""

import hashlib
import hmac

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from botocore.auth import SIGV4_TIMESTAMP, SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials

from mayfly.demo.sts.responses import StsError


SERVICE = "sts"
TOLERANCE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """A request as it came over the wire: `target` is raw, `headers` in order, names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The last value of header `name`, or None."""
        return dict(self.headers).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """The fields of the Authorization header, and the X-Amz-Date as it was sent."""

    access_key_id: str
    region: str
    credential: str
    signed_headers: str
    value: str
    stamp: str
    signed_at: datetime


def read_signature(request: SignedRequest) -> Signature:
    """Take the signature out of `request`. Raises StsError if it is missing or cannot be parsed."""
    header = request.header("authorization")
    if not header:
        raise StsError(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    algorithm, _, rest = header.partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        raise StsError(400, "IncompleteSignature", f"Unsupported AWS 'algorithm': '{algorithm}'.")
    try:
        fields = dict(part.strip().split("=", 1) for part in rest.split(","))
        access_key_id, _day, region, _service, _terminator = fields["Credential"].split("/")
        stamp = request.header("x-amz-date") or ""
        return Signature(
            access_key_id=access_key_id,
            region=region,
            credential=fields["Credential"],
            signed_headers=fields["SignedHeaders"],
            value=fields["Signature"],
            stamp=stamp,
            signed_at=datetime.strptime(stamp, SIGV4_TIMESTAMP).replace(tzinfo=UTC),
        )
    except (KeyError, ValueError):
        message = "Authorization header or X-Amz-Date header is incomplete."  # AWS names the part that is missing
        raise StsError(400, "IncompleteSignature", message) from None


def check_date(signature: Signature, now: datetime) -> None:
    """Raise StsError if the signature's date is more than 15 minutes from `now`."""
    stamp, clock = signature.stamp, now.strftime(SIGV4_TIMESTAMP)
    if signature.signed_at < now - TOLERANCE:
        limit = (now - TOLERANCE).strftime(SIGV4_TIMESTAMP)
        raise _mismatch(f"Signature expired: {stamp} is now earlier than {limit} ({clock} - 15 min.)")
    if signature.signed_at > now + TOLERANCE:
        limit = (now + TOLERANCE).strftime(SIGV4_TIMESTAMP)
        raise _mismatch(f"Signature not yet current: {stamp} is still later than {limit} ({clock} + 15 min.)")


def check_signature(
    request: SignedRequest, signature: Signature, secret_access_key: str, service: str = SERVICE
) -> None:
    """Raise StsError unless `secret_access_key` made this signature for exactly this request, of this service."""
    given = "\n".join((signature.credential, signature.signed_headers, signature.value))
    is_equal = hmac.compare_digest(_sign_again(request, signature, secret_access_key, service).encode(), given.encode())
    is_host_signed = "host" in signature.signed_headers.split(";")
    # botocore signs the hash that this header claims, rather than the body's own.
    is_body_signed = request.header("x-amz-content-sha256") in {None, hashlib.sha256(request.body).hexdigest()}
    if not (is_equal and is_host_signed and is_body_signed):
        raise _mismatch(
            "The request signature we calculated does not match the signature you provided. Check"
            " your AWS Secret Access Key and signing method. Consult the service documentation for"
            " details."
        )


class _Signer(SigV4Auth):
    """Signs all headers of a request. SigV4Auth leaves some out, and adds `host`."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        return request.headers


def _sign_again(request: SignedRequest, signature: Signature, secret_access_key: str, service: str) -> str:
    """Credential, signed headers and signature of the request, a line each, as they should be."""
    again = AWSRequest(method=request.method, url=f"http://{SERVICE}{request.target}", data=request.body)
    names = signature.signed_headers.split(";")
    for name, value in request.headers:
        if name in names:
            again.headers[name] = value  # appends a value, as email.message does
    again.context["timestamp"] = signature.stamp
    signer = _Signer(Credentials(signature.access_key_id, secret_access_key), service, signature.region)
    text = signer.string_to_sign(again, signer.canonical_request(again))
    return "\n".join((signer.scope(again), signer.signed_headers(again.headers), signer.signature(text, again)))


def _mismatch(message: str) -> StsError:
    return StsError(403, "SignatureDoesNotMatch", message)
