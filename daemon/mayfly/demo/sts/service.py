"""STS without a socket: a signed request and an instant in, an answer out.

Law: it reads no clock and waits for nothing. It checks in AWS's order: the action, the signature,
the key, the parameters, the MFA code, the permission, the duration. A code that was looked at is
spent, whatever happens after. What AWS says in each case is listed with the tests.
"""

import uuid

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from mayfly.demo.sts.account import Account, Key, Principal, Role, permanent_key, role_principal, temporary_key
from mayfly.demo.sts.context import Reply, Terms, Visit, refusal
from mayfly.demo.sts.mfa import Devices, invalid_code
from mayfly.demo.sts.parameters import check_parameters
from mayfly.demo.sts.responses import VERSION, Result, StsError, denied, invalid, result_xml
from mayfly.demo.sts.signature import SignedRequest, check_date, check_signature, read_signature


# Role chaining and root sessions end after an hour (IAM User Guide, "Methods to assume a role").
CHAINED_SECONDS = 3600
ROOT_SECONDS = 3600


class StsService:
    """One account's STS: the keys that it knows and the codes that it has seen."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._devices = Devices()
        self._keys = {user.access_key_id: permanent_key(account, user) for user in account.users}

    def revoke(self, access_key_id: str) -> None:
        """Delete a key, permanent or temporary."""
        self._keys.pop(access_key_id, None)

    def answer(self, request: SignedRequest, visit: Visit) -> Reply:
        """Check `request` and do what it asks; `visit` keeps what was learnt on the way."""
        try:
            result = self._result(request, visit)
        except StsError as error:
            return refusal(error)
        request_id = str(uuid.uuid4())
        body = result_xml(visit.action, result, request_id)
        return Reply(status=200, body=body, request_id=request_id, outcome="ok")

    def _result(self, request: SignedRequest, visit: Visit) -> Result:
        operation = {
            "GetCallerIdentity": self._get_caller_identity,
            "GetSessionToken": self._get_session_token,
            "AssumeRole": self._assume_role,
        }.get(visit.action)
        version = visit.parameters.get("Version")
        if operation is None or version != VERSION:
            message = f"Could not find operation {visit.action} for version {version}"
            raise StsError(400, "InvalidAction", message)
        caller = self._authenticate(request, visit)
        check_parameters(visit.action, visit.parameters)
        return operation(caller, visit)

    def _authenticate(self, request: SignedRequest, visit: Visit) -> Principal:
        signature = read_signature(request)
        visit.access_key_id = signature.access_key_id
        key = self._keys.get(signature.access_key_id)
        if key is None or key.session_token != request.header("x-amz-security-token"):
            message = "The security token included in the request is invalid."
            raise StsError(403, "InvalidClientTokenId", message)
        check_date(signature, visit.now)
        check_signature(request, signature, key.secret_access_key)
        if key.expiration is not None and visit.now >= key.expiration:
            message = "The security token included in the request is expired"
            raise StsError(403, "ExpiredToken", message)
        return key.principal

    def _get_caller_identity(self, caller: Principal, visit: Visit) -> Result:
        caller = _in_account(caller, visit.terms)
        return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account_id}

    def _get_session_token(self, caller: Principal, visit: Visit) -> Result:
        if caller.temporary:
            raise denied("Cannot call GetSessionToken with session credentials")
        mfa_authenticated = self._check_mfa(caller, visit)
        seconds = int(visit.parameters.get("DurationSeconds", 43200))
        if caller.is_root:
            seconds = min(seconds, ROOT_SECONDS)
        session = replace(caller, temporary=True, mfa_authenticated=mfa_authenticated)
        return {"Credentials": self._issue(session, seconds, visit)}

    def _assume_role(self, caller: Principal, visit: Visit) -> Result:
        parameters = visit.parameters
        mfa_authenticated = self._check_mfa(caller, visit) or caller.mfa_authenticated
        role = self._permitted_role(caller, parameters, mfa_authenticated=mfa_authenticated)
        seconds = int(parameters.get("DurationSeconds", 3600))
        _check_duration(caller, role, seconds)
        session = role_principal(self._account, role, parameters["RoleSessionName"])
        session = _in_account(session, visit.terms)
        assumed = {"AssumedRoleId": session.user_id, "Arn": session.arn}
        optional = {"PackedPolicySize": "6"} if _has_policy_or_tags(parameters) else {}
        if "SourceIdentity" in parameters:
            optional["SourceIdentity"] = parameters["SourceIdentity"]
        credentials = self._issue(session, seconds, visit)
        return {"Credentials": credentials, "AssumedRoleUser": assumed, **optional}

    def _check_mfa(self, caller: Principal, visit: Visit) -> bool:
        serial = visit.parameters.get("SerialNumber")
        code = visit.parameters.get("TokenCode")
        if serial is None and code is None:
            return False
        if serial is None or code is None:
            raise denied(
                "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
            )
        step = self._devices.check(caller.user, serial, code, visit.now)
        if visit.terms.refuses_codes:
            raise invalid_code()
        visit.code_step = step
        return True

    def _permitted_role(self, caller: Principal, parameters: Mapping[str, str], *, mfa_authenticated: bool) -> Role:
        if caller.is_root:
            raise denied("Roles may not be assumed by root accounts.")
        arn = parameters["RoleArn"]
        role = self._account.role_at(arn)
        if (
            role is None
            or (role.requires_mfa and not mfa_authenticated)
            or role.external_id not in {None, parameters.get("ExternalId")}
        ):
            who = f"User: {caller.arn} is not authorized"
            raise denied(f"{who} to perform: sts:AssumeRole on resource: {arn}")
        return role

    def _issue(self, principal: Principal, seconds: int, visit: Visit) -> Mapping[str, str]:
        expiration = visit.now.replace(microsecond=0) + visit.terms.life(seconds)
        key = temporary_key(_in_account(principal, visit.terms), expiration)
        self._keys[key.access_key_id] = key
        return _credentials(key, expiration)


def _credentials(key: Key, expiration: datetime) -> Mapping[str, str]:
    return {
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
        "SessionToken": key.session_token or "",
        "Expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _in_account(principal: Principal, terms: Terms) -> Principal:
    return replace(principal, account_id=terms.account_id or principal.account_id)


def _check_duration(caller: Principal, role: Role, seconds: int) -> None:
    if caller.temporary and seconds > CHAINED_SECONDS:
        raise invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    if seconds > role.max_session_seconds:
        raise invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def _has_policy_or_tags(parameters: Mapping[str, str]) -> bool:
    return any(name.startswith(("Policy", "Tags.")) for name in parameters)
