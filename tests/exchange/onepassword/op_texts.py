"""Every text with which `op` is known to fail, and the error that it must become. Data, no more."""

from __future__ import annotations

from typing import NamedTuple

from mayfly.config.kinds import Text
from mayfly.config.model import OnePassword
from mayfly.config.values import EndpointUrl, FilePath
from mayfly.shared import errors
from mayfly.shared.errors import MayflyError


DESKTOP = OnePassword()
DESKTOP_WITH_ACCOUNT = OnePassword(account=Text("my.1password.com"))
SERVICE = OnePassword(token_file=FilePath("/token"))
SERVICE_BY_COMMAND = OnePassword(token_command=(Text("pass"),))
CONNECT = OnePassword(connect_host=EndpointUrl("https://connect"), connect_token_file=FilePath("/token"))


class Said(NamedTuple):
    """What `op` says, the error it is, the reference at fault where the error names one, and the way to 1Password."""

    text: str
    leaf: type[MayflyError]
    at_fault: str = ""
    way: OnePassword = DESKTOP


REFERENCES = (
    "op://Employee/Notion/Username",
    "op://Employee/Notion/Password",
    "op://Test Data/AWS/access key id",
    "op://Employee/Notion/one-time password?attribute=otp",
)
_USERNAME = REFERENCES[0]
_AWS = REFERENCES[2]
_TOTP = "op://Employee/Notion/one-time password"

_READ = "could not read secret 'op://Employee/Notion/Username': "
_INIT = "error initializing client: "
_OFFLINE = errors.OnePasswordOffline
_TOO_MANY = "(429) Too Many Requests: You've reached the maximum number of this type of requests this "

MULTIPLE_ACCOUNTS = (
    "multiple accounts found. Use the --account flag or set the OP_ACCOUNT environment variable to select an account."
)
FIREWALL_RULE = (
    "(403) Forbidden (Firewall Rule): The IP address of your SCIM bridge was blocked by a 1Password firewall rule."
)
FIREWALL_PAGE = "(403) Forbidden: <html><head><title>403 Forbidden</title></head><body>Blocked</body></html>"

