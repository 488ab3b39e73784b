"""The STS's responses: results and errors in the XML of AWS's query protocol, version 2011-06-15.

Shapes from the AWS STS API reference. The tests hold them against botocore's service model.
"""

import uuid

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from xml.etree.ElementTree import Element, SubElement, tostring


VERSION = "2011-06-15"
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"

Result: TypeAlias = Mapping[str, "str | Result | Sequence[Result]"]


class StsError(Exception):
    """A refused request: the HTTP `status`, AWS's error `code` and AWS's wording, `message`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """HTTP status, XML and request id; `outcome` is `ok` or AWS's error code."""

    status: int
    body: str
    request_id: str
    outcome: str


def denied(message: str) -> StsError:
    """AccessDenied: AWS's code for everything about MFA and permissions."""
    return StsError(403, "AccessDenied", message)


def invalid(message: str) -> StsError:
    """ValidationError: AWS understands the request and does not allow a value in it."""
    return StsError(400, "ValidationError", message)


def result_response(action: str, result: Result, namespace: str = NAMESPACE) -> Response:
    """`<ActionResponse>` with its result, and the request id in ResponseMetadata."""
    request_id = str(uuid.uuid4())
    root = Element(f"{action}Response", xmlns=namespace)
    _fill(SubElement(root, f"{action}Result"), result)
    _fill(SubElement(root, "ResponseMetadata"), {"RequestId": request_id})
    return Response(status=200, body=tostring(root, encoding="unicode"), request_id=request_id, outcome="ok")


def error_response(error: StsError) -> Response:
    """`<ErrorResponse>`; its Type says whose fault it was, Sender's or Receiver's."""
    request_id = str(uuid.uuid4())
    root = Element("ErrorResponse", xmlns=NAMESPACE)
    kind = "Sender" if error.status < 500 else "Receiver"
    fields = {"Type": kind, "Code": error.code, "Message": error.message}
    _fill(root, {"Error": fields, "RequestId": request_id})
    body = tostring(root, encoding="unicode")
    return Response(status=error.status, body=body, request_id=request_id, outcome=error.code)


def _fill(parent: Element, content: Result) -> None:
    for name, value in content.items():
        child = SubElement(parent, name)
        if isinstance(value, str):
            child.text = value
        elif isinstance(value, Mapping):
            _fill(child, value)
        else:
            for member in value:
                _fill(SubElement(child, "member"), member)
