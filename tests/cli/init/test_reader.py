"""The reader, a process of its own, against the stand-in `op`: the fields of items in the wild, and no value of any."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest

from cli.init.wild import KEY, OTHER_KEY, SECRET, WILD, C, F, Wild, as_item
from mayfly.cli.init import fields
from mayfly.cli.init.fields import Found
from mayfly.cli.init.items import Item, item_from
from mayfly.config.model import OnePassword
from mayfly.demo.op.vault import Vault
from mayfly.demo.totp import code_of, step_at
from support.op import Op, until
from support.world import measured


WAY = attrs.asdict(OnePassword())
KEYS = ("access_key_id", "secret_access_key", "otp", "mfa_id")


class Place(NamedTuple):
    """A vault with all items of the wild, the stand-in for it, and the environment of a reader."""

    vault: Vault
    op: Op
    env: dict[str, str]

    def id_of(self, title: str) -> str:
        return next(item["id"] for item in self.vault.state()["items"] if item["title"] == title)

    @property
    def vault_id(self) -> str:
        return str(self.vault.state()["vaults"][0]["id"])


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    vault, folder = Vault(), tmp_path_factory.mktemp("place")
    program = vault.install(folder / "op")
    vault_id = vault.state()["vaults"][0]["id"]
    vault.update(items=[as_item(wild, vault, vault_id) for wild in WILD])
    env = {"HOME": str(folder), "PATH": f"{program.parent}:/usr/bin:/bin", "MAYFLY_RUNTIME_DIR": str(folder / "run")}
    return Place(vault, Op(program), env)


def start(env: dict[str, str], **request: Any) -> subprocess.Popen[bytes]:
    """A reader that has its request."""
    reader = subprocess.Popen(
        [sys.executable, "-I", "-m", "mayfly.cli.init.reader"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,
    )
    assert reader.stdin
    reader.stdin.write(json.dumps({"way": WAY, **request}).encode() + b"\n")
    reader.stdin.flush()
    return reader


def read(env: dict[str, str], **request: Any) -> tuple[dict[str, Any], str]:
    """What a reader answers: parsed, and as it was written."""
    reader = start(env, **request)
    out, err = reader.communicate(timeout=60)
    assert (b"", 0) == (err, reader.returncode)
    return json.loads(out), out.decode()


def _meant(item: Item, key: str, found: Found) -> str:
    """The label that was found, or in the words of the table why there is none."""
    if found.choices:
        return f"? {', '.join(field.path for field in found.choices) if key == 'access_key_id' else len(found.choices)}"
    return found.field.label if found.field else f"! {found.problem}"


@pytest.mark.parametrize("wild", WILD, ids=lambda wild: wild.name)
def test_fields_of_items_in_the_wild_are_found(place: Place, wild: Wild) -> None:
    """The meant fields are found, each reference leads `op` to its value, and no value is in the reader's answer."""
    answer, written = read(place.env, kind="item", vault=place.vault_id, item=place.id_of(wild.name))
    item = item_from(answer["item"])
    key = fields.find(item, "access_key_id")
    found = {"access_key_id": key, "secret_access_key": fields.find(item, "secret_access_key", beside=key.field)}
    found |= {name: fields.find(item, name) for name in ("otp", "mfa_id")}

    assert wild.meant == tuple(_meant(item, name, found[name]) for name in KEYS)
    assert [] == [value for value in _values(place, wild) if value in written]
    _check_references(place, item, found)


def _values(place: Place, wild: Wild) -> list[str]:
    """The values of the item that are more than a word, the seed and its codes."""
    row = next(item for item in place.vault.state()["items"] if item["title"] == wild.name)
    values = [field.get("value") or field.get("seed") for field in row["fields"]]
    codes = [place.vault.code_at(time.time() + seconds) for seconds in (-30, 0)]
    return [value for value in [*values, *codes] if value and len(value) > 5 and value != "carmas"]


def _check_references(place: Place, item: Item, found: dict[str, Found]) -> None:
    """What `op inject` says of the references is what the config's keys are for."""
    known = {name: fields.reference(item, one.field) for name, one in found.items() if one.field and name != "mfa_id"}
    queries = {"otp": "?attribute=otp"}
    lines = [f"{{{{ {reference}{queries.get(name, '')} }}}}\n" for name, reference in known.items()]
    now = time.time()
    printed = place.op.ask("inject", stdin="".join(lines)).splitlines() if lines else []
    codes = {code_of(place.vault.totp_seed, step_at(now + seconds)) for seconds in (0, 30)}
    expected = {"access_key_id": {place.vault.access_key_id}, "secret_access_key": {place.vault.secret_access_key}}

    assert [] == [
        name for name, value in zip(known, printed, strict=True) if value not in (expected | {"otp": codes})[name]
    ]


