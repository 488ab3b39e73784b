"""Mayfly's sections among the user's own, which AWS's writer changes in between."""

from __future__ import annotations

import tempfile

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from awscli.customizations.configure.writer import ConfigFileWriter
from botocore.configloader import raw_config_parse
from botocore.exceptions import ConfigParseError
from hypothesis import given
from hypothesis import strategies as st

from mayfly.cli.aws_config import sections
from mayfly.cli.aws_config.process_line import process_line
from mayfly.cli.aws_config.sections import Entry, Merged, Unmergeable, block, merge, written


BEGIN = "# >>> mayfly: what stands here is rewritten by 'mayfly aws-config --write' >>>"
END = "# <<< mayfly <<<"


def entry(name: str, region: str | None = "eu-central-1", *, socket: str = "/run/s", profile: str = "") -> Entry:
    return Entry(name, region, process_line(socket, ("/usr/bin/mayfly",), profile or name, curl="/usr/bin/curl"))


ENTRIES = [entry("nsrc"), entry("default", None)]

TEXTS = st.text(st.characters(codec="utf-8") | st.sampled_from("[]\r\n#;= \x85\u2028\udcff"))
USER_LINES = st.lists(
    st.sampled_from(
        [
            "[profile mine]\nendpoint_url = http://mine\n",
            "[default]\nregion = eu-west-1\n\n",
            "[profile top]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = mine\n",
            "[sso-session corp]\nsso_region = x\n",
            '[profile "with blank"]\ns3 =\n    addressing_style = path\n\n    # nested\n    a = b\noutput = json\n',
            "[services local]\nsts =\n  endpoint_url = x\n",
            "  [profile in]\n  region = y\n",
            "# a note\n",
            "; another = note\n",
            "\n",
        ]
    ),
    max_size=6,
    unique=True,
)
NAMES = ["nsrc", "default", "admin", "new"]
ENTRY_LISTS = st.lists(
    st.builds(entry, st.sampled_from(NAMES), st.none() | st.sampled_from(["us-east-1", "eu-west-1"])),
    unique_by=lambda one: one.name,
)
SETTINGS = st.sampled_from(
    [
        {"endpoint_url": "http://set"},
        {"role_arn": "arn:aws:iam::2:role/set"},
        {"region": "ap-south-1"},
        {"s3": {"max_concurrent_requests": "5"}},
        {"output": "text", "cli_pager": "less"},
        {"credential_process": "/bin/mine"},
    ]
)
SETS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "profile nsrc",
                "default",
                "profile admin",
                "profile mine",
                "profile top",
                "profile with blank",
                "sso-session corp",
            ]
        ),
        SETTINGS,
    ),
    max_size=4,
)


def sorted_comments(text: str) -> list[str]:
    return sorted(line.strip() for line in text.splitlines() if line.strip()[:1] in ("#", ";") and "mayfly" not in line)


def written_into(text: str, entries: list[Entry]) -> str:
    try:
        return merge(text, entries).text
    except Unmergeable:
        return text


def as_botocore(path: Path, text: str) -> dict[str, Any] | None:
    path.write_text(text, errors="surrogateescape")
    try:
        return dict(raw_config_parse(str(path)))
    except ConfigParseError:
        return None


def as_aws_configure(path: Path, head: str, settings: dict[str, Any]) -> None:
    # Its own fault: a comment below `s3 =` is an UnboundLocalError, before it writes.
    with suppress(UnboundLocalError):
        ConfigFileWriter().update_config({"__section__": head, **settings}, str(path))


