"""The stand-in `op`: how it reads its command line, what its commands print, and how a lookup fails."""

from __future__ import annotations

import json
import re
import time

from typing import Any

import pytest

from mayfly.demo.op import messages
from mayfly.demo.op.vault import ITEM, VAULT, Vault, new_id
from support.op import REFERENCE, Op, template


def test_inject_fills_in_a_login(op: Op, vault: Vault) -> None:
    """Enclosed references with spaces in them give key, secret and the current code."""
    before = time.time()
    key, secret, code, end = op.ask("inject", stdin=template(vault)).split("\n")

    assert (vault.access_key_id, vault.secret_access_key, "") == (key, secret, end)
    assert code in {vault.code_at(before), vault.code_at(time.time())}


def test_one_time_password_without_a_query_is_its_seed(op: Op, vault: Vault) -> None:
    """Without `?attribute=otp` a reference to a one-time password gives the seed."""
    reference = vault.references()["otp"]

    assert vault.totp_seed == op.ask("inject", stdin=f"{{{{{reference}}}}}")


def test_references_may_have_ids_and_no_braces(op: Op, vault: Vault) -> None:
    """Vault, item and field are found by their IDs, also in a bare reference."""
    state = vault.state()
    field = state["items"][0]["fields"][0]["id"]
    bare = f"key=op://{state['vaults'][0]['id']}/{vault.item_id}/{field}, or so"

    assert f"key={vault.access_key_id}, or so" == op.ask("inject", stdin=bare)


def test_template_has_strings_and_variables(op: Op) -> None:
    """Quoted strings are literal, and variables are expanded."""
    text = 'a {{ "{{ b }}" }} $C ${D:-dd} 5$ xop://no'

    assert "a {{ b }} c dd 5$ xop://no" == op.ask("inject", stdin=text, C="c")


def test_final_newline_is_up_to_the_state(op: Op, vault: Vault) -> None:
    """A state may ask for the newline that nobody has verified."""
    vault.update(final_newline=True)

    assert "text\n" == op.ask("inject", stdin="text")


def test_malformed_template_fails_before_the_prompt(op: Op, vault: Vault) -> None:
    """Nobody is asked for a template that cannot be filled in."""
    error = "parsing error at 2:3: " + messages.ONLY_REFERENCES

    assert (error, 1) == op.refused("inject", stdin="a\nb {{ c }}")
    assert (error, 1) == op.refused("inject", stdin="a\nb {{ c")
    unset = ("could not find environment variable NONE", 1)
    assert unset == op.refused("inject", stdin="$NONE")
    assert 0 == vault.state()["prompts"]


@pytest.mark.parametrize(
    "argv",
    [
        ["--account", "my.1password.com", "item", "get", ITEM, "--otp"],
        ["item", "get", "--otp=true", "--account=my.1password.com", "--", ITEM],
        ["--cache=false", "--no-color", "item", "get", ITEM, "--format", "json", "--otp"],
    ],
)
def test_flags_may_stand_anywhere(op: Op, argv: list[str]) -> None:
    """Global flags may stand anywhere, with a space or an equals sign."""
    assert re.fullmatch(r"\d{6}\n", op.ask(*argv))


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
        (["item", "get"], "accepts 1 arg(s), received 0"),
    ],
)
def test_unknown_arguments_are_refused(op: Op, argv: list[str], error: str) -> None:
    """A command line that the real `op` would refuse is refused in its words."""
    text, code = op.refused(*argv)

    assert (error, 1) == (text.partition("\nUsage")[0], code)


def test_version_and_usage(op: Op) -> None:
    """The version is a line; `op` alone and --help print the usage."""
    assert "2.39.0\n" == op.ask("--version") == op.ask("-v")
    assert op.ask() == op.ask("inject", "--help")
    assert op.ask().startswith("Usage:")


def test_item_as_json_conceals_nothing(op: Op, vault: Vault) -> None:
    """As JSON an item has all its fields, and both seed and code of a one-time password."""
    item = json.loads(op.ask("item", "get", ITEM.lower(), "--vault", VAULT, "--format=json"))
    otp = next(field for field in item["fields"] if field["type"] == "OTP")

    assert {"id": vault.item_id, "title": ITEM} == {k: item[k] for k in ("id", "title")}
    assert (vault.totp_seed, f"op://{VAULT}/{ITEM}/totp") == (otp["value"], otp["reference"])
    assert re.fullmatch(r"\d{6}", otp["totp"])


def test_fields_of_an_item(op: Op, vault: Vault) -> None:
    """As JSON one field is an object and several are an array; as text a secret is concealed."""
    get = ["item", "get", ITEM, "--fields"]
    one = json.loads(op.ask(*get, "type=otp", OP_FORMAT="json"))
    two = json.loads(op.ask(*get, "label=mfa_id,access_key_id", "--format", "json"))
    hidden = f"[use 'op item get {vault.item_id} --reveal' to reveal]\n"

    assert ["totp"] == [one["label"]]
    assert [vault.mfa_id, vault.access_key_id] == [field["value"] for field in two]
    assert hidden == op.ask(*get, "secret_access_key")
    assert f"{vault.secret_access_key}\n" == op.ask(*get, "secret_access_key", "--reveal")
    assert hidden in op.ask("item", "get", ITEM)


def test_codes_follow_the_clock_of_the_state(op: Op, vault: Vault) -> None:
    """`op inject` and `op item get --otp` agree; a state may shift the clock, or repeat the first code."""
    vault.update(now_offset_s=31_536_000, same_code=True)
    first = op.ask("item", "get", ITEM, "--otp").strip()
    year_on = time.time() + 31_536_000

    assert first in {vault.code_at(year_on), vault.code_at(year_on - 30)}
    vault.update(now_offset_s=300)
    assert first == op.ask("inject", stdin=f"{{{{ op://{VAULT}/{ITEM}/totp?attribute=otp }}}}")
    vault.update(same_code=False)
    assert first != op.ask("item", "get", ITEM, "--otp").strip()


