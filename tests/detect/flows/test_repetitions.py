"""Copies that two sources deliver, and pieces that a device sends twice."""

import pytest

from sniffer.detect.flows.repetitions import Repetitions
from sniffer.model.clock import SECOND

PIECES, SIZE = 160, 437


def counted(apart_ns: int, first: str, second: str) -> int:
    """The new bytes of eight seconds in which each piece is seen on one interface, and again later on another."""
    seen = []
    for number in range(PIECES):
        at = number * SECOND // 20
        seen += [(at, number * SIZE, first, SIZE), (at + apart_ns, number * SIZE, second, 0)]
    repetitions = Repetitions()
    return sum(
        repetitions.take(interface, [at], [sequence], [SIZE], [fresh])[0]
        for at, sequence, interface, fresh in sorted(seen, key=lambda row: row[0])
    )


@pytest.mark.parametrize("apart_ms", [1, 30, 150, 350])
def test_what_two_sources_saw_counts_once(apart_ms: int) -> None:
    assert counted(apart_ms * 1_000_000, "lan0", "router") == PIECES * SIZE


@pytest.mark.parametrize("apart_ms", [30, 150, 350])
def test_what_one_source_saw_twice_counts_again(apart_ms: int) -> None:
    assert counted(apart_ms * 1_000_000, "lan0", "lan0") > 1.5 * PIECES * SIZE
