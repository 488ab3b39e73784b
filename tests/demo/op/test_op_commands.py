"""The stand-in `op`, run as the exchange runs it: its shim, as a process, in a bare environment."""

import json
import os
import re
import select
import signal
import stat
import subprocess
import sys
import time

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest

from mayfly.demo.op import messages as op_texts
from mayfly.demo.op.vault import ITEM, VAULT, Vault, new_id
from support.nursery import OP


PREFIX = re.compile(r"\[ERROR\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d ")
REFERENCE = f"op://{VAULT}/{ITEM}/access_key_id"
DISMISSED = "error initializing client: authorization prompt dismissed, please try again"
COVERAGE = {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")}


class Op:
    """The shim and how to run it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, *argv: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, on pipes."""
        return subprocess.Popen(
            [self.path, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"HOME": "/", "PATH": os.defpath} | COVERAGE | environment,
            start_new_session=True,
        )

    def run(self, *argv: str, stdin: str = "", **environment: str) -> tuple[int, bytes, str]:
        """Return exit code, stdout, and stderr without the time before it, of what the shim would run."""
        folder = self.path.parent.parent
        shims = {"FAKE_OP_STATE": str(folder / "state.json"), "FAKE_OP_LOG": str(folder / "op.log")}
        code, stdout, stderr = OP.run(argv, {"HOME": "/", "PATH": os.defpath} | shims | environment, stdin.encode())
        return code, stdout, PREFIX.sub("", stderr.decode())

    def ask(self, *argv: str, stdin: str = "", **environment: str) -> str:
        """Return the stdout of a call that goes well."""
        code, stdout, stderr = self.run(*argv, stdin=stdin, **environment)
        assert (0, "") == (code, stderr)
        return stdout.decode()

    def refused(self, *argv: str, stdin: str = "", **environment: str) -> tuple[str, int]:
        """Return the error and the exit code of a call that does not."""
        code, stdout, stderr = self.run(*argv, stdin=stdin, **environment)
        assert b"" == stdout
        return stderr.removesuffix("\n"), code


@pytest.fixture(name="vault")
def _vault() -> Vault:
    return Vault()


@pytest.fixture(name="op")
def _op(vault: Vault, tmp_path: Path) -> Iterator[Op]:
    """A folder whose name a shell would take apart."""
    yield Op(vault.install(tmp_path / "it's a $folder"))
    for pid in vault.state().get("daemons", []):
        os.kill(pid, signal.SIGKILL)


def until(condition: Callable[[], object]) -> None:
    """Wait for a condition that will come true, failing after 10 s."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def template(vault: Vault) -> str:
    refs = vault.references()
    refs["otp"] += "?attribute=otp"
    lines = ("access_key_id", "secret_access_key", "otp")
    return "".join(f"{{{{ {refs[name]} }}}}\n" for name in lines)


class TestInject:
    """`op inject`: the one call of a refresh."""

    def test_references(self, op: Op, vault: Vault) -> None:
        """Enclosed references with spaces give key, secret and a code that pyotp confirms."""
        before = int(time.time())
        key, secret, code, end = op.ask("inject", stdin=template(vault)).split("\n")

        assert (vault.access_key_id, vault.secret_access_key, "") == (key, secret, end)
        totp = pyotp.TOTP(vault.totp_seed)
        assert code in {totp.at(before), totp.at(int(time.time()))}

    def test_seed_without_query(self, op: Op, vault: Vault) -> None:
        """Without `?attribute=otp` a one-time password gives its seed away."""
        reference = vault.references()["otp"]

        assert vault.totp_seed == op.ask("inject", stdin=f"{{{{{reference}}}}}")

    def test_by_id(self, op: Op, vault: Vault) -> None:
        """Vault, item and field are found by their IDs too, and bare."""
        state = vault.state()
        field = state["items"][0]["fields"][0]["id"]
        bare = f"key=op://{state['vaults'][0]['id']}/{vault.item_id}/{field}, or so"

        assert f"key={vault.access_key_id}, or so" == op.ask("inject", stdin=bare)

    def test_text(self, op: Op) -> None:
        """Quoted strings are literal and variables are expanded."""
        text = 'a {{ "{{ b }}" }} $C ${D:-dd} 5$ xop://no'

        assert "a {{ b }} c dd 5$ xop://no" == op.ask("inject", stdin=text, C="c")

    def test_file(self, op: Op, vault: Vault, tmp_path: Path) -> None:
        """The template may be a file, or stdin by its name."""
        file = tmp_path / "template"
        file.write_text(f"{{{{ {REFERENCE} }}}}")

        assert vault.access_key_id == op.ask("inject", "-i", str(file))
        assert vault.access_key_id == op.ask("inject", "--in-file=/dev/stdin", stdin=file.read_text())
        missing = ("open /no/file: no such file or directory", 1)
        assert missing == op.refused("inject", "-i/no/file")

    def test_final_newline(self, op: Op, vault: Vault) -> None:
        """A state may ask for the newline that nobody knows to be there."""
        vault.update(final_newline=True)

        assert "text\n" == op.ask("inject", stdin="text")

    def test_fails_before_it_asks(self, op: Op, vault: Vault) -> None:
        """A template that is wrong disturbs nobody."""
        error = "parsing error at 2:3: " + op_texts.ONLY_REFERENCES

        assert (error, 1) == op.refused("inject", stdin="a\nb {{ c }}")
        assert (error, 1) == op.refused("inject", stdin="a\nb {{ c")
        unset = ("could not find environment variable NONE", 1)
        assert unset == op.refused("inject", stdin="$NONE")
        assert 0 == vault.state()["prompts"]


class TestGrammar:
    """How the command line is read."""

    @pytest.mark.parametrize(
        "argv",
        [
            ["--account", "my.1password.com", "read", "-n", REFERENCE],
            ["read", "--no-newline=true", "--account=my.1password.com", "--", REFERENCE],
            ["--cache=false", "--no-color", "read", REFERENCE, "--format", "json", "-n"],
        ],
    )
    def test_flags_anywhere(self, op: Op, vault: Vault, argv: list[str]) -> None:
        """Global flags stand anywhere, in either form."""
        assert vault.access_key_id == op.ask(*argv)

    @pytest.mark.parametrize(
        ("argv", "error"),
        [
            (["--nope"], "unknown flag: --nope"),
            (["whoami", "--vault=x"], "unknown flag: --vault"),
            (["nope"], 'unknown command "nope" for "op"'),
            (["item", "nope"], 'unknown command "nope" for "op item"'),
            (["whoami", "--account"], "flag needs an argument: --account"),
            (
                ["--cache=maybe", "whoami"],
                'invalid argument "maybe" for "--cache" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
            ),
            (["read"], "accepts 1 arg(s), received 0"),
        ],
    )
    def test_refused(self, op: Op, argv: list[str], error: str) -> None:
        """What `op` does not have is refused, with its own words."""
        text, code = op.refused(*argv)

        assert (error, 1) == (text.partition("\nUsage")[0].split("': ")[-1], code)

    def test_usage(self, op: Op) -> None:
        """Alone, and with --help, `op` prints its usage."""
        assert op.ask() == op.ask("inject", "--help")
        assert op.ask().startswith("Usage:")

    def test_version(self, op: Op) -> None:
        """The version is a line by itself."""
        assert "2.39.0\n" == op.ask("--version") == op.ask("-v")


class TestCommands:
    """What the other commands print."""

    def test_item_get(self, op: Op, vault: Vault) -> None:
        """As JSON an item has everything, the seed and the code included."""
        item = json.loads(op.ask("item", "get", ITEM.lower(), "--vault", VAULT, "--format=json"))
        otp = next(field for field in item["fields"] if field["type"] == "OTP")

        assert {"id": vault.item_id, "title": ITEM} == {k: item[k] for k in ("id", "title")}
        assert (vault.totp_seed, f"op://{VAULT}/{ITEM}/totp") == (otp["value"], otp["reference"])
        assert re.fullmatch(r"\d{6}", otp["totp"])

    def test_item_get_fields(self, op: Op, vault: Vault) -> None:
        """One field is an object, several are an array, and people see nothing concealed."""
        get = ["item", "get", ITEM, "--fields"]
        one = json.loads(op.ask(*get, "type=otp", OP_FORMAT="json"))
        two = json.loads(op.ask(*get, "label=mfa_id,access_key_id", "--format", "json"))
        hidden = f"[use 'op item get {vault.item_id} --reveal' to reveal]\n"

        assert ["totp"] == [one["label"]]
        assert [vault.mfa_id, vault.access_key_id] == [field["value"] for field in two]
        assert hidden == op.ask(*get, "secret_access_key")
        assert f"{vault.secret_access_key}\n" == op.ask(*get, "secret_access_key", "--reveal")
        assert hidden in op.ask("item", "get", ITEM)

    def test_one_code(self, op: Op, vault: Vault) -> None:
        """`op read` and `op item get --otp` agree, by the clock of the state."""
        vault.update(now_offset_s=31_536_000, same_code=True)
        code = op.ask("item", "get", ITEM, "--otp").strip()

        assert f"{code}\n" == op.ask("read", f"op://{VAULT}/{ITEM}/totp?attribute=otp")
        year_on = time.time() + 31_536_000
        assert code in {vault.code_at(year_on), vault.code_at(year_on - 30)}

    def test_same_code(self, op: Op, vault: Vault) -> None:
        """A state may repeat the first code for ever."""
        vault.update(same_code=True)
        first = op.ask("item", "get", ITEM, "--otp")
        vault.update(now_offset_s=300)

        assert first == op.ask("item", "get", ITEM, "--otp")
        vault.update(same_code=False)
        assert first != op.ask("item", "get", ITEM, "--otp")

    def test_attributes(self, op: Op, vault: Vault) -> None:
        """A reference may ask for a field's type or ID, and name its section."""
        vault.update(items=[_sectioned(vault)])

        assert "CONCEALED\n" == op.ask("read", f"op://{VAULT}/S/keys/b?attribute=type")
        assert "2\n" == op.ask("read", f"op://{VAULT}/S/KEYS/b")
        assert "1\n" == op.ask("read", f"op://{VAULT}/S/b?attr=value")
        item = json.loads(op.ask("item", "get", "S", "--format", "json"))
        assert f"op://{VAULT}/S/keys/b" == item["fields"][1]["reference"]

    def test_lists(self, op: Op, vault: Vault) -> None:
        """Accounts, vaults and items are listed as JSON and as tables."""
        vault.add_item("Other", {}, vault="More")
        accounts = json.loads(op.ask("account", "list", "--format=json"))
        vaults = json.loads(op.ask("vault", "list", "--format=json"))
        items = json.loads(op.ask("item", "list", "--vault", "More", "--format=json"))

        assert vault.state()["accounts"] == accounts
        assert [VAULT, "More"] == [v["name"] for v in vaults]
        assert [("Other", False)] == [(i["title"], "fields" in i) for i in items]
        assert op.ask("item", "list").startswith("ID  ")
        assert ITEM in op.ask("item", "list")

    def test_run(self, op: Op, vault: Vault, tmp_path: Path) -> None:
        """`op run` resolves the environment, masks what it resolved, and keeps the exit code."""
        file = tmp_path / "env"
        file.write_text(f'K="{REFERENCE}"\n')
        command = ["--", "sh", "-c", "echo $K; exit 7"]

        masked = op.run("run", "--env-file", str(file), *command)
        assert (7, b"<concealed by 1Password>\n", "") == masked
        plain = op.run("run", "--no-masking", *command, K=REFERENCE)
        assert (7, f"{vault.access_key_id}\n".encode(), "") == plain
        nothing = 'exec: "/no/such": executable file not found in $PATH'
        assert (nothing, 1) == op.refused("run", "--", "/no/such")


def _sectioned(vault: Vault) -> dict[str, Any]:
    fields = [
        {"id": "one", "label": "b", "type": "STRING", "value": "1"},
        {
            "id": "two",
            "label": "b",
            "type": "CONCEALED",
            "value": "2",
            "section": {"id": "x", "label": "keys"},
        },
    ]
    vault_id = vault.state()["vaults"][0]["id"]
    return {"id": new_id(), "title": "S", "vault": vault_id, "category": "LOGIN", "fields": fields}


GET_ITEM = f"could not get item {VAULT}/"
UUID = "could not resolve item UUID for item "
NOT_IN_ACCOUNT = "isn't a vault in this account. Specify the vault with its ID or name."
SPECIFY = "Specify the item with its UUID, name, or domain."

# path: what `op read` says after "could not read secret '…': ", and what `op inject` says.
LOOKUPS = {
    "None/A/f": (
        f'could not get item None/A: "None" {NOT_IN_ACCOUNT}',
        f'"None" {NOT_IN_ACCOUNT}',
    ),
    f"{VAULT}/None/f": (
        f'{GET_ITEM}None: "None" isn\'t an item in the "{VAULT}" vault. {SPECIFY}',
        f"{UUID}None: could not find item None in vault VAULT-ID",
    ),
    f"{VAULT}/Gone/f": (
        f"{GET_ITEM}Gone: {op_texts.item_archived('Gone', VAULT)}",
        f"{UUID}Gone: {op_texts.item_archived('Gone', VAULT)}",
    ),
    f"{VAULT}/Twice/f": (
        f'{GET_ITEM}Twice: More than one item matches "Twice". '
        "Try again and specify the item by its ID: "
        f'\n\t* for the item "Twice" in vault {VAULT}: ID-1'
        f'\n\t* for the item "Twice" in vault {VAULT}: ID-2',
        f'{UUID}Twice: More than one item matches "Twice". '
        "Try again and specify the item by its ID: "
        f'\n\t* for the item "Twice" in vault {VAULT}: ID-1'
        f'\n\t* for the item "Twice" in vault {VAULT}: ID-2',
    ),
    f"{VAULT}/{ITEM}/None": (f"item '{VAULT}/{ITEM}' does not have a field 'None'",) * 2,
    f"{VAULT}/{ITEM}/mfa_id?attribute=otp": (f'"{ITEM}" does not have a one-time password',) * 2,
    f"{VAULT}/{ITEM}": (
        f"invalid secret reference 'op://{VAULT}/{ITEM}': too few '/': "
        "secret references should have at least vault, item and field specified",
    )
    * 2,
    "a/b/c/d/e": (f"invalid secret reference 'op://a/b/c/d/e': {op_texts.TOO_MANY_SLASHES}",) * 2,
    "a/b/c%20d": (f"invalid secret reference 'op://a/b/c%20d': {op_texts.BAD_CHARACTER}",) * 2,
    "a/b/c?attribute=totp": (f"invalid secret reference 'op://a/b/c?attribute=totp': {op_texts.BAD_QUERY}",) * 2,
}


class TestLookups:
    """What is not there, and how it is told."""

    @pytest.mark.parametrize("path", LOOKUPS)
    def test_read_and_inject(self, op: Op, vault: Vault, path: str) -> None:
        """`op read` and `op inject` tell the same failure in words of their own."""
        _awkward(vault)
        reference = f"op://{path}"
        read, inject = LOOKUPS[path]
        inject = inject.replace("VAULT-ID", vault.state()["vaults"][0]["id"])

        told = f"could not read secret '{reference}': {read}"
        assert (told, 1) == op.refused("read", reference)
        stdin = f"{{{{ {REFERENCE} }}}} {{{{ {reference} }}}}"
        assert (inject, 1) == op.refused("inject", stdin=stdin)

    @pytest.mark.parametrize(
        ("argv", "error"),
        [
            (["None"], f'"None" isn\'t an item. {SPECIFY}'),
            (
                ["None", "--vault", VAULT],
                f'"None" isn\'t an item in the "{VAULT}" vault. {SPECIFY}',
            ),
            ([ITEM, "--vault", "None"], f'"None" {NOT_IN_ACCOUNT}'),
            (["Gone"], op_texts.item_archived("Gone", VAULT)),
            (["ID-1", "--otp"], '"Twice" does not have a one-time password'),
            ([ITEM, "--fields", "label=None"], f'"None" isn\'t a field in the "{ITEM}" item'),
        ],
    )
    def test_item_get(self, op: Op, vault: Vault, argv: list[str], error: str) -> None:
        """`op item get` has a third way to say it."""
        _awkward(vault)

        assert (error, 1) == op.refused("item", "get", *argv)


def _awkward(vault: Vault) -> None:
    """Add two items of one name and an archived one."""
    for title in ("Twice", "Twice", "Gone"):
        vault.add_item(title, {"f": "value"})
    items = vault.state()["items"]
    items[1]["id"], items[2]["id"], items[3]["archived"] = "ID-1", "ID-2", True
    vault.update(items=items)


CASES: list[tuple[dict[str, Any], str, int]] = [
    ({"app": {"running": False}}, op_texts.APP_NOT_RUNNING, 1),
    ({"app": {"setgid_ok": False}}, op_texts.APP_RESETS, 1),
    ({"app": {"integration": False}}, op_texts.NOT_SIGNED_IN, 1),
    ({"mode": "none"}, op_texts.NO_ACCOUNTS, 1),
    ({"mode": "manual"}, op_texts.NOT_SIGNED_IN, 1),
    ({"network": "offline"}, "dial tcp: lookup my.1password.com: no such host", 1),
    ({"prompt": {"answer": "reject"}}, DISMISSED, 1),
    ({"prompt": {"answer": "reject", "bare": True}}, op_texts.PROMPT_DISMISSED, 1),
    ({"fail": {"text": "(404) Not Found: no vault", "exit": 4}}, "(404) Not Found: no vault", 4),
    *(({"fail": name}, *failure) for name, failure in op_texts.FAILURES.items()),
    *(({"ratelimit": name}, *op_texts.FAILURES[name]) for name in ("hourly", "daily", "throttle")),
]


class TestLogIn:
    """Who is let in, and what the others are told."""

    @pytest.mark.parametrize(("state", "error", "code"), CASES)
    def test_refused(self, op: Op, vault: Vault, state: dict[str, Any], error: str, code: int) -> None:
        """Each state of the world has its words and its exit code, and leaves stdout empty."""
        vault.update(**state)

        assert (error, code) == op.refused("inject", stdin=template(vault))

    def test_prefix(self, op: Op, vault: Vault) -> None:
        """An error has its time before it, the list of ways to sign in has not."""
        with op.start("read", "x") as process:
            _, prefixed = process.communicate(b"")
        vault.update(mode="none")
        with op.start("vault", "list") as process:
            _, bare = process.communicate(b"")

        assert PREFIX.match(prefixed.decode())
        assert bare.startswith(b"No accounts configured for use with 1Password CLI.\n\n - ")

    def test_read_names_the_reference(self, op: Op, vault: Vault) -> None:
        """`op read` puts the reference before what went wrong."""
        vault.update(prompt={"answer": "reject"})

        told = f"could not read secret '{REFERENCE}': {DISMISSED}"
        assert (told, 1) == op.refused("read", REFERENCE)

    def test_account(self, op: Op, vault: Vault) -> None:
        """An account is known by any of its names, and no other is."""
        for name in vault.state()["accounts"][0].values():
            op.ask("--account", name, "read", REFERENCE)

        refused = ("no account found for filter nobody", 1)
        assert refused == op.refused("--account=nobody", "inject", stdin="x")
        assert refused == op.refused("inject", stdin="x", OP_ACCOUNT="nobody")

    def test_whoami(self, op: Op, vault: Vault) -> None:
        """`op whoami` knows nobody where the desktop app signs in."""
        op.ask("read", REFERENCE)

        assert (op_texts.ACCOUNT_NOT_SIGNED_IN, 1) == op.refused("whoami")
        vault.update(mode="none")
        assert ("no account found for filter ", 1) == op.refused("whoami")
        assert "[]\n" == op.ask("account", "list", "--format=json")
        assert "" == op.ask("account", "list")

    def test_desktop_signin(self, op: Op) -> None:
        """With the app `op signin` prints nothing at all."""
        assert "" == op.ask("signin", "--raw")

    def test_manual(self, op: Op, vault: Vault) -> None:
        """By hand a session is a token, good for as long as it is the last one."""
        vault.update(mode="manual")
        old = op.ask("signin", "--raw").strip()
        token = op.ask("signin", "--raw").strip()

        assert 43 == len(token)
        assert vault.access_key_id == op.ask("read", "-n", REFERENCE, "--session", token)
        assert vault.access_key_id == op.ask("read", "-n", REFERENCE, OP_SESSION_user=token)
        assert op.ask("whoami", OP_SESSION=token).startswith("{")
        assert (op_texts.SESSION_EXPIRED, 1) == op.refused("vault", "list", OP_SESSION=old)
        assert op.ask("signin").startswith("export OP_SESSION_")

    def test_service_account(self, op: Op, vault: Vault) -> None:
        """A service account is asked for nothing, and nobody knows it before its first call."""
        vault.update(mode="service", service_token="ops_right")
        right = {"OP_SERVICE_ACCOUNT_TOKEN": "ops_right"}
        unused = ("service account token set, but not authenticated yet", 1)

        assert unused == op.refused("whoami", **right)
        assert vault.access_key_id == op.ask("read", "-n", REFERENCE, **right)
        assert "SERVICE_ACCOUNT" == json.loads(op.ask("whoami", **right))["user_type"]
        assert 0 == vault.state()["prompts"]
        vault.add_item("Other", {}, vault="More")
        assert (op_texts.VAULT_NEEDED, 1) == op.refused("item", "get", ITEM, **right)

    def test_service_account_refused(self, op: Op, vault: Vault) -> None:
        """Another token is malformed, none is nobody, and --account goes past it."""
        vault.update(mode="service", service_token="ops_right")
        wrong = {"OP_SERVICE_ACCOUNT_TOKEN": "ops_wrong"}

        assert (op_texts.SERVICE_TOKEN_MALFORMED, 1) == op.refused("vault", "list", **wrong)
        assert (op_texts.NO_ACCOUNTS, 1) == op.refused("vault", "list")
        interactive = op.refused("vault", "list", "--account=my.1password.com", **wrong)
        assert (op_texts.NO_ACCOUNTS, 1) == interactive

    def test_connect(self, op: Op, vault: Vault) -> None:
        """A Connect server is asked before a service account is."""
        vault.update(mode="connect", connect_token="right")
        right = {"OP_CONNECT_HOST": "http://127.0.0.1:1", "OP_CONNECT_TOKEN": "right"}
        service = {"OP_SERVICE_ACCOUNT_TOKEN": "ops_any"}

        assert vault.access_key_id == op.ask("read", "-n", REFERENCE, **right, **service)
        wrong = right | {"OP_CONNECT_TOKEN": "wrong"}
        assert (op_texts.CONNECT_UNAUTHORIZED, 4) == op.refused("vault", "list", **wrong)

    def test_biometric_unlock_off(self, op: Op) -> None:
        """The environment can keep `op` away from the app."""
        refused = op.refused("vault", "list", OP_BIOMETRIC_UNLOCK_ENABLED="false")

        assert (op_texts.NOT_SIGNED_IN, 1) == refused


class TestPrompt:
    """The human."""

    @pytest.mark.parametrize(
        ("platform", "error"),
        [("darwin", "error initializing client: authorization timeout"), ("linux", DISMISSED)],
    )
    def test_ignored(self, op: Op, vault: Vault, platform: str, error: str) -> None:
        """An ignored prompt ends by itself; on Linux it is told like a rejected one."""
        prompt = {"answer": "ignore", "timeout_s": 0.1, "platform": platform}
        vault.update(prompt=prompt)

        assert (error, 1) == op.refused("vault", "list")

    def test_approved_late(self, op: Op, vault: Vault) -> None:
        """The code is that of the moment after the approval."""
        vault.update(prompt={"answer": "ignore"})
        process = op.start("item", "get", ITEM, "--otp")
        until(lambda: vault.state()["prompts"] == 1)
        late = time.time() + 3600
        vault.update(now_offset_s=3600)
        vault.update(prompt={"answer": "approve"})
        stdout, _ = process.communicate(b"")

        assert stdout.decode().strip() in {vault.code_at(late), vault.code_at(late + 30)}

    def test_authorization_reused(self, op: Op, vault: Vault) -> None:
        """One approval serves the calls that follow, until the app is locked or time is up."""
        prompts = []
        changes: list[dict[str, Any]] = [
            {},
            {},
            {"app": {"locked": True}},
            {},
            {"now_offset_s": 599},
            {"now_offset_s": 1300},
            {"auth": {"max_s": 1}, "now_offset_s": 1302},
        ]
        for change in changes:
            vault.update(**change)
            op.ask("vault", "list")
            prompts.append(vault.state()["prompts"])

        assert [1, 1, 2, 2, 2, 3, 4] == prompts
        assert not vault.state()["app"]["locked"]

    @pytest.mark.parametrize("session_key", ["per-process", "tty"])
    def test_sessions_apart(self, op: Op, vault: Vault, session_key: str) -> None:
        """A state may ask anew in each process or session."""
        vault.update(auth={"session_key": session_key})
        op.ask("vault", "list")
        op.ask("vault", "list")

        assert 2 == vault.state()["prompts"]

    def test_a_terminal_is_a_session(self, op: Op, vault: Vault) -> None:
        """With a terminal, it is the terminal that is authorized."""
        spawn = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
        twice = ["sh", "-c", '"$0" vault list && "$0" vault list', str(op.path)]
        for _ in range(2):
            subprocess.run([sys.executable, "-c", spawn, *twice], check=True, timeout=10)

        assert (2, 4) == (vault.state()["prompts"], vault.state()["calls"])
        assert [[True] * 3] * 4 == [call["isatty"] for call in vault.calls()]

    def test_script(self, op: Op, vault: Vault) -> None:
        """Each call takes one entry of the script, for itself alone."""
        vault.update(script=[{"prompt": {"answer": "reject"}}, {"fail": "throttle"}])

        assert (DISMISSED, 1) == op.refused("vault", "list")
        assert "Too many requests" in op.refused("vault", "list")[0]
        assert VAULT in op.ask("vault", "list")


class TestMisbehaviour:
    """What a reader of `op`'s output has to survive."""

    @pytest.mark.parametrize("how", ["crlf", "invalid-utf8", "truncated"])
    def test_output(self, op: Op, vault: Vault, how: str) -> None:
        """Lines end wrongly, are no text, or are missing."""
        vault.update(misbehave=how, same_code=True)
        code, stdout, stderr = op.run("inject", stdin=template(vault))
        values = (vault.access_key_id, vault.secret_access_key, vault.state()["first_code"])
        lines = tuple(value.encode() for value in values)
        spoilt = {
            "crlf": b"%b\r\n%b\r\n%b\r\n" % lines,
            "invalid-utf8": b"\xff%b\n\xff%b\n\xff%b\n" % lines,
            "truncated": lines[0] + b"\n",
        }

        assert (0, spoilt[how], "") == (code, stdout, stderr)

    def test_empty(self, op: Op, vault: Vault) -> None:
        """As before 2.32.1: nothing on stdout, an error on stderr, and exit code 0."""
        vault.update(misbehave="empty")

        assert (0, b"", "unexpected server response\n") == op.run("inject", stdin=template(vault))

    def test_flood(self, op: Op, vault: Vault) -> None:
        """A megabyte comes, and a reader may stop reading."""
        vault.update(misbehave="flood")

        assert 1024 * 1024 == len(op.ask("inject", stdin=template(vault)))
        with op.start("vault", "list") as process:
            assert process.stdout is not None
            process.stdout.close()
        assert 0 == process.returncode

    def test_colours(self, op: Op, vault: Vault) -> None:
        """Errors come in red though nobody looks."""
        vault.update(misbehave="ansi", fail="throttle")
        text, _ = op.refused("vault", "list")

        assert f"\x1b[31m{op_texts.FAILURES['throttle'][0]}\x1b[0m" == text

    def test_stdin_unread(self, op: Op, vault: Vault) -> None:
        """The template may be left unread, however long it is."""
        vault.update(misbehave="ignore_stdin")

        assert (op_texts.NO_STDIN, 1) == op.refused("inject", stdin="x" * 500_000)
        assert [None] == [call["stdin"] for call in vault.calls()]

    def test_hang(self, op: Op, vault: Vault) -> None:
        """A call that hangs is logged, says nothing, and dies by SIGTERM."""
        vault.update(hang=True)
        process = op.start("--version")
        until(vault.calls)
        process.terminate()

        assert (b"", b"") == process.communicate()
        assert (-signal.SIGTERM, None) == (process.returncode, vault.calls()[0]["exit"])

    def test_hang_beyond_sigterm(self, op: Op, vault: Vault) -> None:
        """A call that ignores SIGTERM dies by SIGKILL alone."""
        vault.update(network="hang", ignore_sigterm=True)
        process = op.start("vault", "list")
        until(lambda: vault.state()["prompts"])
        process.terminate()

        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)
        process.kill()
        process.communicate()
        assert (-signal.SIGKILL, []) == (process.returncode, vault.calls())

    def test_terminated(self, op: Op, vault: Vault) -> None:
        """A call that is terminated while it waits for the human is logged so."""
        vault.update(prompt={"answer": "ignore"})
        process = op.start("vault", "list")
        until(lambda: vault.state()["prompts"])
        process.terminate()
        process.communicate()

        assert -signal.SIGTERM == process.returncode
        assert [-signal.SIGTERM] == [call["exit"] for call in vault.calls()]

    @pytest.mark.parametrize("hold_pipes", [True, False])
    def test_daemon(self, op: Op, vault: Vault, hold_pipes: bool) -> None:
        """The daemon left behind is beyond the reach of killpg, and may hold the pipes."""
        vault.update(daemon={"spawn": True, "hold_pipes": hold_pipes, "hold_s": 60})
        with op.start("read", "-n", REFERENCE) as process:
            process.wait()
            with pytest.raises(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            stdout = process.stdout
            assert stdout is not None
            assert vault.access_key_id.encode() == os.read(stdout.fileno(), 100)
            ended, _, _ = select.select([stdout], [], [], 0.1)

        (daemon,) = vault.state()["daemons"]
        os.kill(daemon, 0)
        assert hold_pipes != bool(ended)


class TestLog:
    """What a call leaves behind."""

    def test_line(self, op: Op, vault: Vault) -> None:
        """A line tells how `op` was called, and names what it was given."""
        secret = {"OP_SERVICE_ACCOUNT_TOKEN": "ops_secret", "OP_CACHE": "false"}
        vault.update(mode="service")
        with op.start("inject", **secret) as process:
            process.communicate(template(vault).encode())
        (line,) = vault.calls()

        names = sorted({"HOME", "PATH", *secret, *COVERAGE})
        assert (["inject"], template(vault), 0) == (line["argv"], line["stdin"], line["exit"])
        assert (names, sorted(secret)) == (line["env_names"], line["op_env"])
        assert ["OP_SERVICE_ACCOUNT_TOKEN"] == line["tokens"]
        assert (process.pid, os.getpid(), process.pid) == (
            line["pid"],
            line["ppid"],
            line["sid"],
        )
        assert [False] * 3 == line["isatty"]
        assert line["start"] < line["end"]

    def test_no_secret(self, op: Op, vault: Vault) -> None:
        """The log holds no value of the vault or of the environment."""
        op.ask("inject", stdin=template(vault), OP_SESSION_x="a-session")
        text = json.dumps(vault.calls())

        secrets = (vault.access_key_id, vault.secret_access_key, vault.totp_seed, "a-session")
        assert [] == [secret for secret in secrets if secret in text]

    def test_overlap(self, op: Op, vault: Vault) -> None:
        """Calls that run at the same time are counted."""
        op.ask("--version")
        vault.update(prompt={"answer": "ignore"})
        processes = [op.start("vault", "list") for _ in range(3)]
        until(lambda: vault.state()["prompts"] == 3)
        assert {"now": 3, "max": 3} == vault.state()["overlap"]
        vault.update(prompt={"answer": "approve"})
        for process in processes:
            process.communicate()

        assert {"now": 0, "max": 3} == vault.state()["overlap"]
        assert [0, 0, 1, 2] == sorted(call["overlapping"] for call in vault.calls())

    def test_killed_calls_do_not_overlap(self, op: Op, vault: Vault) -> None:
        """A call that was killed outright runs no more."""
        vault.update(network="hang")
        process = op.start("vault", "list")
        until(lambda: vault.state()["prompts"])
        process.kill()
        process.communicate()
        op.ask("--version")

        assert {"now": 0, "max": 1} == vault.state()["overlap"]


class TestVault:
    """How the stand-in is installed."""

    def test_modes(self, op: Op) -> None:
        """Everything installed is its user's alone."""
        folder = op.path.parent.parent
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (folder, *folder.rglob("*"))}

        files = {"bin": 0o700, "op": 0o700, "op.log": 0o600, "state.json": 0o600}
        assert {folder.name: 0o700} | files == modes

    def test_made_up(self, vault: Vault) -> None:
        """Keys have the shapes of real ones and are never the same twice."""
        other = Vault()

        assert re.fullmatch(r"AKIA[A-Z0-9]{16}", vault.access_key_id)
        assert re.fullmatch(r"[A-Za-z0-9/+]{40}", vault.secret_access_key)
        assert vault.secret_access_key != other.secret_access_key
        assert vault.totp_seed != other.totp_seed
        assert [] == vault.calls()

    def test_code_at(self, vault: Vault) -> None:
        """Codes agree with pyotp's at any time."""
        totp = pyotp.TOTP(vault.totp_seed)
        instants = [0, 29, 30, 59, 1_111_111_109, 2_000_000_000, 20_000_000_000]

        assert [totp.at(at) for at in instants] == [vault.code_at(at) for at in instants]

    def test_uri_seed(self, tmp_path: Path) -> None:
        """A seed may be an otpauth:// URI."""
        vault = Vault()
        uri = pyotp.TOTP(vault.totp_seed).provisioning_uri(name="a@b", issuer_name="AWS")
        vault.add_item("Uri", {"totp": uri})
        vault.update(same_code=True)
        code = Op(vault.install(tmp_path)).ask("item", "get", "Uri", "--otp").strip()

        assert code in {vault.code_at(time.time()), vault.code_at(time.time() - 30)}

    def test_update_beside_calls(self, op: Op, vault: Vault) -> None:
        """Changes made while calls run are not lost, nor are theirs."""
        processes = [op.start("vault", "list") for _ in range(4)]
        for number in range(100):
            vault.update(marks={str(number): number})
        for process in processes:
            process.communicate()

        assert list(range(100)) == list(vault.state()["marks"].values())
        assert (4, 4) == (vault.state()["calls"], len(vault.calls()))
