"""The way to AWS, through a proxy that ends TLS: what a company's network does to it."""

from __future__ import annotations

import os

from support.patient import Patient
from support.tunnel import Tunnel


PAST = {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}


async def test_a_companys_proxy_is_gone_through_and_its_certificate_is_judged(patient: Patient) -> None:
    """With its authority all is well, and the clock is known; without it the certificate is not accepted."""
    patient.sts.faults.clock_skew_seconds = 20
    async with Tunnel(patient, "sts.us-east-1.amazonaws.com").open() as tunnel:
        known = await patient.doctor(env=tunnel.env | PAST)
        unknown = await patient.doctor(env=tunnel.env | PAST | {"AWS_CA_BUNDLE": ""})

    assert {"daemon.running": "failure", "clock": "warning"} == known.unwell
    assert "20s behind AWS's" in known.message("clock")
    assert "(AWS_CA_BUNDLE)" in known.message("network.settings")
    assert {"daemon.running": "failure", "network.sts": "failure"} == unknown.unwell
    assert "the certificate of sts.us-east-1.amazonaws.com is not accepted" in unknown.message("network.sts")
    assert {"sts.us-east-1.amazonaws.com"} == set(tunnel.hosts)


async def test_a_file_of_certificates_that_never_ends_holds_nobody_up(patient: Patient) -> None:
    """A pipe in its place is named, with the command that takes the variable away."""
    pipe = patient.home / "ca.pem"
    os.mkfifo(pipe)
    found = await patient.doctor(env=PAST | {"AWS_CA_BUNDLE": str(pipe)})

    assert {"daemon.running": "failure", "network.settings": "failure"} == found.unwell
    assert f"{pipe} is a pipe" in found.message("network.settings")


async def test_a_proxy_that_cannot_be_used_is_named_before_anything_is_sent(patient: Patient) -> None:
    """SOCKS; the hint takes the variable away."""
    env = {"AWS_ENDPOINT_URL_STS": "", "HTTPS_PROXY": "socks5://127.0.0.1:1", **PAST}
    found = await patient.doctor(env=env)

    assert {"daemon.running": "failure", "network.settings": "failure"} == found.unwell
    assert "names a SOCKS proxy" in found.message("network.settings")
    assert "unset HTTPS_PROXY" == found.hint("network.settings")
    assert "clock" not in found.checks
