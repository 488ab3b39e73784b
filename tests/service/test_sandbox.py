"""The probe of the seal."""

from __future__ import annotations

import re

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
