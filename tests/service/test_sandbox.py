"""The probe of the seal."""

from __future__ import annotations

import re

from collections.abc import Sequence

import pytest

from mayfly.service import sandbox, units
from mayfly.service.units import Values


def test_every_directive_of_the_seal_is_probed_and_can_be_taken_back() -> None:
    """The probe knows every sealing directive of the unit, except those that every machine supports."""
    values = Values(python="/opt/mayfly/bin/python", listen=("127.0.0.1", 9170), home="/home/carmas")
    unit = units.systemd(values)["mayfly.service"]
    sealing = unit[unit.index("PrivateNetwork=") :]
    found = set(re.findall(r"^(\w+)=", sealing, re.MULTILINE))
    needs_nothing = {"DevicePolicy", "RemoveIPC", "AmbientCapabilities"}

    assert found - needs_nothing == {name for name, _ in sandbox.directives(unit)}


@pytest.mark.parametrize(
    ("unsupported", "left_out"),
    [
        (set(), set()),
        ({"InaccessiblePaths"}, {"InaccessiblePaths"}),
        ({"RestrictNamespaces"}, {"LockPersonality", "RestrictNamespaces", "RestrictRealtime"}),
        ({"ProcSubset", "InaccessiblePaths"}, {"ProtectProc", "ProcSubset", "InaccessiblePaths"}),
    ],
)
def test_no_more_of_the_seal_is_left_out_than_the_machine_lacks(
    monkeypatch: pytest.MonkeyPatch, unsupported: set[str], left_out: set[str]
) -> None:
    """One thing that the kernel cannot do takes its own group along, and no other."""
    unit = "".join(
        f"{name}=x\n"
        for name in (
            *("ProtectProc", "ProcSubset", "InaccessiblePaths", "PrivateTmp", "PrivateUsers"),
            *("LockPersonality", "RestrictNamespaces", "RestrictRealtime"),
        )
    )

    def problem(seal: Sequence[str], _command: Sequence[str]) -> str:
        return "it ends with 226" if unsupported & {text.split("=")[0] for text in seal} else ""

    monkeypatch.setattr(sandbox, "_problem", problem)
    assert left_out == set(sandbox.missing(unit, ["true"]))