@given(USER_LINES, ENTRY_LISTS, SETS, ENTRY_LISTS, st.booleans(), st.booleans())
def test_no_setting_of_the_users_is_lost_or_moved(
    user: list[str],
    first: list[Entry],
    sets: list[tuple[str, dict[str, Any]]],
    second: list[Entry],
    is_marked: bool,
    is_crlf: bool,
) -> None:
    """Between two writes AWS's own writer sets keys, in ours and in others: for botocore all are where they were."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config")
        half = len(user) // 2
        theirs = "".join(user)
        mine = [one for one in first if one.name not in sections.section_names(theirs)]
        if is_marked:
            text = "".join([*user[:half], f"{BEGIN}\n{block(mine)}{END}\n", *user[half:]])
        else:
            text = written_into(theirs, first)
        path.write_text(text)
        for head, settings in sets:
            as_aws_configure(path, head, settings)
        text = path.read_text()
        text = text.replace("\n", "\r\n") if is_crlf else text
        before = as_botocore(path, text)
        try:
            merged = merge(text, second)
        except Unmergeable:
            assert before is None or "  [profile in]" in text
            return
        after = as_botocore(path, merged.text)

    assert before is not None
    wanted = {sections._head(one): one for one in second if one.name not in merged.foreign}
    removed = {"default" if name == "default" else f"profile {name}" for name in merged.removed}
    expected = {head: keys for head, keys in before.items() if head not in removed}
    for head, one in wanted.items():
        expected[head] = expected.get(head, {}) | dict(sections._values(one))
    assert expected == after
    assert sorted_comments(text) == sorted_comments(merged.text)
    assert "mayfly: what stands here" not in merged.text
    assert (merged.text, []) == merge(merged.text, second)[:3:2]
    assert not (is_crlf and text) or "\n" not in merged.text.replace("\r\n", "")


@given(USER_LINES.map("".join) | TEXTS, ENTRY_LISTS)
def test_a_file_without_a_section_of_ours_is_kept(text: str, entries: list[Entry]) -> None:
    """It keeps each byte, and gets an empty line and our sections at its end."""
    try:
        merged = merge(text, entries)
    except Unmergeable:
        return

    assert merged.text.startswith(text)
    added = merged.text.removeprefix(text).replace("\r\n", "\n").replace("\r", "\n")
    assert block([one for one in entries if one.name not in merged.foreign]) == added.lstrip("\n")


@pytest.mark.parametrize(
    "head", ["[profile nsrc]", "[ profile  nsrc ]", '[profile "nsrc"]', "[profile 'nsrc'] # mine", "\t[profile nsrc]"]
)
def test_profile_of_the_users_own_is_left_alone(head: str) -> None:
    """A section of the user keeps its name and its text, however it is written."""
    text = f"{head}\nregion = eu-west-1\n"
    merged = merge(text, ENTRIES)

    assert ["nsrc"] == merged.foreign
    assert [head, "region = eu-west-1"] == merged.text.splitlines()[:2]
    assert ["nsrc", "default"] == sections.section_names(merged.text)


@pytest.mark.parametrize("text", ["[nsrc]\nregion = x\n", "[sso-session nsrc]\nsso_region = x\n", "[services nsrc]\n"])
def test_what_is_no_profile_takes_no_name(text: str) -> None:
    """botocore reads none of these sections for the profile."""
    assert ([], text) == (merge(text, ENTRIES).foreign, merge(text, ENTRIES).text[: len(text)])


def test_a_section_of_ours_follows_the_config() -> None:
    """Our two keys are rewritten in their place, with the file's own line ends; the others stay."""
    old = block([entry("nsrc", "us-east-1", socket="/old")]).replace("\n", "\r\n")
    text = f"; top\r\n{old}output = json\r\n\r\n# next\r\n[profile x]\r\nregion = y"
    merged = merge(text, [entry("nsrc")])

    ours = block([entry("nsrc")]).replace("\n", "\r\n")
    assert f"; top\r\n{ours}output = json\r\n\r\n# next\r\n[profile x]\r\nregion = y" == merged.text


def test_a_last_line_without_an_end_stays_without() -> None:
    """Only what is rewritten changes."""
    merged = merge(block([entry("nsrc", socket="/old")]).rstrip("\n"), [entry("nsrc")])
    assert block([entry("nsrc")]).rstrip("\n") == merged.text


def test_profile_that_goes_takes_its_section_and_no_comment() -> None:
    """Its other keys are named; every comment stays, also the next section's."""
    text = (
        f"# mine\n{block([entry('nsrc')]).rstrip()}\nendpoint_url = x  # local\n# within\ns3 =\n  # deep\n  a = b\n\n"
        "# of the next\n[profile next]\nregion = y\n"
    )
    merged = merge(text, [])

    assert "# mine\n# local\n# within\n  # deep\n\n# of the next\n[profile next]\nregion = y\n" == merged.text
    assert (["nsrc"], {"nsrc": ["endpoint_url", "s3"]}) == (merged.removed, merged.lost)


def test_an_edited_section_is_kept() -> None:
    """It is the user's now: neither rewritten, nor removed with its profile."""
    text = block([entry("nsrc")]).replace("2>/dev/null", "2>>/tmp/log")

    assert (text, ["nsrc"]) == merge(text, [entry("nsrc")])[:2]
    assert (text, [], []) == merge(text, [])[:3]


