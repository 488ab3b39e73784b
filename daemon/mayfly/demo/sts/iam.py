"""The one action of IAM that the embedded account answers: ListMFADevices, for the user who calls.

Shapes from the AWS IAM API reference, version 2010-05-08. IAM is asked at the same socket as STS.
"""

from datetime import datetime

from mayfly.demo.sts.account import Principal
from mayfly.demo.sts.responses import Result, denied


SERVICE = "iam"
ACTION = "ListMFADevices"
VERSION = "2010-05-08"
NAMESPACE = f"https://iam.amazonaws.com/doc/{VERSION}/"


def mfa_devices(caller: Principal, now: datetime) -> Result:
    """The devices of the caller. Raises StsError if the caller may not list them."""
    user = caller.user
    if user is None or not user.may_list_devices:
        raise denied(
            f"User: {caller.arn} is not authorized to perform: iam:ListMFADevices on resource: user"
            " because no identity-based policy allows the iam:ListMFADevices action"
        )
    serials = (user.mfa_serial, *user.other_devices)
    rows = [
        {"UserName": user.name, "SerialNumber": serial, "EnableDate": f"{now:%Y-%m-%dT%H:%M:%SZ}"}
        for serial in serials
        if serial
    ]
    return {"MFADevices": rows, "IsTruncated": "false"}