TEXTS = (
    # Siblings, in the words of other versions and of shells around op.
    Said('found multiple accounts for filter "acme": specify one', errors.AccountAmbiguous),
    Said("found 2 accounts for the sign-in address", errors.AccountAmbiguous),
    Said(_INIT + "account is ambiguous", errors.AccountAmbiguous),
    Said('found no accounts for filter "acme"', errors.AccountNotFound),
    Said('unknown account "acme"', errors.AccountNotFound),
    Said('account "acme" does not exist', errors.AccountNotFound),
    Said("account 'acme' isn't configured on this device", errors.AccountNotFound),
    Said("your session has expired, sign in again", errors.NotSignedIn),
    Said("(403) Forbidden: Your IP address is not allowed to sign in to this account.", _OFFLINE),
    Said("(403) Forbidden: sign-ins from your location are blocked", _OFFLINE),
    Said("(403) Forbidden: request blocked by security policy", _OFFLINE, way=SERVICE),
    Said("(403) Forbidden: blocked by Zscaler", _OFFLINE, way=SERVICE),
    Said("request blocked by the company's web filter", _OFFLINE, way=SERVICE),
    # Not everything that blocks is in the network.
    Said("request blocked: the app is locked", errors.OnePasswordLocked),
    Said("sign-in was blocked by the administrator's policy", errors.OnePasswordUnknown),
    Said("1Password CLI integration is disabled", errors.IntegrationOff),
    Said("biometric unlock is not enabled for this account", errors.IntegrationOff),
    Said("connecting to desktop app: write: broken pipe", errors.OnePasswordNotRunning),
    Said('"op://Employee/x" is not a valid secret reference', errors.ReferenceInvalid),
    Said("You are not currently signed in. Please run `op signin --help` for instructions", errors.NotSignedIn),
    Said("account is not signed in", errors.NotSignedIn),
    Said("no account found for filter ", errors.AccountNotFound),
    Said("no account found for filter ABCDEFGHIJKLMNOPQRSTUVWXYZ", errors.AccountNotFound),
    Said("authorization prompt dismissed, please try again", errors.ApprovalDismissed),
    Said(_INIT + "authorization prompt dismissed, please try again", errors.ApprovalDismissed),
    Said(_READ + _INIT + "authorization prompt dismissed, please try again", errors.ApprovalDismissed),
    Said(_READ + _INIT + "authorization timeout", errors.ApprovalIgnored),
    Said(
        _INIT + "connecting to desktop app: cannot connect to 1Password app, make sure it is running",
        errors.OnePasswordNotRunning,
    ),
    Said(
        "connecting to desktop app: read: connection reset, make sure 1Password CLI is installed correctly, then open "
        "the 1Password app, select 1Password > Settings > Developer and make sure the 'Integrate with 1Password CLI' "
        "setting is turned on.",
        errors.IntegrationOff,
    ),
    Said(
        "connecting to desktop app: read: connection reset, make sure the CLI is correctly installed and Connect with "
        "1Password CLI is enabled in the 1Password app",
        errors.IntegrationOff,
    ),
    Said("response: unsupportedClientType", errors.IntegrationOff),
    Said(
        "connecting to desktop app: 1Password CLI couldn't connect to the 1Password desktop app. To fix this, update "
        "the desktop app to the latest version. If you're still having trouble connecting, restart the app. If you're "
        "using version 8.10.12 or earlier of the app, the 1Password CLI binary must be located in /usr/local/bin/op.",
        errors.OnePasswordNotRunning,
    ),
    Said("connecting to desktop app timed out", errors.OnePasswordNotRunning),
    Said(
        "No accounts configured for use with 1Password CLI.\n\n - Turn on the 1Password desktop app integration to "
        "sign in with the accounts in the app.\n - Add an account manually with `op account add`.\n"
        " - Authenticate using a 1Password service account with OP_SERVICE_ACCOUNT_TOKEN.\n"
        " - Use 1Password CLI with a Connect server with OP_CONNECT_HOST and OP_CONNECT_TOKEN.",
        errors.AccountNotFound,
    ),
    Said(_READ + _INIT + "No accounts configured for use with 1Password CLI", errors.AccountNotFound),
    Said(
        "could not read secret 'op://NoSuchVault/Notion/Username': could not get item NoSuchVault/Notion: "
        '"NoSuchVault" isn\'t a vault in this account. Specify the vault with its ID or name.',
        errors.VaultNotFound,
    ),
    Said(
        '"Test Data" isn\'t a vault in this account. Specify the vault with its ID or name.', errors.VaultNotFound, _AWS
    ),
    Said(
        _READ + 'could not get item Employee/Notion: "Notion" isn\'t an item in the "Employee" vault. '
        "Specify the item with its UUID, name, or domain.",
        errors.ItemNotFound,
        _USERNAME,
    ),
    Said(
        '"AWS" isn\'t an item in the "Test Data" vault. Specify the item with its UUID, name, or domain.',
        errors.ItemNotFound,
        _AWS,
    ),
    Said('"AWS" isn\'t an item. Specify the item with its UUID, name, or domain.', errors.ItemNotFound, _AWS),
    Said(
        "could not resolve item UUID for item AWS: could not find item AWS in vault abcdefghijklmnopqrstuvwxyz",
        errors.ItemNotFound,
        _AWS,
    ),
    Said(
        "could not find item AWS in vault Test Data, because it has been deleted or archived.",
        errors.ItemNotFound,
        _AWS,
    ),
    Said(
        _READ + "item 'Employee/Notion' does not have a field 'Username'",
        errors.FieldNotFound,
        _USERNAME,
    ),
    Said("item 'Test Data/AWS' does not have a field 'access key id'", errors.FieldNotFound, _AWS),
    Said("could not find field or file access key id on item AWS in vault Test Data", errors.FieldNotFound, _AWS),
    Said('"access key id" isn\'t a field in the "AWS" item', errors.FieldNotFound, _AWS),
    Said('"one-time password" does not have a one-time password', errors.FieldNotFound, _TOTP),
    Said('"one-time password" doesn\'t have a one-time password.', errors.FieldNotFound, _TOTP),
    Said(
        'More than one item matches "AWS". Try again and specify the item by its ID: \n'
        '\t* for the item "AWS" in vault Test Data: abcdefghijklmnopqrstuvwxyz\n'
        '\t* for the item "AWS" in vault Test Data: zyxwvutsrqponmlkjihgfedcba',
        errors.ItemAmbiguous,
        _AWS,
    ),
    Said(
        'could not resolve item UUID for item AWS: More than one item matches "AWS". '
        "Try again and specify the item by its ID: ",
        errors.ItemAmbiguous,
        _AWS,
    ),
    Said(
        "could not read secret 'op://Employee/Notion': invalid secret reference 'op://Employee/Notion': too few '/': "
        "secret references should have at least vault, item and field specified",
        errors.ReferenceInvalid,
    ),
    Said(f"invalid secret reference '{_AWS}': invalid character in secret reference", errors.ReferenceInvalid, _AWS),
    Said(
        "parsing error at 3:53: only secret references or quoted strings can be enclosed in unescaped {{ }}s",
        errors.ReferenceInvalid,
        _AWS,
    ),
    Said("session expired, sign in to create a new session", errors.NotSignedIn),
    Said("service account token set, but not authenticated yet", errors.ServiceAccountRejected),
    Said(_INIT + "Validation: (failed to DecodeSACCredentials)", errors.ServiceAccountRejected),
    Said(
        _INIT + "Authentication: (failed to auth.LookupAuth), Network: (failed to request.DoUnencrypted), Server: "
        "(403) (Forbidden (Service Account Deleted)), The Service Account used in this integration has been deleted.",
        errors.ServiceAccountRejected,
    ),
    Said("(401) Unauthorized: Invalid token signature", errors.ServiceAccountRejected, way=SERVICE),
    Said("401 Unauthorized", errors.ServiceAccountRejected, way=SERVICE),
    Said("403 Forbidden", errors.ServiceAccountRejected, way=SERVICE),
    Said("failed to authenticate: status 401: Invalid token", errors.ServiceAccountRejected, way=SERVICE),
    Said("(401) Unauthorized: Invalid token", errors.ServiceAccountRejected, way=CONNECT),
    Said("(401) Unauthorized: Authentication required", errors.NotSignedIn),
    Said("(403) Forbidden: You aren't authorized", errors.NotSignedIn),
    Said("failed to authenticate: status 401", errors.NotSignedIn, way=DESKTOP_WITH_ACCOUNT),
    # Recorded from users' reports of 2022 to 2026.
    Said(MULTIPLE_ACCOUNTS, errors.AccountAmbiguous),
    Said(_READ + _INIT + MULTIPLE_ACCOUNTS, errors.AccountAmbiguous),
    Said('found multiple accounts for filter "my.1password.com".', errors.AccountAmbiguous, way=DESKTOP_WITH_ACCOUNT),
    Said(_INIT + FIREWALL_RULE, _OFFLINE, way=SERVICE),
    Said(FIREWALL_RULE, _OFFLINE),
    # What op passes on of an HTML page, of Go's parser and transport, and of Go's certificates (assumptions).
    Said(FIREWALL_PAGE, _OFFLINE, way=SERVICE),
    Said(FIREWALL_PAGE, _OFFLINE),
    Said("(403) Forbidden: invalid character '<' looking for beginning of value", _OFFLINE, way=SERVICE),
    Said("(401) Unauthorized: <!DOCTYPE html><title>Zscaler</title>", _OFFLINE, way=CONNECT),
    Said('Post "https://my.1password.com/api/v3/auth": Forbidden', _OFFLINE, way=SERVICE),
    Said('Get "https://my.1password.com/api": Proxy Authentication Required', _OFFLINE),
    Said("tls: failed to verify certificate: x509: certificate signed by unknown authority", _OFFLINE),
    Said('unknown command "inject" for "op"', errors.OnePasswordMissing),
    Said("unknown flag: --no-color\nUsage: op", errors.OnePasswordMissing),
    Said("could not find session token for account foo", errors.NotSignedIn),
    Said("rate limit exceeded", errors.OnePasswordRateLimited),
    Said("dial tcp 10.0.0.5:403: connect: no route to host", _OFFLINE),
    Said(
        _TOO_MANY + "service account is allowed to make. Please retry in 58 minutes or try other requests.",
        errors.OnePasswordRateLimited,
    ),
    Said("Too many requests. Your client has been rate-limited.", errors.OnePasswordRateLimited),
    Said("dial tcp: lookup my.1password.com: no such host", errors.OnePasswordOffline),
    Said("dial tcp 1.2.3.4:443: i/o timeout", errors.OnePasswordOffline),
    Said("dial tcp 1.2.3.4:443: connect: connection refused", errors.OnePasswordOffline),
    Said("context deadline exceeded", errors.OnePasswordOffline),
    # Not recorded in op's own wrapping, but words of Go, of glibc and of HTTP that it passes on (assumptions).
    Said(
        'Get "https://my.1password.com/api": read tcp 10.0.0.5:42912->1.2.3.4:443: connection reset by peer', _OFFLINE
    ),
    Said(_INIT + "Post https://x: read tcp 10.0.0.5:42951->1.2.3.4:443: i/o timeout", _OFFLINE),
    Said("read tcp 10.0.0.5:429->1.2.3.4:443: i/o timeout", _OFFLINE),
    Said("dial tcp 10.0.0.5:429: connect: no route to host", _OFFLINE),
    Said("(500) Internal Server Error: something went wrong", _OFFLINE),
    Said("(502) Bad Gateway", _OFFLINE),
    Said("(503) Service Unavailable", _OFFLINE),
    Said("(504) Gateway Timeout", _OFFLINE),
    Said(_INIT + "unexpected EOF", _OFFLINE),
    Said("failed to decode response: unexpected EOF", _OFFLINE),
    Said("lookup my.1password.com: Temporary failure in name resolution", _OFFLINE),
    Said("lookup my.1password.com on 10.0.0.1:53: server misbehaving", _OFFLINE),
    Said("lookup my.1password.com: no such host", _OFFLINE),
    Said("connect: connection refused", _OFFLINE),
    Said("net/http: TLS handshake timeout", _OFFLINE),
    Said("connecting to desktop app: dial unix: connect: connection refused", errors.OnePasswordNotRunning),
    Said("connecting to desktop app: unexpected EOF", errors.OnePasswordNotRunning),
    Said("unexpected status: 429", errors.OnePasswordRateLimited),
    Said("HTTP 429: slow down", errors.OnePasswordRateLimited),
    Said("failed to decode the moon", errors.OnePasswordUnknown),
    # Names that read like other failures.
    Said('"Rate limit" isn\'t an item in the "429" vault. Specify the item with its UUID.', errors.ItemNotFound),
    Said("item 'Employee/authorization timeout' does not have a field 'is locked'", errors.FieldNotFound),
    Said(
        "could not read secret 'op://V/Too many requests/f': " + _INIT + "authorization timeout", errors.ApprovalIgnored
    ),
    Said("could not do \"isn't an item\" for 'Rate limit'", errors.OnePasswordUnknown),
    Said(_READ + "item 'Employee/Notion' does not have a section 'Login'", errors.FieldNotFound, _USERNAME),
    Said("could not get item Employee/Notion: (404) (Not Found) Item not found", errors.ItemNotFound, _USERNAME),
    Said(
        "could not resolve item UUID for item Notion: (403) Forbidden: You don't have access to this item.",
        errors.ItemNotFound,
        _USERNAME,
    ),
    Said(f"could not read secret '{_TOTP}': unable to generate OTP: invalid secret", errors.ItemValueInvalid, _TOTP),
)

