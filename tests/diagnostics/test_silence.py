"""What is reported where no packets of other hosts arrive."""

from __future__ import annotations

import pytest

from sniffer.diagnostics.silence import SilenceWatch, Surroundings, cause
from sniffer.model import address_pair
from tests.diagnostics.test_visibility import OWN, PHONE, SPEAKER, batch, packet

HOME = address_pair("192.168.7.1")
BROADCAST = packet(SPEAKER, 0xFFFF_FFFF_FFFF, "192.168.7.255")
STRANGERS = packet(SPEAKER, PHONE, "192.168.7.3")
MINE = packet(OWN, SPEAKER, "192.168.7.2")


def watch() -> SilenceWatch:
    return SilenceWatch([OWN], [HOME], lambda name: (f"cause of {name}", "remedy"))


def test_after_a_minute_without_any_packet_it_is_reported_once() -> None:
    w = watch()
    assert w.check(["x"], 0.0) == []
    assert w.check(["x"], 59.0) == []
    assert w.seen() == {"x": True}
    (line,) = w.check(["x"], 60.0)
    assert line == (
        "x: no packet of another host in 60 seconds; uploads of speakers cannot be found here. "
        "Probable cause: cause of x. Remedy: remedy"
    )
    assert w.check(["x"], 400.0) == []
    assert w.seen() == {"x": False}


@pytest.mark.parametrize(
    ("one", "words"), [(MINE, "no packet of another host"), (BROADCAST, "only broadcasts of other")]
)
def test_own_packets_and_broadcasts_are_no_sight_of_others(one: object, words: str) -> None:
    w = watch()
    w.add(batch(one), 1.0)  # type: ignore[arg-type]
    (line,) = w.check(["x"], 62.0)
    assert words in line


def test_where_others_are_seen_only_a_long_silence_is_reported_and_its_end() -> None:
    w = watch()
    w.add(batch(STRANGERS), 1.0)
    assert w.check(["x"], 120.0) == []
    w.add(batch(MINE), 200.0)
    (line,) = w.check(["x"], 301.0)
    assert line.startswith("x: no packet of another host for 300 seconds.")
    w.add(batch(BROADCAST), 310.0)
    assert w.check(["x"], 311.0) == ["x: packets of other hosts arrive now"]
    assert w.check(["x"], 312.0) == []


def test_an_interface_that_is_down_is_not_reported() -> None:
    w = watch()
    w.check(["x"], 0.0)
    assert w.check([], 100.0) == []


@pytest.mark.parametrize(
    ("around", "reason", "remedy"),
    [
        (Surroundings(carrier=False, wireless=True), "no cable", "plug it in"),
        (Surroundings(hiding=("a flow table takes connections past",), forwards=True), "a flow table", "turn it off"),
        (Surroundings(busier=("br-lan", "br0"), forwards=True), "other hosts are on br-lan, br0", "-i br-lan"),
        (Surroundings(wireless=True), "Wi-Fi client", "capture.sources"),
        (Surroundings(forwards=True), "no host is connected", "br-lan"),
        (Surroundings(), "a switch", "mirror port"),
        (Surroundings(remote=True, carrier=False), "the sender captures", "LAN bridge"),
    ],
)
def test_the_cause_is_named_with_its_remedy(around: Surroundings, reason: str, remedy: str) -> None:
    found = cause(around)
    assert reason in found[0]
    assert remedy in found[1]
