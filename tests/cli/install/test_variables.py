"""`install` tells of the variables of this shell that the service would need for its calls of AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mayfly.cli.install import with_launchd, with_systemd
from mayfly.config.network import CA_VARIABLES
from mayfly.service import launchd, systemd


PROXIES = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
NAMES = (*PROXIES, "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "AWS_ENDPOINT_URL_STS")
HINTS: dict[Any, str] = {
    with_systemd: "until log-out: systemctl --user import-environment {}\n",
    with_launchd: 'until log-out: launchctl setenv {0} "${0}"; launchctl kickstart -k gui/',
}


@pytest.mark.parametrize("installer", HINTS, ids=["systemd", "launchd"])
@pytest.mark.parametrize("name", NAMES)
def test_what_the_service_lacks_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], installer: Any, name: str
) -> None:
    """Each one by its name, with the command; one that the service has with the same value is not told."""
    has: dict[str, str] = {}
    monkeypatch.setattr(systemd, "environment", lambda: has)
    monkeypatch.setattr(launchd, "getenv", lambda name: has.get(name, ""))
    for other in NAMES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "/here")
    said = []
    for value in ("", "/there", "/here"):
        has[name] = value
        installer._compare_environments()
        said.append(capsys.readouterr().err)

    assert f"does not have this shell's {name}\n" in said[0]
    assert HINTS[installer].format(name) in said[0]
    assert (said[0], "") == (said[1], said[2])


def test_every_bundle_that_counts_is_passed_on() -> None:
    """The variables for certificates are those that the rule for them reads."""
    assert set(CA_VARIABLES) < set(NAMES)


def test_launchd_is_asked_for_its_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`launchctl getenv` prints a value, or nothing; where it cannot be run there are none."""
    program = tmp_path / "launchctl"
    program.write_text("#!/bin/sh\ntest $1-$2 != getenv-NO_PROXY || echo ' a b'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = launchd.getenv("NO_PROXY"), launchd.getenv("HTTPS_PROXY")
    program.unlink()

    assert (" a b", "", "") == (*found, launchd.getenv("NO_PROXY"))