def test_a_label_that_repeats_a_secret_is_dropped(place: Place) -> None:
    """Labels are a person's own words, and may be anything."""
    rows = (F(C, f"secret {SECRET}", SECRET), F(C, "pin hunter2hunter2", "hunter2hunter2"), F("STRING", OTHER_KEY, KEY))
    wild = Wild("telling", "LOGIN", rows, ("", "", "", ""))
    item = as_item(wild, place.vault, place.vault_id)
    item["fields"][0]["label"] = f"secret {place.vault.secret_access_key}"
    place.vault.update(items=[*place.vault.state()["items"], item])
    answer, written = read(place.env, kind="item", vault=place.vault_id, item=item["id"])

    assert ["", "", ""] == [field["label"] for field in answer["item"]["fields"]]
    assert [] == [text for text in (place.vault.secret_access_key, "hunter2", OTHER_KEY) if text in written]


def test_the_list_tells_items_apart_and_has_no_field(place: Place) -> None:
    """Items are listed by one `op item list`, with what tells them apart."""
    before = len(place.vault.calls())
    answer, _ = read(place.env, kind="items")

    assert ["item list"] == [" ".join(call["argv"][-2:]) for call in place.vault.calls()[before:]]
    assert {wild.name for wild in WILD} <= {row["title"] for row in answer["items"]}
    assert {"id", "title", "vault_id", "vault", "category", "tags", "urls", "edited_at"} == answer["items"][0].keys()


ODD = {
    "empty": "OnePasswordUnknown",
    "flood": "OnePasswordGarbled",
    "invalid-utf8": "OnePasswordGarbled",
    "truncated": "OnePasswordGarbled",
}


@pytest.mark.parametrize(("how", "code"), ODD.items())
def test_odd_output_is_an_error_that_repeats_none_of_it(place: Place, how: str, code: str) -> None:
    """The reader answers in its own words to every output of `op`."""
    place.vault.update(misbehave=how)
    answer, written = read(place.env, kind="item", vault=place.vault_id, item=place.id_of(WILD[0].name))
    place.vault.update(misbehave=None)

    assert code == answer["error"]["code"]
    assert [] == [value for value in _values(place, WILD[0]) if value in written]


def test_a_bug_is_told_by_its_place_alone(place: Place) -> None:
    """An exception's text could show a value, so the reader names file and line."""
    answer, _ = read(place.env, kind="item", vault=place.vault_id)

    assert ("ExchangeFailed", True) == (
        answer["error"]["code"],
        answer["error"]["problems"][0].startswith("the reader failed at reader.py:"),
    )


def test_what_is_shown_of_the_reader_holds_no_secret(place: Place) -> None:
    """Neither its command line and environment, nor those of its `op`, hold a value; after SIGTERM nothing is left."""
    place.vault.update(prompt={"answer": "ignore"}, auth={"session_key": "per-process"})
    before = place.vault.state()["prompts"]
    reader = start(place.env, kind="item", vault=place.vault_id, item=place.id_of(WILD[0].name))
    until(lambda: place.vault.state()["prompts"] > before)
    pids = [reader.pid, *_children(reader.pid)]
    shown = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for pid in pids for name in ("cmdline", "environ"))
    reader.terminate()
    out, err = reader.communicate(timeout=30)
    place.vault.update(prompt={"answer": "approve"}, auth={"session_key": "none-shared"})

    assert 2 <= len(pids)
    assert [] == [value for value in _values(place, WILD[0]) if value.encode() in shown]
    assert (128 + signal.SIGTERM, b"", b"") == (reader.returncode, out, err)
    assert [] == [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def test_accounts_cost_no_prompt(place: Place) -> None:
    """Accounts need neither the app nor a token."""
    place.vault.update(app={"running": False})
    answer, _ = read(place.env | measured(), kind="accounts")
    place.vault.update(app={"running": True})

    assert [place.vault.state()["accounts"][0]["user_uuid"]] == [row["user_id"] for row in answer["accounts"]]
