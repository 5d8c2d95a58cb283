"""What is no address is a mistake in the configuration, and not a source that fails when it is asked."""

from __future__ import annotations

import pytest

from sniffer.wake.satellite_address import parse_address
from sniffer.wake.settings import HomeAssistantSource


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("192.168.1.50", ("192.168.1.50", 10700, True)),
        ("192.168.1.51:6053", ("192.168.1.51", 6053, False)),
        ("192.168.1.50:10700", ("192.168.1.50", 10700, True)),
        ("tcp://kitchen.lan:1234", ("kitchen.lan", 1234, True)),
        ("fe80::1", ("fe80::1", 10700, True)),
        ("[fe80::1]", ("fe80::1", 10700, True)),
        ("[fe80::1]:6053", ("fe80::1", 6053, False)),
    ],
)
def test_an_address(address: str, parsed: tuple[str, int, bool]) -> None:
    assert parse_address(address) == parsed


@pytest.mark.parametrize("address", ["", " ", "tcp://", ":6053", "a:b", "a:0", "a:65536", "a:-1", "a:\u00b2", "a:1 2"])
def test_what_is_no_address_is_refused_with_the_configuration(address: str) -> None:
    values = {"type": "home_assistant", "name": "ha", "url": "http://ha:8123", "token": {"env": "TOKEN"}}
    satellite = {"satellites": {"assist_satellite.a": ""}, "probes": {"assist_satellite.a": address}}
    with pytest.raises(ValueError, match="is no address"):
        HomeAssistantSource.model_validate(values | satellite)
