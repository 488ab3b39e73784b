"""The STS without its socket: a signed request and an instant in, a response out.

Law: it reads no clock and waits for nothing. It checks in AWS's order: action, access key, signature, parameters,
MFA code, permission, duration, packed policies. A code that was checked is used up, even if a later check fails.
"""

from collections.abc import Mapping
from dataclasses import replace

from mayfly.demo.sts import iam
from mayfly.demo.sts.account import AccessKey, Account, Principal, Role, long_term_key, role_session, temporary_key
from mayfly.demo.sts.context import Overrides, RequestContext
from mayfly.demo.sts.mfa import Devices, invalid_code
from mayfly.demo.sts.packed import packed_percent
from mayfly.demo.sts.parameters import check_parameters
from mayfly.demo.sts.responses import (
    VERSION,
    Response,
    Result,
    StsError,
    denied,
    error_response,
    invalid,
    result_response,
)
from mayfly.demo.sts.signature import SERVICE, SignedRequest, check_date, check_signature, read_signature


# A role assumed from a session lives an hour at most (IAM User Guide, "Methods to assume a role").
CHAINED_SECONDS = 3600


class StsService:
    """One account's STS, with the access keys that it knows and the codes that it has seen."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._devices = Devices()
        self._keys = {user.access_key_id: long_term_key(account, user) for user in account.users}

    def revoke(self, access_key_id: str) -> None:
        """Delete an access key, long-term or temporary."""
        self._keys.pop(access_key_id, None)

    def answer(self, request: SignedRequest, context: RequestContext) -> Response:
        """Check `request` and do what it asks for; `context` records what the checks find."""
        try:
            if context.action == iam.ACTION and context.parameters.get("Version") == iam.VERSION:
                caller = self._authenticate(request, context, iam.SERVICE)
                return result_response(iam.ACTION, iam.mfa_devices(caller, context.now), iam.NAMESPACE)
            return result_response(context.action, self._result(request, context))
        except StsError as error:
            return error_response(error)

    def _result(self, request: SignedRequest, context: RequestContext) -> Result:
        operation = {
            "GetCallerIdentity": self._get_caller_identity,
            "GetSessionToken": self._get_session_token,
            "AssumeRole": self._assume_role,
        }.get(context.action)
        version = context.parameters.get("Version")
        if operation is None or version != VERSION:
            message = f"Could not find operation {context.action} for version {version}"
            raise StsError(400, "InvalidAction", message)
        caller = self._authenticate(request, context)
        check_parameters(context.action, context.parameters)
        return operation(caller, context)

    def _authenticate(self, request: SignedRequest, context: RequestContext, service: str = SERVICE) -> Principal:
        signature = read_signature(request)
        context.access_key_id = signature.access_key_id
        key = self._keys.get(signature.access_key_id)
        if key is None or key.session_token != request.header("x-amz-security-token"):
            message = "The security token included in the request is invalid."
            raise StsError(403, "InvalidClientTokenId", message)
        check_date(signature, context.now)
        check_signature(request, signature, key.secret_access_key, service)
        if key.expiration is not None and context.now >= key.expiration:
            message = "The security token included in the request is expired"
            raise StsError(403, "ExpiredToken", message)
        return key.principal

    def _get_caller_identity(self, caller: Principal, context: RequestContext) -> Result:
        caller = _in_account(caller, context.overrides)
        return {"Arn": caller.arn, "UserId": caller.user_id, "Account": caller.account_id}

    def _get_session_token(self, caller: Principal, context: RequestContext) -> Result:
        if caller.is_temporary:
            raise denied("Cannot call GetSessionToken with session credentials")
        is_mfa_authenticated = self._check_mfa(caller, context)
        seconds = int(context.parameters.get("DurationSeconds", 43200))
        session = replace(caller, is_temporary=True, is_mfa_authenticated=is_mfa_authenticated)
        return {"Credentials": self._issue(session, seconds, context)}

    def _assume_role(self, caller: Principal, context: RequestContext) -> Result:
        parameters = context.parameters
        has_mfa = self._check_mfa(caller, context) or caller.is_mfa_authenticated
        role = self._permitted_role(caller, parameters, has_mfa=has_mfa)
        seconds = int(parameters.get("DurationSeconds", 3600))
        _check_duration(caller, role, seconds)
        session = role_session(self._account, role, parameters["RoleSessionName"])
        session = _in_account(session, context.overrides)
        assumed = {"AssumedRoleId": session.user_id, "Arn": session.arn}
        percent = packed_percent(parameters)
        optional = {} if percent is None else {"PackedPolicySize": str(percent)}
        if "SourceIdentity" in parameters:
            optional["SourceIdentity"] = parameters["SourceIdentity"]
        credentials = self._issue(session, seconds, context)
        return {"Credentials": credentials, "AssumedRoleUser": assumed, **optional}

    def _check_mfa(self, caller: Principal, context: RequestContext) -> bool:
        """True if the request has a valid code. Raises StsError for an invalid one."""
        serial = context.parameters.get("SerialNumber")
        code = context.parameters.get("TokenCode")
        if serial is None and code is None:
            return False
        if serial is None or code is None:
            raise denied(
                "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
            )
        step = self._devices.check(caller.user, serial, code, context.now)
        if context.overrides.refuses_codes:
            raise invalid_code()
        context.code_step = step
        return True

    def _permitted_role(self, caller: Principal, parameters: Mapping[str, str], *, has_mfa: bool) -> Role:
        arn = parameters["RoleArn"]
        role = self._account.role_at(arn)
        if (
            role is None
            or (role.requires_mfa and not has_mfa)
            or role.external_id not in {None, parameters.get("ExternalId")}
            or not role.trusts_session_name(parameters["RoleSessionName"])
        ):
            who = f"User: {caller.arn} is not authorized"
            raise denied(f"{who} to perform: sts:AssumeRole on resource: {arn}")
        return role

    def _issue(self, principal: Principal, seconds: int, context: RequestContext) -> Mapping[str, str]:
        expiration = context.now.replace(microsecond=0) + context.overrides.life(seconds)
        key = temporary_key(_in_account(principal, context.overrides), expiration)
        self._keys[key.access_key_id] = key
        return _credentials(key)


def _credentials(key: AccessKey) -> Mapping[str, str]:
    return {
        "AccessKeyId": key.access_key_id,
        "SecretAccessKey": key.secret_access_key,
        "SessionToken": key.session_token or "",
        "Expiration": f"{key.expiration:%Y-%m-%dT%H:%M:%SZ}",
    }


def _in_account(principal: Principal, overrides: Overrides) -> Principal:
    return replace(principal, account_id=overrides.account_id or principal.account_id)


def _check_duration(caller: Principal, role: Role, seconds: int) -> None:
    if caller.is_temporary and seconds > CHAINED_SECONDS:
        raise invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        )
    if seconds > role.max_session_seconds:
        raise invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
