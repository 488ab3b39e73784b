"""The text of the units."""

from __future__ import annotations

import plistlib
import re

import attrs
import pytest

from mayfly.service import files, units
from mayfly.service.units import Values
from mayfly.shared.errors import ConfigInvalid


VALUES = Values(python="/opt/mayfly/bin/python", listen=("127.0.0.1", 9170), home="/home/carmas")


def test_no_hole_is_left_in_a_unit() -> None:
    """Every placeholder of every template is filled."""
    texts = [*units.systemd(VALUES).values(), units.launchd(VALUES)]

    assert [] == [hole for text in texts for hole in re.findall(r"@[A-Z_]+@", text)]


def test_a_config_that_is_not_the_usual_one_is_named() -> None:
    """`--config` reaches the daemon and the exchange, and its path is one word."""
    found = units.systemd(attrs.evolve(VALUES, config="/home/carmas/my config.toml"))

    assert 'serve --sealed --config "/home/carmas/my config.toml"\n' in found["mayfly.service"]
    assert '-m mayfly.exchange --config "/home/carmas/my config.toml"\n' in found["mayfly-exchange@.service"]


def test_an_installation_for_the_user_alone_keeps_its_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """After `pip install --user` the units leave out the flag that hides the user's site-packages."""
    assert "/opt/mayfly/bin/python -I -m mayfly.exchange\n" in units.systemd(VALUES)["mayfly-exchange@.service"]
    monkeypatch.setattr(units, "isolation_flags", lambda: ("-E", "-P"))

    for name in ("mayfly.service", "mayfly-exchange@.service", "mayfly-desk.service"):
        assert "/opt/mayfly/bin/python -E -P -m mayfly" in units.systemd(VALUES)[name]
    assert ["-E", "-P", "-m"] == plistlib.loads(units.launchd(VALUES).encode())["ProgramArguments"][1:4]


def test_a_folder_with_op_is_looked_at_first() -> None:
    """The folders of `op` come first on the services' PATH."""
    found = units.systemd(attrs.evolve(VALUES, op_folders=("/opt/op",)))

    assert "Environment=PATH=/opt/op:/usr/local/sbin:" in found["mayfly.service"]
    assert "Environment=PATH=/opt/op:/usr/local/sbin:" in found["mayfly-exchange@.service"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (VALUES, "yes"),
        (attrs.evolve(VALUES, python="/tmp/venv/bin/python"), "no"),
        (attrs.evolve(VALUES, home="/var/tmp/home"), "no"),
        (attrs.evolve(VALUES, config="/tmp/config.toml"), "no"),
    ],
)
def test_tmp_is_private_unless_something_of_ours_lies_there(values: Values, expected: str) -> None:
    """/tmp is private, except where it would hide the interpreter, the home or the config."""
    assert f"PrivateTmp={expected}\n" in units.systemd(values)["mayfly.service"]


@pytest.mark.parametrize(("home", "expected"), [("/home/carmas", "/run"), ("/run/media/disk/carmas", "%t")])
def test_others_sockets_are_hidden_unless_something_of_ours_lies_there(home: str, expected: str) -> None:
    """All of /run is hidden, or only the runtime folder if the interpreter, the home or the config lies in /run."""
    assert f"TemporaryFileSystem={expected}\n" in units.systemd(attrs.evolve(VALUES, home=home))["mayfly.service"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/usr/bin/python3", "/usr/bin/python3"),
        ("/home/a b/python", '"/home/a b/python"'),
        ("/home/100%/python", "/home/100%%/python"),
        ('/home/"x"\\y/python', '"/home/\\"x\\"\\\\y/python"'),
    ],
)
def test_a_path_is_quoted_as_systemd_reads_it(word: str, expected: str) -> None:
    """Blanks, quotes, backslashes and percent signs survive."""
    assert expected == units.quoted(word)


@pytest.mark.parametrize("word", ["/home/$x/python", "/home/a\nb/python"])
def test_a_path_that_systemd_cannot_be_told_is_refused(word: str) -> None:
    """systemd would expand a dollar, and a line break would begin a new directive."""
    with pytest.raises(ConfigInvalid):
        units.quoted(word)


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\v", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\udcff"])
@pytest.mark.parametrize("place", ["python", "config", "op_folders"])
def test_a_control_character_in_a_path_reaches_no_unit(place: str, character: str) -> None:
    """A path with a control character, a line or paragraph separator, a bidi mark or bytes that are no text is refused.

    systemd would read what follows a line break as a directive, and a terminal would obey the others.
    """
    path = f"/home/a{character}ExecStartPre=b"
    values = attrs.evolve(VALUES, **{place: (path,) if place == "op_folders" else path})

    for fill_in in (units.systemd, units.launchd):
        with pytest.raises(ConfigInvalid) as refusal:
            fill_in(values)
        assert refusal.value.message.isprintable()


@pytest.mark.parametrize("place", ["home", "runtime_dir", "log"])
def test_a_control_character_reaches_no_property_list(place: str) -> None:
    """The paths that only launchd is told are held to the same rule."""
    with pytest.raises(ConfigInvalid):
        units.launchd(attrs.evolve(VALUES, **{place: "/Users/a\x1bb"}))


def test_the_agent_is_a_property_list_with_launchds_keys_and_types() -> None:
    """The sockets, the start and the log have the keys and types of launchd.plist(5)."""
    values = attrs.evolve(
        VALUES, config="/Users/a&b/config.toml", runtime_dir="/Users/a&b/run", log="/Users/a&b/mayfly.log"
    )
    found = plistlib.loads(units.launchd(values).encode())

    assert "io.mayfly.daemon" == found["Label"]
    assert [*["/opt/mayfly/bin/python", "-I", "-m", "mayfly", "serve", "--config"], "/Users/a&b/config.toml"] == found[
        "ProgramArguments"
    ]
    assert {
        "port": {
            "SockFamily": "IPv4",
            "SockNodeName": "127.0.0.1",
            "SockServiceName": "9170",
            "SockType": "stream",
        },
        "control": {
            "SockFamily": "Unix",
            "SockPathName": "/Users/a&b/run/control.sock",
            "SockPathMode": 0o600,
            "SockType": "stream",
        },
    } == found["Sockets"]
    assert False is found["RunAtLoad"]
    assert {"Crashed": True} == found["KeepAlive"]
    assert "Aqua" == found["LimitLoadToSessionType"]
    assert 0o077 == found["Umask"]
    assert "/Users/a&b/mayfly.log" == found["StandardErrorPath"]
    assert found["EnvironmentVariables"]["PATH"].startswith("/opt/homebrew/bin:/usr/local/bin:")


def test_a_stamped_agent_is_still_a_property_list() -> None:
    """The last line that makes the file ours is a comment of XML."""
    assert "Label" in plistlib.loads(files.stamped(units.launchd(VALUES), "<!-- {} -->").encode())


@pytest.mark.parametrize("name", units.SYSTEMD)
def test_a_unit_is_known_by_its_template_with_any_values(name: str) -> None:
    """Another port or program is the same template; another directive, at either end or inside, is not."""
    template, text = units.template("systemd", name), units.systemd(attrs.evolve(VALUES, config="/a.b"))[name]

    assert units.is_from_template(template, text)
    assert units.is_from_template(template, "# In other words.\n" + text)
    assert not units.is_from_template(template, text + "More=\n")
    assert not units.is_from_template(template, "More=\n" + text)
    assert not units.is_from_template(template, text.replace("Description=", "Described="))