def test_references_may_name_sections_and_attributes(op: Op, vault: Vault) -> None:
    """A section is needed only between fields of one name; an attribute may be type or ID."""
    vault.update(items=[_with_section(vault)])

    paths = ["keys/b?attribute=type", "KEYS/b", "b?attr=value"]
    assert ["CONCEALED", "2", "1"] == [op.ask("inject", stdin=f"{{{{ op://{VAULT}/S/{path} }}}}") for path in paths]
    item = json.loads(op.ask("item", "get", "S", "--format", "json"))
    assert f"op://{VAULT}/S/keys/b" == item["fields"][1]["reference"]
    assert [{"id": "x", "label": "keys"}] == item["sections"]


def _with_section(vault: Vault) -> dict[str, Any]:
    fields = [
        {"id": "one", "label": "b", "type": "STRING", "value": "1"},
        {"id": "two", "label": "b", "type": "CONCEALED", "value": "2", "section": {"id": "x", "label": "keys"}},
    ]
    vault_id = vault.state()["vaults"][0]["id"]
    return {"id": new_id(), "title": "S", "vault": vault_id, "category": "LOGIN", "fields": fields}


def test_lists(op: Op, vault: Vault) -> None:
    """Accounts, vaults and items are listed as JSON and as tables."""
    vault.add_item("Other", {}, vault="More")
    facts = {"tags": ["aws"], "updated_at": "2026-11-01T09:00:00Z"}
    vault.update(items=[item | (facts if item["title"] == "Other" else {}) for item in vault.state()["items"]])
    accounts = json.loads(op.ask("account", "list", "--format=json"))
    vaults = json.loads(op.ask("vault", "list", "--format=json"))
    items = json.loads(op.ask("item", "list", "--vault", "More", "--format=json"))

    assert vault.state()["accounts"] == accounts
    assert [VAULT, "More"] == [v["name"] for v in vaults]
    assert [("Other", False)] == [(i["title"], "fields" in i) for i in items]
    assert [facts] == [{name: item[name] for name in facts} for item in items]
    assert op.ask("item", "list").startswith("ID  ")
    assert ITEM in op.ask("item", "list")


NO_UUID = "could not resolve item UUID for item "
NO_VAULT = "isn't a vault in this account. Specify the vault with its ID or name."
SPECIFY = "Specify the item with its UUID, name, or domain."

LOOKUPS = {
    "None/A/f": f'"None" {NO_VAULT}',
    f"{VAULT}/None/f": f"{NO_UUID}None: could not find item None in vault VAULT-ID",
    f"{VAULT}/Gone/f": f"{NO_UUID}Gone: {messages.item_archived('Gone', VAULT)}",
    f"{VAULT}/Twice/f": f'{NO_UUID}Twice: More than one item matches "Twice". '
    "Try again and specify the item by its ID: "
    f'\n\t* for the item "Twice" in vault {VAULT}: ID-1'
    f'\n\t* for the item "Twice" in vault {VAULT}: ID-2',
    f"{VAULT}/{ITEM}/None": f"item '{VAULT}/{ITEM}' does not have a field 'None'",
    f"{VAULT}/{ITEM}/mfa_id?attribute=otp": f'"{ITEM}" does not have a one-time password',
    f"{VAULT}/{ITEM}": f"invalid secret reference 'op://{VAULT}/{ITEM}': too few '/': "
    "secret references should have at least vault, item and field specified",
    "a/b/c/d/e": f"invalid secret reference 'op://a/b/c/d/e': {messages.TOO_MANY_SLASHES}",
    "a/b/c%20d": f"invalid secret reference 'op://a/b/c%20d': {messages.BAD_CHARACTER}",
    "a/b/c?attribute=totp": f"invalid secret reference 'op://a/b/c?attribute=totp': {messages.BAD_QUERY}",
}


@pytest.mark.parametrize("path", LOOKUPS)
def test_inject_fails_as_a_whole(op: Op, vault: Vault, path: str) -> None:
    """One reference that leads to nothing is an error with its own message, and nothing is printed."""
    _add_odd_items(vault)
    message = LOOKUPS[path].replace("VAULT-ID", vault.state()["vaults"][0]["id"])

    stdin = f"{{{{ {REFERENCE} }}}} {{{{ op://{path} }}}}"
    assert (message, 1) == op.refused("inject", stdin=stdin)


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (["None"], f'"None" isn\'t an item. {SPECIFY}'),
        (["None", "--vault", VAULT], f'"None" isn\'t an item in the "{VAULT}" vault. {SPECIFY}'),
        ([ITEM, "--vault", "None"], f'"None" {NO_VAULT}'),
        (["Gone"], messages.item_archived("Gone", VAULT)),
        (["ID-1", "--otp"], '"Twice" does not have a one-time password'),
        ([ITEM, "--fields", "label=None"], f'"None" isn\'t a field in the "{ITEM}" item'),
    ],
)
def test_item_get_fails_in_its_own_words(op: Op, vault: Vault, argv: list[str], error: str) -> None:
    """`op item get` has other messages than `op inject`."""
    _add_odd_items(vault)

    assert (error, 1) == op.refused("item", "get", *argv)


def _add_odd_items(vault: Vault) -> None:
    """Add two items of one name and an archived one."""
    for title in ("Twice", "Twice", "Gone"):
        vault.add_item(title, {"f": "value"})
    items = vault.state()["items"]
    items[1]["id"], items[2]["id"], items[3]["archived"] = "ID-1", "ID-2", True
    vault.update(items=items)
