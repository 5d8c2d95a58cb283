"""Frames in numbers, so that the monitor loses what matters. Each sentence must be noticed all the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from sniffer.testing.pcap import Frame
from tests.hostile.attacks.story import CONFIGURED, RECOGNISED, Attack, Story, beside, each_sentence
from tests.hostile.floods import FLOODS


def _flood(name: str, rate: float, seconds: float = 18.0, begin: float = 15.0) -> Callable[[Story], Iterator[Frame]]:
    def forge(story: Story) -> Iterator[Frame]:
        frames = FLOODS[name](random.Random(4))
        for number in range(round(seconds * rate)):
            data = next(frames)
            yield Frame(story.at(begin + number / rate), data, len(data))

    return forge


def attacks() -> list[Attack]:
    """All of this kind: the speaker configured, and only recognised."""
    noticed = each_sentence("unexpected", "inconclusive")
    rates = {"invented-macs": 600, "fake-speakers": 300, "costly-mdns": 200, "noise": 400}
    return [
        Attack(f"drown-{name}{suffix}", "drown", beside(_flood(name, rate)), noticed, config)
        for name, rate in rates.items()
        for suffix, config in (("", CONFIGURED), ("-unconfigured", RECOGNISED))
    ]
