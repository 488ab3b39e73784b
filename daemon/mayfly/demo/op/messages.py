"""The messages of `op` when it fails, word for word.

Law: every message that `op` is known to print is here and nowhere else, and nothing here decides when it is printed.
Recorded from `op` 2.20 to 2.39 or reported by its users. Nobody has verified what a comment marks `assumption`.
"""

from __future__ import annotations


class OpError(Exception):
    """`op` prints `text` on stderr, after `[ERROR] time ` if `has_prefix`, and ends with `exit_code`."""

    def __init__(self, text: str, exit_code: int = 1, *, has_prefix: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code
        self.has_prefix = has_prefix


INITIALIZING = "error initializing client: "
PROMPT_DISMISSED = "authorization prompt dismissed, please try again"
PROMPT_TIMED_OUT = "authorization timeout"
NOT_SIGNED_IN = "You are not currently signed in. Please run `op signin --help` for instructions"
ACCOUNT_NOT_SIGNED_IN = "account is not signed in"
NO_ACCOUNT_FOUND = "no account found for filter "
NOT_AUTHENTICATED_YET = "service account token set, but not authenticated yet"

# The first words of the four bullets are recorded. assumption: how each of them ends.
NO_ACCOUNTS = """\
No accounts configured for use with 1Password CLI.

 - Turn on the 1Password desktop app integration to sign in with the accounts in the app.
 - Add an account manually with `op account add`.
 - Authenticate using a 1Password service account with OP_SERVICE_ACCOUNT_TOKEN.
 - Use 1Password CLI with a Connect server with OP_CONNECT_HOST and OP_CONNECT_TOKEN."""

APP_NOT_RUNNING = INITIALIZING + "connecting to desktop app: cannot connect to 1Password app, make sure it is running"
APP_RESETS = (
    "connecting to desktop app: read: connection reset, make sure 1Password CLI is installed "
    "correctly, then open the 1Password app, select 1Password > Settings > Developer and make sure "
    "the 'Integrate with 1Password CLI' setting is turned on."
)
APP_RESETS_OLD = (
    "connecting to desktop app: read: connection reset, make sure the CLI is correctly installed "
    "and Connect with 1Password CLI is enabled in the 1Password app"
)
APP_CANNOT_BE_REACHED = (
    "connecting to desktop app: 1Password CLI couldn't connect to the 1Password desktop app. To "
    "fix this, update the desktop app to the latest version. If you're still having trouble "
    "connecting, restart the app. If you're using version 8.10.12 or earlier of the app, the "
    "1Password CLI binary must be located in /usr/local/bin/op."
)
SERVICE_ACCOUNT_DELETED = (
    INITIALIZING + "Authentication: (failed to auth.LookupAuth), Network: (failed to "
    "request.DoUnencrypted), Server: (403) (Forbidden (Service Account Deleted)), The Service "
    "Account used in this integration has been deleted."
)
# assumption: only the words `failed to DecodeSACCredentials` are known.
SERVICE_TOKEN_MALFORMED = INITIALIZING + "Validation: (failed to DecodeSACCredentials)"
# assumption: the whole sentence.
CONNECT_UNAUTHORIZED = "(401) Unauthorized: Invalid token signature"
# assumption: Go's wording, without what `op` may put around it.
OFFLINE = "dial tcp: lookup my.1password.com: no such host"

_TOO_MANY = (
    "(429) Too Many Requests: You've reached the maximum number of this type of requests {who} is "
    "allowed to make. Please retry in {wait} or try other requests."
)

# Failures that a state can ask for by name (`fail`, `ratelimit`): text and exit code.
# assumption: 429 has exit code 4, as other `(4xx) Reason: text` errors have.
FAILURES: dict[str, tuple[str, int]] = {
    "hourly": (_TOO_MANY.format(who="this service account", wait="58 minutes"), 4),
    "daily": (_TOO_MANY.format(who="this 1Password account", wait="23 hours and 59 minutes"), 4),
    "throttle": ("Too many requests. Your client has been rate-limited.", 1),
    "client-type": ("response: unsupportedClientType", 1),
    "ipc": (APP_CANNOT_BE_REACHED, 1),
    "ipc-timeout": ("connecting to desktop app timed out", 1),
    "reset-old": (APP_RESETS_OLD, 1),
    "session-expired": ("session expired, sign in to create a new session", 1),
    "service-deleted": (SERVICE_ACCOUNT_DELETED, 1),
    "no-accounts-wrapped": (INITIALIZING + NO_ACCOUNTS.partition(".")[0], 1),
}

TOO_FEW_SLASHES = "too few '/': secret references should have at least vault, item and field specified"
# assumption: the wording of the three below. It is documented that op refuses such references.
TOO_MANY_SLASHES = "too many '/': secret references should have at most vault, item, section and field specified"
BAD_CHARACTER = "invalid character in secret reference"
BAD_QUERY = "invalid query parameter"

ONLY_REFERENCES = "only secret references or quoted strings can be enclosed in unescaped {{ }}s"
NO_STDIN = "expected data on stdin but none found"  # assumption
# assumption: wording. It is documented that a service account must name the vault.
VAULT_NEEDED = (
    "a vault query must be provided when this command is called by a service account. "
    "Please specify one through the --vault flag"
)


def bad_reference(reference: str, reason: str) -> str:
    """`reference` is malformed."""
    return f"invalid secret reference '{reference}': {reason}"


def vault_missing(vault: str) -> str:
    """No vault has this name or ID."""
    return f'"{vault}" isn\'t a vault in this account. Specify the vault with its ID or name.'


def item_missing(item: str, vault: str | None = None) -> str:
    """No item has this name or ID, in the words of `op item get`."""
    where = f'item in the "{vault}" vault' if vault else "item"
    return f'"{item}" isn\'t an {where}. Specify the item with its UUID, name, or domain.'


def item_archived(item: str, vault: str) -> str:
    """The item was deleted or archived."""
    return f"could not find item {item} in vault {vault}, because it has been deleted or archived."


def item_ambiguous(item: str, candidates: list[tuple[str, str, str]]) -> str:
    """Several items match; `candidates` are (title, vault's name, ID)."""
    head = f'More than one item matches "{item}". Try again and specify the item by its ID: '
    lines = [f'\t* for the item "{title}" in vault {v}: {uuid}' for title, v, uuid in candidates]
    return "\n".join([head, *lines])


def field_missing(vault: str, item: str, field: str) -> str:
    """The item has no such field, in the words of `op inject`."""
    return f"item '{vault}/{item}' does not have a field '{field}'"


def item_field_missing(item: str, field: str) -> str:
    """The item has no such field, in the words of `op item get --fields`."""
    return f'"{field}" isn\'t a field in the "{item}" item'


def without_code(item: str) -> str:
    """The field or item has no one-time password."""
    return f'"{item}" does not have a one-time password'  # assumption: only seen in other projects' code


def parsing_error(line: int, column: int) -> str:
    """The template has an error at `line`:`column`, both counted from 1."""
    return f"parsing error at {line}:{column}: {ONLY_REFERENCES}"
