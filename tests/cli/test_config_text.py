"""The config as text: tables with comments, and a profile's table taken out of a text that a person wrote."""

from __future__ import annotations

import tomllib

import pytest

from mayfly.cli.config_text import added, table, without


def test_a_table_is_read_back_whatever_is_in_it() -> None:
    """Names, values and comments may have any character, and none begins a line or ends a text."""
    odd = 'a"b\\c\u202e\n[x]\x00\x7f'
    text = table(("profiles", "a.b"), {"name": odd, "tags": {"é": odd}, "list": [odd]}, {"name": odd}, odd, "")

    assert {"profiles": {"a.b": {"name": odd, "tags": {"é": odd}, "list": [odd]}}} == tomllib.loads(text)
    assert 5 == len(text.splitlines())


BEFORE = "# top\nlisten = '127.0.0.1:9170'\n\n[profiles.b]\nx = 1 # mine\n\n"
AFTER = "# of c\n[profiles.c]\nx = 1\n"


@pytest.mark.parametrize(
    "text",
    [
        "[profiles.a]\nx = 1\n",
        '# about it\n# and more\n[profiles."a"]\nx = 1\n\n[profiles.a.tags]\ny = "z"\n\n',
        "[ profiles . 'a' ]\npolicy = '''\n{\n  [1]\n[profiles.c]\n}'''\n",
        "[profiles.a] # here\n",
    ],
)
def test_a_profile_goes_with_its_comments_and_sub_tables(text: str) -> None:
    """What stands before it and after it stays, to the letter."""
    assert BEFORE + AFTER == without(BEFORE + text + AFTER, "a")
    assert (BEFORE, AFTER) == (without(BEFORE + text, "a"), without(text + AFTER, "a"))
    assert BEFORE + text + AFTER == without(BEFORE + text + AFTER, "d")


@pytest.mark.parametrize("text", ["profiles.a.x = 1\n", "profiles.a.x = 1\nprofiles.b.x = 1", "", "# a\n"])
def test_a_text_without_tables_is_left_alone(text: str) -> None:
    """A profile by dotted keys has no lines that could be told from others: the writer sees that it is still there."""
    assert text == without(text, "a")


def test_tables_are_added_at_the_end() -> None:
    """After a last line without an end, too, and into nothing."""
    assert ("a = 1\n\n[b]\n", "[b]\n", "a\n\nb\n\nc\n") == (
        added("a = 1", ["[b]\n"]),
        added("", ["[b]\n"]),
        added("a\n", ["b\n", "c\n"]),
    )
