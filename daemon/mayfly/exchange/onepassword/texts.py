"""What `op` prints when it fails, as patterns, and the error and the message for each.

The texts are no stable interface of 1Password. They were collected from recorded sessions and users' reports of op 2.20
to 2.40; those of Go and of HTTP are what `op` passes on. The first row that matches wins. Names in quotes have been
removed before ("" and '' are left), so that an item called "rate limit" is not misread.
"""

from __future__ import annotations

from typing import NamedTuple

from mayfly.shared import errors
from mayfly.shared.errors import MayflyError


class Row(NamedTuple):
    """A pattern, without regard to case; the error and its message; the hint, if it is not the error's own."""

    pattern: str
    error: type[MayflyError]
    message: str
    hint: str | None = None


# A number after a colon is a port, not a status.
_STATUS = r"(?<![:.\w/-])"

STATUS_REFUSED = "1Password refuses the sign-in"
IGNORED = "nobody answered the 1Password prompt within a minute"

# HTTP's own status and an HTML page: 1Password's servers answer in JSON.
_PAGE = r"<!doctype|</?(html|head|title|body|h1|center)\b|invalid character '' looking for beginning of value"
_OTHER_STATUS = r"(?!.*\b(429|50[0-4])\b)"

ROWS: tuple[Row, ...] = (
    Row(
        r"unknown (command|flag|shorthand flag)",
        errors.OnePasswordMissing,
        "this op",
    ),
    Row(
        r"firewall rule|your (ip address|location|country|network) (is|are) (not allowed|blocked)",
        errors.OnePasswordOffline,
        "a firewall rule of the 1Password account blocks this network",
        "use another network or a VPN, or have the account's administrator allow this one",
    ),
    Row(
        rf"\A{_OTHER_STATUS}.*({_PAGE})|proxy authentication required|\"\": forbidden\b"
        # 1Password's app and an administrator block, too, but not by HTTP's status.
        r"|\bforbidden\b.*(request (was |is )?blocked|blocked by (?!(a |the )?user|you\b))"
        r"|blocked by [^.:]*\b(firewall|proxy|gateway|web filter)\b",
        errors.OnePasswordOffline,
        "a firewall, a proxy or a captive portal answers in the place of 1Password's servers",
        "let op reach 1Password's servers; HTTPS_PROXY and NO_PROXY of the daemon's environment count for op, too",
    ),
    Row(
        r"x509: |certificate signed by unknown authority|failed to verify certificate",
        errors.OnePasswordOffline,
        "op does not accept the certificate of the server that it reaches",
        "behind a company's proxy the system, or on Linux SSL_CERT_FILE of the daemon's environment, must have the "
        "proxy's certificate",
    ),
    Row(
        r"isn't an item|could not find item|could not resolve item uuid.*could not find|deleted or archived"
        # A 403 or 404 about one item says nothing about the account.
        r"|could not (resolve|get) item.*\(40[34]\)",
        errors.ItemNotFound,
        "1Password finds no such item",
    ),
    Row(
        r"isn't a field|does not have a (field|section)|could not find field|does(n't| not) have a one-time password",
        errors.FieldNotFound,
        "1Password finds no such field in the item",
    ),
    Row(
        r"unable to generate (an )?otp",
        errors.ItemValueInvalid,
        "1Password makes no one-time password of what the item has",
    ),
    Row(r"isn't a vault", errors.VaultNotFound, "1Password finds no such vault"),
    Row(
        r"more than one item matches",
        errors.ItemAmbiguous,
        "1Password finds more than one item of this name",
    ),
    Row(
        r"(invalid|not a valid) secret reference|parsing error",
        errors.ReferenceInvalid,
        "1Password cannot read the secret reference",
    ),
    Row(
        r"authorization prompt dismissed",
        errors.ApprovalDismissed,
        "the 1Password prompt was dismissed",
    ),
    Row(r"authorization timeout", errors.ApprovalIgnored, IGNORED),
    Row(r"app is locked|is locked", errors.OnePasswordLocked, "1Password is locked"),
    Row(
        # On macOS this is also said while the integration is off.
        r"couldn't connect to the 1password desktop app",
        errors.OnePasswordNotRunning,
        "op cannot connect to the 1Password app",
        "start or update the 1Password app, see that 'Integrate with 1Password CLI' is on in its Settings > Developer, "
        "then run 'mayfly login'",
    ),
    Row(
        r"cannot connect to 1password app|connecting to desktop app timed out"
        r"|desktop app.*(connection refused|broken pipe|\beof\b)",
        errors.OnePasswordNotRunning,
        "the 1Password app is not running, or does not answer",
    ),
    Row(
        r"connection reset.*1password|desktop app.*connection reset|unsupportedclienttype"
        r"|(integration|biometric unlock) (is |was )?(disabled|not enabled|turned off)",
        errors.IntegrationOff,
        "the 1Password app does not accept op",
    ),
    Row(
        r"multiple accounts|(more than one|several) accounts?|found ([2-9]|[1-9]\d+) accounts"
        r"|ambiguous account|account is ambiguous|(multiple|more than one) users? (found|match)",
        errors.AccountAmbiguous,
        "op knows several 1Password accounts, and must be told which one",
    ),
    Row(
        r"no accounts? (configured|found|match)|found no accounts?|unknown account|could(n't| not) find (the )?account"
        r"|account (''|\"\") ((was )?not found|(isn't|is not) (configured|known|found)|does(n't| not) exist)",
        errors.AccountNotFound,
        "op knows no 1Password account",
    ),
    Row(
        r"not currently signed in|account is not signed in|session (has )?expired|no active session"
        r"|could not find session token",
        errors.NotSignedIn,
        "nobody is signed in to 1Password",
    ),
    Row(
        r"service account .*deleted|not authenticated yet|decodesaccredentials",
        errors.ServiceAccountRejected,
        "1Password does not accept the service account token",
    ),
    # The message and the error depend on who is signed in: see refusals.py.
    Row(rf"{_STATUS}(401|403)\b(?!->)", errors.ServiceAccountRejected, STATUS_REFUSED),
    Row(
        rf"{_STATUS}429\b(?!->)|too many requests|rate[- ]limit",
        errors.OnePasswordRateLimited,
        "1Password's rate limit is reached",
    ),
    Row(
        r"\(50[0234]\)|internal server error|bad gateway|service unavailable|gateway time-?out",
        errors.OnePasswordOffline,
        "1Password's servers fail",
    ),
    Row(
        r"dial tcp|no such host|i/o timeout|connection refused|connection reset by peer|network is (unreachable|down)"
        r"|no route to host|deadline exceeded|tls handshake|unexpected eof|temporary failure in name resolution"
        r"|server misbehaving",
        errors.OnePasswordOffline,
        "op cannot reach 1Password's servers: the network is down",
    ),
)
