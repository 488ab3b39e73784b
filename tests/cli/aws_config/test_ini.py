"""The reader of `~/.aws` files, which finds what botocore finds."""

from __future__ import annotations

import configparser

import pytest

from hypothesis import given
from hypothesis import strategies as st

from mayfly.cli.aws_config import ini


WORDS = st.text("ab[]#;=: \t\x85\u2028é\udcff", max_size=6)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "", " ", "\t", "   "]),
        st.sampled_from(
            [
                "[profile a]",
                '[profile "a"]',
                "[b] # x",
                "[default]",
                "s3 =",
                "A=1",
                "b : 2",
                "c = x ; y",
                "# n",
                "",
                "e",
            ]
        )
        | WORDS,
        st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    ).map("".join),
    max_size=12,
).map("".join)


def as_botocore(text: str) -> dict[str, dict[str, str]] | None:
    reader = configparser.RawConfigParser(default_section="\0")
    try:
        reader.read_string(text.replace("\r\n", "\n").replace("\r", "\n"))
    except configparser.Error:
        return None
    return {head: dict(reader.items(head)) for head in reader.sections()}


@given(LINES)
def test_it_reads_what_botocore_reads(text: str) -> None:
    """Each section with its keys and values; a file that botocore refuses has problems."""
    file = ini.parse(text)
    expected = as_botocore(text)

    assert text == "".join(file.lines)
    if expected is None:
        assert file.problems
    elif not file.problems:
        assert expected == {section.head: {key.name: key.value for key in section.keys} for section in file.sections}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a]\nx = 1\n\n[a]\n", "4: [a] is there already, in line 1"),
        ('[profile a]\n[profile "a"]\n', '2: [profile "a"] is there already, in line 1'),
        ("[a]\nregion = 1\ns3 =\n  x = 1\nRegion = 2\n", "5: [a] has region already, in line 2"),
        ("\ufeff[a]\n", "1: begins with a byte order mark, which AWS's programs refuse: save it as UTF-8 without BOM"),
        ("[a]\nregion\n", "2: is neither a [section] nor a key with a value: it has no '='"),
        ("[a\n", "1: stands before the first [section]"),
        ("x = 1\n[a]\n", "1: stands before the first [section]"),
        ("[a]\nx = 1\n  [b]\n", "3: is a [section] for some SDKs only: do not indent it"),
    ],
)
def test_what_programs_refuse_or_read_differently_has_a_line(text: str, problem: str) -> None:
    """The first problem is named with the number of its line."""
    first = ini.parse(text).problems[0]
    assert problem == f"{first.line}: {first.what}"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_a_problem(encoding: str) -> None:
    """With or without a byte order mark."""
    text = "[a]\nregion = 1\n".encode(encoding).decode(errors="surrogateescape")
    assert "is no UTF-8, but UTF-16 or binary: save it as UTF-8" == ini.parse(text).problems[0].what


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ("default", "default"),
        ("profile a", "a"),
        (' profile  "a b" ', "a b"),
        ("profile 'a'] # [x", "a"),
        ("a", None),
        ("sso-session a", None),
        ("services a", None),
    ],
)
def test_a_config_files_heads(head: str, name: str | None) -> None:
    """Only [default] is a profile without the word, and a session or services never are."""
    assert name == ini.config_profile(head)
