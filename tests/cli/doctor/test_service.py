"""`mayfly doctor` and a real `systemd --user`: the service, its units, its seal, its environment."""

from __future__ import annotations

import json

from typing import Any

from mayfly.service import files
from support.managers import UserManager
from support.world import Ended


async def doctor(manager: UserManager, **env: str) -> dict[str, dict[str, Any]]:
    """The checks of the service, the port and the daemon, by their ids."""
    # Without this machine's own SDKs, which would all be asked for their versions.
    path = {"PATH": f"{manager.world.op.parent}:/usr/bin:/bin"}
    return looked_at(await manager.mayfly("doctor", "--json", env=path | env))


def looked_at(ended: Ended) -> dict[str, dict[str, Any]]:
    assert "" == ended.err
    checks = {check["id"]: check for check in json.loads(ended.out)["checks"]}
    return {
        name: check for name, check in checks.items() if name.split(".")[0] in {"service", "daemon", "port", "desk"}
    }


def unwell(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    # What a container cannot seal, and a log drop-in of the tests, are no faults here.
    return {name: check["state"] for name, check in checks.items() if check["state"] != "ok" and name != "service.seal"}


async def follow(manager: UserManager, hint: str) -> None:
    """Paste the hint, as the user."""
    command = hint.replace("mayfly ", f"{manager.python} -I -m mayfly ")
    ended = await manager.run("sh", "-c", command)
    assert 0 == ended.code, ended.err


async def test_each_fault_of_a_service_is_mended_by_its_hint(manager: UserManager) -> None:
    """Not installed, ended, stale, edited, another environment: from the first install to the last upgrade."""
    found = await doctor(manager)
    assert {"service.installed": "warning", "daemon.running": "failure"} == unwell(found)
    assert {"mayfly install --now"} == {found[name]["hint"] for name in unwell(found)}
    await follow(manager, found["daemon.running"]["hint"])
    found = await doctor(manager)
    assert {} == unwell(found)
    assert {"service.installed", "service.running", "service.units", "service.environment", "desk.service"} <= set(
        found
    )

    await manager.systemctl("stop", "mayfly.socket", "mayfly.service")
    found = await doctor(manager)
    assert {"service.running": "failure", "daemon.running": "failure"} == unwell(found)
    await follow(manager, found["daemon.running"]["hint"])
    assert {} == unwell(await doctor(manager))

    unit = manager.units / "mayfly-desk.service"
    text = files.body_of(unit)
    unit.write_text(files.stamped(text.replace("[Service]", "[Service]\nNice=1"), version="0.1.0"))
    found = await doctor(manager)
    assert {"service.units"} <= set(unwell(found)) <= {"service.units", "daemon.notes"}
    assert "mayfly-desk.service" in found["service.units"]["message"]
    await follow(manager, found["service.units"]["hint"])
    assert {} == unwell(await doctor(manager))

    unit.write_text(f"{unit.read_text()}# mine\n")
    found = await doctor(manager)
    assert {"service.units": "warning"} == unwell(found)
    await follow(manager, found["service.units"]["hint"])
    assert {} == unwell(await doctor(manager))

    found = await doctor(manager, AWS_CA_BUNDLE="/etc/ssl/ca.pem", SSL_CERT_FILE="")
    assert {"service.environment": "warning"} == unwell(found)
    assert "AWS_CA_BUNDLE" in found["service.environment"]["message"]
    assert "systemctl --user import-environment AWS_CA_BUNDLE" == found["service.environment"]["hint"]