WAITS = (
    (
        _TOO_MANY + "service account is allowed to make. Please retry in 58 minutes or try other requests.",
        58 * 60,
        "58 minutes",
    ),
    (
        _TOO_MANY + "1Password account is allowed to make. Please retry in 23 hours and 59 minutes or try",
        86_340,
        "24 hours",
    ),
    ("Too many requests. Your client has been rate-limited. Try again in 30 seconds", 30, "30 seconds"),
    ("Too many requests. Try again in 1 second", 1, "1 second"),
    ("Too many requests. Try again in 1 minute 30 seconds", 90, "90 seconds"),
    ("Too many requests. Try again in 1 hour, 1 minute and 1 second", 3661, "62 minutes"),
    ("Too many requests. Try again in 9999 hours", 86_400, "24 hours"),
    ("Too many requests. Your client has been rate-limited.", 900, "15 minutes"),
)

# What nobody has recorded, and what of it may be shown.
UNKNOWN = (
    ("", "nothing at all"),
    ("something odd happened\nwith a second line", "something odd happened"),
    ("could not frobnicate op://Private/Bank/password: odd", "could not frobnicate op://…: odd"),
    ("could not frobnicate 'op://Private/Bank/password'", "could not frobnicate ''"),
    ('the field "hunter2" is odd', 'the field "" is odd'),
    ("odd: AKIAIOSFODNN7EXAMPLE", "odd: …"),
    ("odd: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "odd: …"),
    ("odd: code 123456 was made", "odd: code … was made"),
    ("odd: AKIAIOSF\x00ODNN7EXAMPLE", "odd: …"),
    ("odd: code 123\u200b456 was made", "odd: code … was made"),
    ("odd\rand more", "odd"),
    ("odd\u2028and more", "odd"),
    ("odd\x07\x1b]0;title\x07 bell", "odd]0;title bell"),
    ("panic: runtime error: invalid memory address", "panic: runtime error: invalid memory address"),
)
