"""A voice that is dealt out so that no part looks like speech."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sniffer.testing import House
from tests.hostile.attacks.story import LENGTH, MAC, SENTENCES, SERVER, Attack, Check, Story, each_sentence, introduce


def _dealt(deal: Callable[[House, Any, float], None], length: float = 8.0) -> Callable[[int], Story]:
    """The first sentence is said as usual, the two others are dealt out."""

    def begin(start_ns: int) -> Story:
        house = House(seed=11, start_ns=start_ns)
        speaker = house.host("kitchen", mac=MAC)
        introduce(speaker)
        speaker.says(LENGTH, answer=300).to(SERVER, at=SENTENCES[0])
        for at in SENTENCES[1:]:
            deal(house, speaker, at)
        return Story(house, ((SENTENCES[0], SENTENCES[0] + LENGTH), *((at, at + length) for at in SENTENCES[1:])))

    return begin


def _pieces(seconds: float, rate: float = 20.0, size: int = 437) -> list[tuple[float, bool, int]]:
    return [(index / rate, True, size) for index in range(round(seconds * rate))]


def over_connections(count: int, port: Callable[[int], int]) -> Callable[[House, Any, float], None]:
    """Each piece goes over the next connection."""

    def deal(house: House, speaker: Any, at: float) -> None:
        for number in range(count):
            mine = [(when, up, size) for index, (when, up, size) in enumerate(_pieces(8)) if index % count == number]
            speaker.writes([*mine, (8.2, False, 300)]).to(SERVER, at=at, port=port(number))

    return deal


def one_after_another(house: House, speaker: Any, at: float) -> None:
    """Half a second on each of 16 connections."""
    for number in range(16):
        speaker.writes([*_pieces(0.5), (0.6, False, 200)]).to(SERVER, at=at + number * 0.5, port=8_000 + number)


def in_bursts(house: House, speaker: Any, at: float) -> None:
    """What was recorded goes in three bursts with pauses between."""
    for number in range(3):
        speaker.flushes(24_000, 0.4).to(SERVER, at=at + number * 3.0)


def by_two_protocols(house: House, speaker: Any, at: float) -> None:
    """By turns over TCP and QUIC, a second each."""
    for number in range(8):
        transport = "quic" if number % 2 else "tcp"
        speaker.writes([*_pieces(1.0), (1.02, False, 200)], transport=transport).to(SERVER, at=at + number)


def by_two_versions(house: House, speaker: Any, at: float) -> None:
    """By turns over IPv4 and IPv6, a second each."""
    for number in range(8):
        speaker.writes([*_pieces(1.0), (1.02, False, 200)]).to(SERVER, at=at + number, ipv6=bool(number % 2))


def with_pauses(house: House, speaker: Any, at: float) -> None:
    """Words of 0.7 s with pauses of 1.2 s, on one connection."""
    for number in range(5):
        speaker.writes([*_pieces(0.7, size=900), (0.9, False, 200)]).to(SERVER, at=at + number * 1.9)


def attacks() -> list[Attack]:
    """All of this kind."""
    said: Check = each_sentence("unexpected", "inconclusive")
    ways: dict[str, Callable[[House, Any, float], None]] = {
        "8-connections": over_connections(8, lambda number: 7_000 + number),
        "16-connections": over_connections(16, lambda number: 7_000 + number),
        "16-in-turn": one_after_another,
        "bursts": in_bursts,
        "two-protocols": by_two_protocols,
        "two-versions": by_two_versions,
        "pauses": with_pauses,
    }
    return [
        Attack(f"split-{name}", "split", lambda story: story.frames, said, story=_dealt(deal))
        for name, deal in ways.items()
    ]
