"""New bytes of TCP streams, against a model that remembers each byte by itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.detect.flows.flow_table import TcpStreams

SECOND = 1_000_000_000
EPOCH = 2 * SECOND
WRAP = 1 << 32


@dataclass
class Receiver:
    """Remembers when each byte number was first on the wire, and gives it up after the next epoch."""

    seen: dict[int, int] = field(default_factory=dict)
    end: int | None = None
    joined: bool = False

    def take(self, first: int, size: int, time_ns: int) -> int:
        epoch = time_ns // EPOCH
        self.seen = {byte: when for byte, when in self.seen.items() if when >= epoch - 1}
        if self.joined and size == 1 and self.end is not None and (first + 1) % WRAP == self.end:
            return 0  # a keep-alive
        self.joined |= first == self.end
        numbers = [(first + offset) % WRAP for offset in range(size)]
        new = [byte for byte in numbers if byte not in self.seen]
        self.seen.update(dict.fromkeys(new, epoch))
        if new:
            self.end = (new[-1] + 1) % WRAP
            while self.seen.get(self.end) == epoch:  # what was filled joins what follows
                self.end = (self.end + 1) % WRAP
        elif self.end is None:
            self.end = (first + size) % WRAP
        return len(new) if self.joined else size


def count(segments: list[tuple[int, int, int]], cuts: list[int]) -> tuple[list[int], TcpStreams]:
    """New bytes of segments (first, size, time) of one stream, handed over in parts."""
    streams = TcpStreams(4)
    found: list[int] = []
    edges = sorted({0, len(segments), *(cut % (len(segments) + 1) for cut in cuts)})
    for low, high in itertools.pairwise(edges):
        first, size, time_ns = (np.array(column, dtype=np.int64) for column in zip(*segments[low:high], strict=True))
        new = streams.fresh(np.array([2]), np.array([0]), np.array([False]), first.astype(np.uint32), size, time_ns)
        found += new.tolist()
    return found, streams


steps = st.tuples(
    st.sampled_from(["next", "next", "next", "again", "ahead", "fill", "alive"]),
    st.integers(1, 40),
    st.integers(0, 90),
    st.sampled_from([0, 0, 1, 50, 700, 2_500]),
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, WRAP - 1), st.lists(steps, min_size=1, max_size=24), st.lists(st.integers(0, 24), max_size=6))
def test_every_byte_counts_once_however_segments_come(
    start: int, plan: list[tuple[str, int, int, int]], cuts: list[int]
) -> None:
    end, now, segments = start, 10 * SECOND, []
    for kind, size, distance, pause_ms in plan:
        now += pause_ms * 1_000_000
        first = {"next": end, "again": end - distance, "ahead": end + distance, "fill": end - 2 * distance}.get(
            kind, end - 1
        )
        size = 1 if kind == "alive" else size
        segments.append((first % WRAP, size, now))
        if (first + size - end) > 0:
            end = first + size
    receiver = Receiver()
    expected = [receiver.take(*segment) for segment in segments]
    assert count(segments, cuts)[0] == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-300_000, 3_500_000), st.integers(1, 20), st.integers(0, 400)), max_size=120),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_a_forger_hides_no_more_than_he_sends(forged: list[tuple[int, int, int]], cuts: list[int]) -> None:
    """400 chunks of speech, and among them any segments at all: what is missing in the end is what was forged."""
    speech = [(1_000 + 437 * index, 437, 50_000_000 * index) for index in range(400)]
    lies = [((1_000 + 437 * at + distance) % WRAP, size, 50_000_000 * at) for distance, size, at in forged]
    segments = sorted([*speech, *lies], key=lambda segment: segment[2])
    found, _ = count(segments, cuts)
    assert sum(found) >= 400 * 437


def test_more_ranges_than_are_remembered_count_again_and_are_noted() -> None:
    opening = [(0, 100, 0), (100, 100, 0)]
    scattered = [(1_000 + 10 * index, 1, 0) for index in range(60)]
    found, streams = count([*opening, *scattered, (200, 2_000, 0)], [])
    assert sum(found) >= 2_200
    assert streams.suspicious >= 20


def test_a_late_repetition_counts() -> None:
    segments = [(0, 100, 0), (100, 50_000, 0), (100, 1_000, SECOND), (100, 1_000, 9 * SECOND)]
    assert count(segments, [])[0] == [100, 50_000, 0, 1_000]


def test_a_jump_is_noted() -> None:
    found, streams = count([(0, 100, 0), (100, 100, 0), (100_000, 1, 0), (200, 100, 0)], [])
    assert found == [100, 100, 1, 100]
    assert streams.suspicious == 1
