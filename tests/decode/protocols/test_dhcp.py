"""DHCP: what scapy writes is read; and what is damaged gives what is whole."""

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DUID_LL,
    VENDOR_CLASS_DATA,
    DHCP6_Solicit,
    DHCP6OptClientFQDN,
    DHCP6OptClientId,
    DHCP6OptOptReq,
    DHCP6OptVendorClass,
)

from sniffer.decode.protocols import dhcp
from sniffer.model import address_pair, mac_key

MAC = "68:db:f5:90:19:64"


def message(*options: tuple[str, object], op: int = 1, given: str = "0.0.0.0", own: str = "0.0.0.0") -> bytes:
    body = BOOTP(op=op, chaddr=bytes.fromhex(MAC.replace(":", "")), yiaddr=given, ciaddr=own) / DHCP(
        options=[*options, "end"]
    )
    return bytes(body)


def test_what_a_client_says() -> None:
    found = dhcp.parse(
        message(
            ("message-type", "request"),
            ("hostname", b"kitchen"),
            ("vendor_class_id", b"dhcpcd-5.5.6"),
            ("param_req_list", [1, 33, 3, 6]),
            ("client_id", b"\x01" + bytes.fromhex(MAC.replace(":", ""))),
            own="192.168.1.23",
        )
    )
    assert found is not None
    assert found.client == mac_key(MAC)
    assert found.facts == (
        ("dhcp.hostname", "kitchen"),
        ("dhcp.vendor_class", "dhcpcd-5.5.6"),
        ("dhcp.parameters", "1,33,3,6"),
    ), "a client id that is the MAC says nothing new"
    assert found.address == address_pair("192.168.1.23")


def test_an_address_belongs_to_a_client_once_the_server_says_so() -> None:
    for kind, expected in (("offer", None), ("ack", address_pair("192.168.1.23"))):
        found = dhcp.parse(message(("message-type", kind), op=2, given="192.168.1.23"))
        assert found is not None and found.address == expected and not found.from_client and found.facts == ()


def test_a_client_id_that_is_no_mac() -> None:
    found = dhcp.parse(message(("message-type", "discover"), ("client_id", b"\xff1234")))
    assert found is not None and found.facts == (("dhcp.client_id", "ff31323334"),)


def test_version_six() -> None:
    body = (
        DHCP6_Solicit()
        / DHCP6OptClientId(duid=DUID_LL(lladdr=MAC))
        / DHCP6OptOptReq(reqopts=[23, 24])
        / DHCP6OptVendorClass(vcdata=[VENDOR_CLASS_DATA(data=b"dhcpcd")])
        / DHCP6OptClientFQDN(fqdn="kitchen.example")
    )
    facts = dict(dhcp.parse_v6(bytes(body)))
    assert facts["dhcp.parameters6"] == "23,24"
    assert facts["dhcp.hostname"].startswith("kitchen")
    assert facts["dhcp.client_id"].endswith(MAC.replace(":", ""))
    assert facts["dhcp.vendor_class"] == "dhcpcd"


@given(st.binary(max_size=300))
def test_anything_may_come(data: bytes) -> None:
    dhcp.parse(data)
    dhcp.parse(message()[:240] + data)
    dhcp.parse_v6(data)
    dhcp.parse_v6(b"\x01\x00\x00\x00" + data)
