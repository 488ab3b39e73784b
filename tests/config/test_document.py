"""A file as it stands: found, decoded, parsed, and named in its owner's words."""

from __future__ import annotations

import json
import subprocess
import sys

from pathlib import Path

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.config import document
from mayfly.config.document import Document
from mayfly.shared.errors import ConfigInvalid


MALFORMED = [
    ("config.toml", b"a = \nb = 1", "is not TOML: Invalid value (at line 1, column 5)"),
    ("config.toml", b'[p]\nx = "open', "is not TOML: Unterminated string (at end of document)"),
    ("config.toml", b"a = 1\na = 2", "is not TOML: Cannot overwrite a value (at end of document)"),
    ("config.toml", b"a = 1\n\nb = '\xff'", "is not UTF-8 (at line 3)"),
    ("config.toml", b"a = " + b"[" * 100_000, "is nested too deep"),
    ("config.conf", b"{}", "is not TOML: Invalid statement (at line 1, column 1)"),
    (
        "config.json",
        b'{\n "a": 1\n "b": 2}',
        "is not JSON: Expecting ',' delimiter: line 3 column 2 (char 11)",
    ),
    ("config.json", b"", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
    ("config.json", b'{"a": 1, "b": {"c": 1, "c": 2}}', "is not JSON: c stands twice in one object"),
    ("config.json", b"[]", "is not a table at its top"),
    ("config.json", b"null", "is not a table at its top"),
    ("config.json", b"[" * 100_000, "is nested too deep"),
    ("config.json", b'{"a": ' + b"9" * 5_000 + b"}", "is not JSON: a number is too long"),
    ("config.toml", b"a = " + b"9" * 5_000, "is not TOML: a number is too long"),
    ("config.json", b"\xff\xfe{\x00}\x00", "is not UTF-8 (at line 1)"),
    ("config.json", b'{"aws": null}', "aws: must be a table"),
    (
        "config.json",
        b'{"aws": {"org_id": "x"}, "profiles": {}}',
        "aws: cannot stand beside profiles: make it one of them",
    ),
]


@pytest.mark.parametrize(("name", "raw", "line"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_file_is_one_line_with_its_place(tmp_path: Path, name: str, raw: bytes, line: str) -> None:
    """What cannot be parsed is refused with the file, the line where the parser knows it, and no traceback."""
    path = tmp_path / name
    path.write_bytes(raw)

    with pytest.raises(ConfigInvalid) as refusal:
        document.read(path)

    assert f"{path}: {line}" == "".join(refusal.value.problems).replace("(at line 2, column 6)", "(at end of document)")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The path that was looked at is told, and that nothing stands there."""
    with pytest.raises(ConfigInvalid) as refusal:
        document.read(tmp_path / "none.toml")

    assert (f"{tmp_path}/none.toml: there is no such file",) == refusal.value.problems


def test_a_folder_is_no_config(tmp_path: Path) -> None:
    """A path that cannot be read is refused with the system's reason."""
    with pytest.raises(ConfigInvalid) as refusal:
        document.read(tmp_path)

    assert (f"{tmp_path}: cannot be read: Is a directory",) == refusal.value.problems


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "config.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"listen": "x"}')

    assert {"listen": "x"} == document.read(path).tree


def test_only_json_has_the_one_account_shape() -> None:
    """In TOML a table called aws is a key like any other, and so unknown."""
    found = Document(Path("/c/config.toml"), b'[aws]\norg_id = "nsrc"')

    assert (None, {"aws": {"org_id": "nsrc"}}) == (found.legacy_profile, found.tree)


def test_the_one_account_shape_becomes_the_full_form() -> None:
    """The account is a profile under its org_id; what stands beside it stays."""
    found = Document(Path("/c/config.json"), b'{"aws": {"org_id": "nsrc", "otp": 1}, "listen": "x"}')

    assert {"listen": "x", "profiles": {"nsrc": {"otp": 1}}} == found.tree
    assert "/c/config.json: aws.otp" == found.where("profiles", "nsrc", "otp")
    assert "/c/config.json: aws.org_id" == found.where("profiles", "nsrc")
    assert "/c/config.json: profiles.other.otp" == found.where("profiles", "other", "otp")
    assert "/c/config.json: listen" == found.where("listen")
    assert "/c/config.json" == found.where()


def test_only_tables_with_a_name_are_tables() -> None:
    """Commands that only need names pass over what the daemon will refuse."""
    found = Document(Path("/c/config.json"), b'{"profiles": {"a": {"x": 1}, "b": 2, "": {}}, "other": 3}')

    assert {"a": {"x": 1}} == found.tables("profiles")
    assert {} == found.tables("other")
    assert {} == found.tables("none")


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        (("profiles", "a-b_1", "otp"), "profiles.a-b_1.otp"),
        (("profiles", "a.b", "otp"), 'profiles."a.b".otp'),
        (("", "x"), '"".x'),
        (("tags", 'say "x"'), 'tags."say \\"x\\""'),
        (("policy_arns", 0), "policy_arns[0]"),
        (("zürich",), '"z\\u00fcrich"'),
    ],
)
def test_a_key_is_shown_as_toml_writes_it(keys: tuple[str | int, ...], shown: str) -> None:
    """A dot inside a name is no dot between names, and positions stand in brackets."""
    assert f"/c/config.toml: {shown}" == Document(Path("/c/config.toml"), b"").where(*keys)


@given(st.text(min_size=1), st.integers())
def test_a_place_with_any_key_is_one_line(key: str, position: int) -> None:
    """No key, however strange, breaks the line or steers a terminal."""
    shown = Document(Path("/c/config.toml"), b"").where("profiles", key, position)

    assert shown.isprintable()
    assert shown.isascii()


def test_the_digest_is_of_the_bytes() -> None:
    """Two files of the same meaning are two configs."""
    first, second = (Document(Path("/c/config.json"), raw) for raw in (b"{}", b"{ }"))

    assert json.loads(first.raw) == json.loads(second.raw)
    assert first.digest != second.digest
    assert 64 == len(first.digest)


def test_reading_the_document_costs_no_attrs(tmp_path: Path) -> None:
    """A shell start-up reads it in a fresh interpreter: neither attrs nor cattrs is imported, in either format."""
    (tmp_path / "config.toml").write_text('[profiles.a]\nregion = "eu-west-1"\n')
    (tmp_path / "config.json").write_text('{"profiles": {"a": {"region": "eu-west-1"}}}')
    script = (
        "import sys; from pathlib import Path; from mayfly.config import document; from mayfly.config.region import "
        "region_of; print(*(region_of(document.read(Path(path)), 'a') for path in sys.argv[1:]), "
        "*sorted({'attr', 'attrs', 'cattr', 'cattrs'} & set(sys.modules)))"
    )
    files = [str(tmp_path / name) for name in ("config.toml", "config.json")]
    ended = subprocess.run([sys.executable, "-c", script, *files], capture_output=True, text=True, check=True)

    assert "eu-west-1 eu-west-1\n" == ended.stdout
