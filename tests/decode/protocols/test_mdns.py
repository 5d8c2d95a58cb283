"""Multicast DNS: an answer says what its sender is, a question what it looks for."""

from hypothesis import given
from hypothesis import strategies as st

from sniffer.decode.protocols import dns, mdns
from sniffer.testing import wire


def facts(data: bytes) -> set[tuple[str, str]]:
    message = dns.parse(data)
    return set() if message is None else set(mdns.facts(message))


def test_an_answer() -> None:
    import ipaddress

    data = wire.mdns_answer(
        "_googlecast._tcp",
        "Kitchen",
        "kitchen",
        ipaddress.IPv4Address("192.168.1.9"),
        ["md=Nest Mini", "id=secret", "x=y"],
    )
    found = facts(data)
    assert ("mdns.service", "_googlecast._tcp") in found
    assert ("mdns.txt", "_googlecast._tcp:md=Nest Mini") in found
    assert ("mdns.instance", "_googlecast._tcp:Kitchen") in found
    assert ("mdns.host", "kitchen") in found
    assert not any("secret" in value or "x=y" in value for _, value in found), "ids are a home's own"


def test_a_question() -> None:
    assert facts(wire.mdns_query("_googlecast._tcp")) == {("mdns.query", "_googlecast._tcp")}


def test_service_types() -> None:
    assert mdns.service_type("living room._googlecast._tcp.local") == "_googlecast._tcp"
    assert mdns.service_type("8fb2._sub._apple-mobdev2._tcp.local") == "_apple-mobdev2._tcp"
    assert mdns.service_type("kitchen.local") is None
    assert mdns.service_type("") is None


@given(st.text(max_size=60))
def test_any_name(name: str) -> None:
    mdns.service_type(name)
