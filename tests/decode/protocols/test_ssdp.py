"""SSDP: who offers says what it is, who searches says what it looks for."""

from hypothesis import given
from hypothesis import strategies as st

from sniffer.decode.protocols import ssdp
from sniffer.testing import wire


def test_an_announcement_and_a_goodbye() -> None:
    data = wire.ssdp_notify(
        "urn:schemas-upnp-org:device:ZonePlayer:1", "Linux UPnP/1.0 Sonos/63.2 (ZPS13)", "http://x/"
    )
    assert set(ssdp.facts(data)) >= {
        ("ssdp.type", "urn:schemas-upnp-org:device:ZonePlayer:1"),
        ("ssdp.server", "Linux UPnP/1.0 Sonos/63.2 (ZPS13)"),
    }
    assert not list(ssdp.facts(data.replace(b"ssdp:alive", b"ssdp:byebye")))


def test_a_search() -> None:
    data = b'M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\nST: roku:ecp\r\nUSER-AGENT: iOS/17\r\n\r\n'
    assert set(ssdp.facts(data)) == {("ssdp.search", "roku:ecp"), ("user_agent", "iOS/17")}


@given(st.binary(max_size=300))
def test_anything_may_come(data: bytes) -> None:
    for start in (b"", b"NOTIFY * HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\n"):
        for _, value in ssdp.facts(start + data):
            assert value.isprintable()