def test_a_copy_under_another_name_is_the_users() -> None:
    """A section that does not end with its line's profile was never written by Mayfly."""
    text = block([entry("nsrc")]).replace("[profile nsrc]", "[profile copied]")
    assert (text, [], []) == merge(text, [])[:3]
    assert {} == written(text).profiles


def test_sections_with_an_old_prefix_go() -> None:
    """They are known by their lines."""
    text = block([entry("my-nsrc", profile="nsrc")])
    assert (block([entry("nsrc")]), ["my-nsrc"]) == merge(text, [entry("nsrc")])[:3:2]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("[default]\nregion = x\n", [entry("nsrc")]),
        ("[default]\nregion = x\n", ENTRIES),
        ("[profile default]\nregion = x\n", ENTRIES),
        ("[default]\n", [entry("default")]),
    ],
)
def test_default_of_the_users_is_not_touched(text: str, entries: list[Entry]) -> None:
    """Neither if a profile is called default, nor if none is."""
    assert merge(text, entries).text.startswith(text)
    assert 1 == merge(text, entries).text.count("default]")


def test_a_file_of_an_earlier_version_is_taken_over() -> None:
    """Its marks go; what AWS's writer has put between them stays where botocore reads it."""
    old = block([entry("nsrc", socket="/old"), entry("gone")]).splitlines()
    text = "\n".join(
        ["[profile mine]", "region = x", BEGIN, "role_arn = r", *old, "s3 =", "  a = b", END, "output = json", ""]
    )
    merged = merge(text, [entry("nsrc")])

    assert f"[profile mine]\nregion = x\nrole_arn = r\n{block([entry('nsrc')])}\n" == merged.text
    assert {"gone": ["s3", "output"]} == merged.lost


CREDENTIALS = {
    "aws_access_key_id": "a",
    "aws_secret_access_key": "b",
    "aws_session_token": "c",
    "role_arn": "d",
    "source_profile": "nsrc",
    "credential_source": "Environment",
    "mfa_serial": "e",
    "sso_session": "f",
    "sso_start_url": "g",
    "sso_account_id": "h",
    "sso_role_name": "i",
    "web_identity_token_file": "j",
    "login_session": "k",
    "credential_process": "aws-vault exec nsrc",
}


def test_replace_takes_out_all_by_which_sdks_find_credentials() -> None:
    """Everything else in the section stays, and the indentation of its keys."""
    keys = "".join(f"  {name} = {value}\n" for name, value in CREDENTIALS.items())
    text = (
        f"[profile nsrc]\n{keys}  output = json\n  # why\n  s3 =\n    aws_access_key_id = no\n[profile x]\nrole_arn=y\n"
    )
    merged = merge(text, [entry("nsrc")], replace=True)
    process = entry("nsrc").process

    assert (
        f"[profile nsrc]\n  region = eu-central-1\n  credential_process = {process}\n  output = json\n"
        "  # why\n  s3 =\n    aws_access_key_id = no\n[profile x]\nrole_arn=y\n"
    ) == merged.text
    assert {"nsrc": [name for name in CREDENTIALS if name != "credential_process"]} == merged.dropped
    assert [] == merged.foreign


def test_keys_that_win_in_a_section_of_ours_are_told() -> None:
    """They are the user's, so they stay; beside a role botocore passes over our line."""
    text = block([entry("nsrc")]) + "role_arn = x\nendpoint_url = y\nsso_role_name = z\n"
    merged: Merged = merge(text, [entry("nsrc")])

    assert (text, {"nsrc": ["role_arn", "sso_role_name"]}) == (merged.text, merged.winning)


@pytest.mark.parametrize("name", ["nsrc", "other"])
def test_a_change_that_would_move_a_setting_is_refused(name: str) -> None:
    """An indented section would become part of the key before it."""
    ours = "".join(f"  {line}\n" for line in block([entry("nsrc")]).splitlines())
    text = f"[profile a]\nregion = x\n[profile b]\n{ours}  [profile c]\n  region = y\n"
    with suppress(Unmergeable):
        assert {"a", "b", "c"} <= set(sections.section_names(merge(text, [entry(name)]).text))


def test_static_keys_are_seen_and_other_sections_are_not() -> None:
    """What wins over a credential_process is found, and a region is not."""
    text = "[nsrc]\nAWS_Access_Key_ID = x\n[other]\nregion = y\n#aws_access_key_id=z\n[p]\ncredential_process = q\n"
    assert {"nsrc": ["aws_access_key_id"], "p": ["credential_process"]} == sections.keys_in(text)
