"""`install` and `uninstall` with launchd, against a `launchctl` that records its calls."""

from __future__ import annotations

import plistlib
import shlex
import stat
import sys

from pathlib import Path

import pytest

from mayfly.cli import speech
from mayfly.cli.install import with_launchd
from mayfly.cli.main import main
from mayfly.service import launchd
from mayfly.service.units import Values
from mayfly.shared import paths, tokens
from support.world import SEED_TOML


LAUNCHCTL = """\
#!/bin/sh
echo "$@" >> "$HOME/calls"
case "$1" in
  print) test -e "$HOME/loaded" ;;
  bootstrap) touch "$HOME/loaded" ;;
  bootout) rm "$HOME/loaded" ;;
  getenv) test "$2" != NO_PROXY || echo "as here" ;;
  setenv) echo "refused" >&2; exit 1 ;;
esac
"""

DOMAIN = launchd._domain()


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "it's home"
    program = home / "bin/launchctl"
    program.parent.mkdir(parents=True)
    program.write_text(LAUNCHCTL)
    program.chmod(0o755)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("MAYFLY_RUNTIME_DIR", str(home / "mayfly/run"))
    return home


@pytest.fixture(name="values")
def _values(home: Path) -> Values:
    return Values(
        python="/opt/mayfly/bin/python",
        listen=("127.0.0.1", 9170),
        home=str(home),
        runtime_dir=str(paths.runtime_dir()),
        log=str(launchd.log_file()),
    )


def calls(home: Path) -> list[str]:
    """The calls of launchctl since the last time, without those that only ask."""
    path = home / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return [line for line in lines if not line.startswith(("print ", "getenv "))]


def test_the_agent_is_written_and_loaded(home: Path, values: Values) -> None:
    """The property list is written, loaded and started; a second `install` only starts it."""
    with_launchd.install(values, now=True, dry_run=False)
    first = calls(home)
    with_launchd.install(values, now=True, dry_run=False)

    agent = home / "Library/LaunchAgents/io.mayfly.daemon.plist"
    assert "io.mayfly.daemon" == plistlib.loads(agent.read_bytes())["Label"]
    assert (home / "Library/Logs/mayfly").is_dir()
    assert 0o700 == stat.S_IMODE((home / "mayfly/run").stat().st_mode)
    assert [f"bootstrap {DOMAIN} {agent}", f"kickstart {DOMAIN}/io.mayfly.daemon"] == first
    assert [f"kickstart {DOMAIN}/io.mayfly.daemon"] == calls(home)


def test_a_changed_agent_is_loaded_again(home: Path, values: Values) -> None:
    """With another address, the old agent is unloaded before the new one is loaded."""
    with_launchd.install(values, now=True, dry_run=False)
    calls(home)
    moved = Values(python=values.python, listen=("127.0.0.1", 9171), home=values.home)
    with_launchd.install(moved, now=True, dry_run=False)

    assert ["bootout", "bootstrap", "kickstart"] == [line.split()[0] for line in calls(home)]


def test_an_edited_agent_is_kept(home: Path, values: Values, capsys: pytest.CaptureFixture[str]) -> None:
    """A property list that was edited by hand is not replaced, which is said."""
    with_launchd.install(values, now=False, dry_run=False)
    launchd.agent().write_text(launchd.agent().read_text().replace("<integer>10<", "<integer>99<"))
    with_launchd.install(values, now=False, dry_run=False)

    assert "<integer>99<" in launchd.agent().read_text()
    said = capsys.readouterr().err
    assert "it has been edited by hand" in said
    assert "nothing is to be changed" not in said
    assert [] == calls(home)


def test_a_dry_run_only_shows(home: Path, values: Values, capsys: pytest.CaptureFixture[str]) -> None:
    """The property list is printed, and nothing is done."""
    with_launchd.install(values, now=True, dry_run=True)

    assert "<key>Sockets</key>" in capsys.readouterr().out
    assert not (home / "Library").exists()
    assert [] == calls(home)


