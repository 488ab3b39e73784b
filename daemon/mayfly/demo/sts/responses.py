"""What STS says: answers and errors in the XML of AWS's query protocol, version 2011-06-15.

Shapes from the AWS STS API reference. The tests hold them against botocore's service model.
"""

from collections.abc import Mapping
from typing import TypeAlias
from xml.etree.ElementTree import Element, SubElement, tostring


VERSION = "2011-06-15"
NAMESPACE = f"https://sts.amazonaws.com/doc/{VERSION}/"

Result: TypeAlias = Mapping[str, "str | Mapping[str, str]"]


class StsError(Exception):
    """STS refuses: the HTTP `status`, AWS's `code` and AWS's own sentence, `message`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def denied(message: str) -> StsError:
    """AccessDenied, the code of everything that has to do with MFA and with permissions."""
    return StsError(403, "AccessDenied", message)


def invalid(message: str) -> StsError:
    """ValidationError: the request is understood, and a value in it is not allowed."""
    return StsError(400, "ValidationError", message)


def result_xml(action: str, result: Result, request_id: str) -> str:
    """Render `<ActionResponse>` with its result, and the request id in ResponseMetadata."""
    root = Element(f"{action}Response", xmlns=NAMESPACE)
    _fill(SubElement(root, f"{action}Result"), result)
    _fill(SubElement(root, "ResponseMetadata"), {"RequestId": request_id})
    return tostring(root, encoding="unicode")


def error_xml(error: StsError, request_id: str) -> str:
    """Render `<ErrorResponse>`; its Type says whose fault it was, Sender's or Receiver's."""
    root = Element("ErrorResponse", xmlns=NAMESPACE)
    kind = "Sender" if error.status < 500 else "Receiver"
    fields = {"Type": kind, "Code": error.code, "Message": error.message}
    _fill(root, {"Error": fields, "RequestId": request_id})
    return tostring(root, encoding="unicode")


def _fill(parent: Element, content: Result) -> None:
    for name, value in content.items():
        child = SubElement(parent, name)
        if isinstance(value, str):
            child.text = value
        else:
            _fill(child, value)
