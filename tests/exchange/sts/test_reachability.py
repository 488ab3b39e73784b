"""Whether STS can be reached, before a person is prompted."""

from __future__ import annotations

import socket

import pytest

from mayfly.exchange.sts.location import StsLocation, locations_in_other_partitions, sts_location
from mayfly.exchange.sts.reachability import check_reachable
from mayfly.shared.errors import AwsUnreachable
from mayfly.shared.partitions import partitions, sts_host
from support.configs import keys as key_table
from support.configs import loaded


FIRST, SECOND = "sts.eu-central-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"


class Network:
    """The hosts that accept connections, and the hosts that were tried."""

    def __init__(self, *answering: str) -> None:
        self.answering = answering
        self.asked: list[tuple[str, int]] = []

    def connect(self, address: tuple[str, int], _timeout: float) -> socket.socket:
        self.asked.append(address)
        if address[0] not in self.answering:
            raise OSError
        return socket.socket()


@pytest.mark.parametrize(
    ("place", "answering", "asked"),
    [
        (StsLocation(region="eu-central-1"), [FIRST], [(FIRST, 443)]),
        (StsLocation(region="eu-central-1", fallback_regions=("eu-west-1",)), [FIRST, SECOND], [(FIRST, 443)]),
        (StsLocation(region="eu-central-1", fallback_regions=("eu-west-1",)), [SECOND], [(FIRST, 443), (SECOND, 443)]),
        (StsLocation(region="eu-central-1", endpoint_url="http://localhost:99"), ["localhost"], [("localhost", 99)]),
        (StsLocation(region="eu-central-1", endpoint_url="https://sts"), ["sts"], [("sts", 443)]),
        (StsLocation(region="eu-central-1", endpoint_url="http://localhost"), ["localhost"], [("localhost", 80)]),
    ],
)
def test_one_region_that_answers_is_enough_to_ask_somebody(
    monkeypatch: pytest.MonkeyPatch, place: StsLocation, answering: list[str], asked: list[tuple[str, int]]
) -> None:
    """Before a person is prompted, the regions are tried in their order until one accepts a connection."""
    network = Network(*answering)
    monkeypatch.setattr(socket, "create_connection", network.connect)
    check_reachable(place, {})

    assert asked == network.asked


def test_where_none_answers_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An AwsUnreachable names every region. Behind a proxy nothing is tried, because only the proxy knows."""
    network = Network()
    monkeypatch.setattr(socket, "create_connection", network.connect)
    place = StsLocation(region="eu-central-1", fallback_regions=("eu-west-1",))
    with pytest.raises(AwsUnreachable, match="sts in eu-central-1 or eu-west-1"):
        check_reachable(place, {})
    check_reachable(place, {"https_proxy": "http://127.0.0.1:1"})

    assert [(FIRST, 443), (SECOND, 443)] == network.asked


@pytest.mark.parametrize("answering", ["sts.cn-northwest-1.amazonaws.com.cn", "sts.us-gov-west-1.amazonaws.com"])
def test_where_only_the_item_knows_the_partition_any_of_them_will_do(
    monkeypatch: pytest.MonkeyPatch, answering: str
) -> None:
    """A network inside a partition may not reach us-east-1; the item is read if any partition's STS is reached."""
    network = Network(answering)
    monkeypatch.setattr(socket, "create_connection", network.connect)
    found = loaded({"profiles": {"p": key_table()}})
    check_reachable(sts_location(found, "p", {}), {}, locations_in_other_partitions(found, "p", {}))

    assert ("sts.us-east-1.amazonaws.com", 443) == network.asked[0]
    assert (answering, 443) in network.asked


def test_where_no_partition_answers_the_item_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the network down each partition is tried once, and the error names the default location."""
    network = Network()
    monkeypatch.setattr(socket, "create_connection", network.connect)
    found = loaded({"profiles": {"p": key_table()}})
    with pytest.raises(AwsUnreachable, match="sts in us-east-1"):
        check_reachable(sts_location(found, "p", {}), {}, locations_in_other_partitions(found, "p", {}))

    assert {(sts_host(partition.first_region), 443) for partition in partitions()} == set(network.asked)
    assert len(partitions()) == len(network.asked)


LOOPBACK = [
    "http://127.0.0.1:99",
    "http://localhost:99",
    "http://LOCALHOST:99",
    "http://[::1]:99",
    "https://127.0.0.1:99",
    "https://localhost:99",
    "https://localhost.:99",
    "https://sts.localhost:99",
    "https://[::1]:99",
    "https://[0:0:0:0:0:0:0:1]:99",
    "https://[::ffff:127.0.0.1]:99",
    "https://127.0.0.2:99",
    "https://127.255.255.254:99",
    "https://127.1:99",
    "https://0x7f000001:99",
    "https://2130706433:99",
    "https://0.0.0.0:99",
    "https://[::]:99",
]
PROXIES = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]


@pytest.mark.parametrize("url", LOOPBACK)
@pytest.mark.parametrize("variable", PROXIES)
def test_loopback_is_tried_though_there_is_a_proxy(monkeypatch: pytest.MonkeyPatch, url: str, variable: str) -> None:
    """Loopback never uses a proxy, so it is checked although one is configured."""
    network = Network()
    monkeypatch.setattr(socket, "create_connection", network.connect)
    with pytest.raises(AwsUnreachable):
        check_reachable(StsLocation(region="eu-central-1", endpoint_url=url), {variable: "http://127.0.0.1:1"})

    assert [99] == [port for _, port in network.asked]


@pytest.mark.parametrize("host", ["sts.example.com", "127.0.0.1.example.com", "128.0.0.1", "localhost.example.com"])
def test_beyond_loopback_the_proxy_decides(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """A name that only looks like loopback is left to the proxy."""
    network = Network()
    monkeypatch.setattr(socket, "create_connection", network.connect)
    location = StsLocation(region="eu-central-1", endpoint_url=f"https://{host}")
    check_reachable(location, {"https_proxy": "http://127.0.0.1:1"})

    assert [] == network.asked


@pytest.mark.parametrize(
    "environ",
    [
        {"ALL_PROXY": "http://127.0.0.1:1"},
        {"all_proxy": "socks5://127.0.0.1:1"},
        {"HTTP_PROXY": "http://127.0.0.1:1"},
        {"HTTPS_PROXY": ""},
        {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": ".amazonaws.com"},
    ],
)
def test_a_proxy_that_no_call_goes_through_does_not_hide_a_network_that_is_down(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    """Only HTTPS_PROXY stands between this machine and STS, and not for the hosts in NO_PROXY."""
    network = Network()
    monkeypatch.setattr(socket, "create_connection", network.connect)
    with pytest.raises(AwsUnreachable):
        check_reachable(StsLocation(region="eu-central-1"), environ)

    assert [(FIRST, 443)] == network.asked