def test_uninstall_leaves_nothing(home: Path, values: Values) -> None:
    """The agent is unloaded and its property list removed; a second time there is no service."""
    with_launchd.install(values, now=True, dry_run=False)
    calls(home)

    assert [] == with_launchd.uninstall()
    assert not launchd.agent().exists()
    assert [f"bootout {DOMAIN}/io.mayfly.daemon"] == calls(home)
    assert None is with_launchd.uninstall()


def test_uninstall_takes_the_log_the_tokens_and_their_folder(
    home: Path, values: Values, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that the service has made goes with it; the rest of ~/Library stays."""
    with_launchd.install(values, now=True, dry_run=False)
    kept = {path for path in home.rglob("*") if path != launchd.agent()} - {home / "calls", home / "loaded"}
    kept -= {home / "mayfly/run", home / "mayfly", launchd.log_file().parent}
    launchd.log_file().write_text("made.up\n")
    for profile in ("nsrc", "admin"):
        tokens.ensure_token(profile)
    for name in ("op.lock", "control.sock"):
        (paths.runtime_dir() / name).write_text("")

    with_launchd.uninstall()

    assert kept == set(home.rglob("*")) - {home / "calls"}
    assert f"removed {paths.runtime_dir()}" in capsys.readouterr().err


def test_uninstall_keeps_what_is_not_ours(home: Path, values: Values, capsys: pytest.CaptureFixture[str]) -> None:
    """MAYFLY_RUNTIME_DIR and the log's folder may hold other files: these stay, and a link is not followed."""
    with_launchd.install(values, now=True, dry_run=False)
    elsewhere = home / "elsewhere"
    elsewhere.mkdir()
    for folder in (paths.runtime_dir(), launchd.log_file().parent, elsewhere):
        (folder / "precious").write_text("")
    (paths.runtime_dir() / "tokens").symlink_to(elsewhere)

    with_launchd.uninstall()

    left = [folder / "precious" for folder in (paths.runtime_dir(), launchd.log_file().parent, elsewhere)]
    assert [True] * 3 == [path.exists() for path in left]
    assert f"{paths.runtime_dir()} is kept: it has files that are not ours" in capsys.readouterr().err


def test_an_agent_that_is_not_ours_is_kept(home: Path) -> None:
    """A property list without our stamp is not removed."""
    launchd.agent().parent.mkdir(parents=True)
    launchd.agent().write_text("<plist/>")

    assert [launchd.agent()] == with_launchd.uninstall()
    assert launchd.agent().exists()


def test_the_whole_command_on_a_mac(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`install` takes macOS's options, shows what it would set, and does not warn of MAYFLY_RUNTIME_DIR."""
    monkeypatch.setattr(sys, "platform", "darwin")
    config = home / "mayfly.toml"
    config.write_text(SEED_TOML)

    codes = [
        main(["install", "--config", str(config), *words])
        for words in (
            ["--environment-d", "nsrc"],
            ["--dry-run", "--launchctl-setenv", "nsrc"],
        )
    ]
    out, err = capsys.readouterr()
    codes.append(main(["install", "--config", str(config)]))

    assert [2, 0, 0] == codes
    assert "--environment-d is systemd's" in err
    assert "launchctl setenv MAYFLY_PROFILE 'nsrc'" in out
    assert "MAYFLY_RUNTIME_DIR is set in this shell" not in capsys.readouterr().err
    assert [] == calls(home)


def test_what_launchctl_refuses_is_told(home: Path, values: Values) -> None:
    """launchctl's own words reach the user."""
    (home / "bin/launchctl").write_text("#!/bin/sh\necho 'Bootstrap failed: 5: Input/output error' >&2\nexit 5\n")

    with pytest.raises(speech.Stop, match="Bootstrap failed") as stop:
        with_launchd.install(values, now=True, dry_run=False)
    assert (f"plutil -lint {shlex.quote(str(launchd.agent()))}",) == stop.value.hints
    assert "Bootstrap failed: 5: Input/output error" == launchd.setenv("X", "1")
    assert "Bootstrap failed: 5: Input/output error" == launchd.setenv("X", None)
