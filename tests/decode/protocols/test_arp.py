"""Address to MAC: ARP and neighbour discovery, as scapy writes them."""

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6NDOptDstLLAddr
from scapy.layers.l2 import ARP

from sniffer.decode.protocols import arp
from sniffer.model import address_pair, mac_key

MAC = "68:db:f5:90:19:64"
V6 = "fe80::1"


def test_the_sender_of_an_arp_message() -> None:
    assert arp.parse_arp(bytes(ARP(hwsrc=MAC, psrc="192.168.1.23"))) == (mac_key(MAC), address_pair("192.168.1.23"))
    assert arp.parse_arp(bytes(ARP(hwsrc=MAC, psrc="0.0.0.0"))) is None, "a probe has no address yet"


def test_neighbours() -> None:
    key, other = mac_key(MAC), address_pair("fe80::2")
    assert arp.parse_neighbour(bytes(ICMPv6ND_NS(tgt="fe80::9")), key, other) == (key, other)
    assert arp.parse_neighbour(bytes(ICMPv6ND_NS(tgt=V6)), key, (0, 0)) == (key, address_pair(V6)), "about to take it"
    advertised = bytes(ICMPv6ND_NA(tgt=V6) / ICMPv6NDOptDstLLAddr(lladdr=MAC))
    assert arp.parse_neighbour(advertised, 1, other) == (key, address_pair(V6))
    assert arp.is_router(bytes(ICMPv6ND_RA(routerlifetime=1800)))
    assert not arp.is_router(bytes(ICMPv6ND_RA(routerlifetime=0))), "a speaker that is a Thread border router"


@given(st.binary(max_size=100))
def test_anything_may_come(data: bytes) -> None:
    arp.parse_arp(data)
    arp.parse_neighbour(data, 1, (0, 0))
    arp.parse_neighbour(b"\x88" + data, 1, (0, 0))
    arp.is_router(data)
