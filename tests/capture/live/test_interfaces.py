"""The LAN side, chosen for machines as people have them, and read from a real namespace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sniffer.capture.live.interfaces import Interface, choose, find_lan, resolve
from sniffer.errors import CaptureError
from tests.capture.net import add_pair, ip, namespace, why_not

LO = Interface("lo", ethernet=False)
WAN = Interface("eth0", hosts=1, default_route=True)
BRIDGE = Interface("br-lan", bridge=True, private_address=True, hosts=7)
PORT = Interface("eth1", member_of="br-lan")
DOCKER = Interface("docker0", real=False, bridge=True, private_address=True, hosts=9)
TUNNEL = Interface("wg0", ethernet=False, real=False, private_address=True)
LAPTOP = Interface("wlan0", private_address=True, hosts=2, default_route=True)

HOUSES = {
    "a router with a bridge": ([LO, WAN, PORT, BRIDGE], True, "br-lan"),
    "a router that runs containers": ([LO, WAN, PORT, BRIDGE, DOCKER], True, "br-lan"),
    "a router without a bridge": (
        [LO, WAN, replace(BRIDGE, name="eth1", bridge=False), Interface("eth2")],
        True,
        "eth1",
    ),
    "a router with a guest network": ([LO, replace(BRIDGE, name="br-guest", hosts=2), BRIDGE, WAN], True, "br-lan"),
    "a router whose hosts are silent yet": ([LO, WAN, PORT, replace(BRIDGE, hosts=0)], True, "br-lan"),
    "a router that is itself a container": (
        [LO, replace(WAN, real=False), replace(BRIDGE, real=False)],
        True,
        "br-lan",
    ),
    "a container with bridges inside, whose uplink is a virtual cable": ([LO, WAN, DOCKER], True, "eth0"),
    "a router over PPP": ([LO, Interface("ppp0", ethernet=False, default_route=True), WAN, BRIDGE], True, "br-lan"),
    "a laptop": ([LO, LAPTOP, TUNNEL], False, "wlan0"),
    "a laptop with containers, which forwards": ([LO, LAPTOP, DOCKER], True, "wlan0"),
    "a host with a VPN": (
        [LO, replace(TUNNEL, default_route=True), replace(LAPTOP, default_route=False)],
        True,
        "wlan0",
    ),
    "a host at a mirror port": ([LO, Interface("eth0"), Interface("eth1", up=False)], False, "eth0"),
    "a server with its bridge": ([LO, replace(PORT, member_of="vmbr0"), replace(LAPTOP, name="vmbr0")], False, "vmbr0"),
}


@pytest.mark.parametrize(("interfaces", "forwards", "wanted"), HOUSES.values(), ids=HOUSES)
def test_the_lan_side_of(interfaces: list[Interface], forwards: bool, wanted: str) -> None:
    assert choose(interfaces, forwards=forwards).name == wanted
    assert choose(interfaces[::-1], forwards=forwards).name == wanted


def test_the_reason_and_the_other_networks_are_told() -> None:
    choice = choose([WAN, BRIDGE, replace(BRIDGE, name="br-iot", hosts=3)], forwards=True)
    assert choice.reason == "this host forwards, and that bridge has 7 hosts in sight"
    assert choice.others == ("br-iot",)


def test_where_there_is_none_the_message_says_what_there_is() -> None:
    with pytest.raises(CaptureError, match=r"there are: lo \(not Ethernet\), eth0 \(down\), eth1 \(part of br-lan\)"):
        choose([LO, replace(WAN, up=False), PORT], forwards=True)


def test_what_a_person_named_is_taken() -> None:
    assert resolve("eth9") == (("eth9",), None)
    assert resolve(("a", "b")) == (("a", "b"), None)


REASON = why_not()


@pytest.mark.root
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_it_is_read_from_the_kernel() -> None:
    with namespace(pair=("wan0", "isp0")):
        ip("link", "add", "br-lan", "type", "bridge")
        add_pair("port1", "host1")
        ip("link", "set", "port1", "master", "br-lan")
        ip("link", "set", "br-lan", "up")
        ip("address", "add", "192.168.7.1/24", "dev", "br-lan")
        ip("address", "add", "203.0.113.2/24", "dev", "wan0")
        ip("route", "add", "default", "via", "203.0.113.1", "dev", "wan0")
        for host in (2, 3, 4):
            ip("neigh", "add", f"192.168.7.{host}", "lladdr", f"02:00:00:00:00:0{host}", "dev", "br-lan")
        ip("neigh", "add", "203.0.113.1", "lladdr", "02:00:00:00:00:ff", "dev", "wan0")
        forwarding = Path("/proc/sys/net/ipv4/ip_forward")
        forwarding.write_text("0")
        assert find_lan().name == "wan0"
        forwarding.write_text("1")
        choice = find_lan()
        assert (choice.name, choice.reason) == (
            "br-lan",
            "this host forwards, and that bridge has 3 hosts in sight",
        )
        assert resolve("auto") == (("br-lan",), choice.reason)
        assert resolve(("auto", "wan0")) == (("br-lan", "wan0"), choice.reason)
        assert resolve(("br-lan", "auto")) == (("br-lan",), choice.reason)


@pytest.mark.root
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_in_a_container_with_containers_inside_the_uplink_is_captured() -> None:
    with namespace(pair=("eth0", "host0")):
        ip("link", "add", "docker0", "type", "bridge")
        add_pair("veth1a2b3c", "inner0")
        ip("link", "set", "veth1a2b3c", "master", "docker0")
        ip("link", "set", "docker0", "up")
        ip("address", "add", "172.17.0.1/16", "dev", "docker0")
        for host in (2, 3, 4):
            ip("neigh", "add", f"172.17.0.{host}", "lladdr", f"02:00:00:00:01:0{host}", "dev", "docker0")
        ip("address", "add", "192.168.7.5/24", "dev", "eth0")
        ip("route", "add", "default", "via", "192.168.7.1", "dev", "eth0")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        assert find_lan().name == "eth0"
