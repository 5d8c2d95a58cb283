"""How much everybody sends: added up by hand, compiled and not, and however packets are cut into batches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer import native
from sniffer.identify import traffic_volume as traffic
from sniffer.identify.traffic_volume import Amount, Traffic
from sniffer.model import PacketBatch
from tests.detect.traffic import BASE, DEVICE, ROUTER, SECOND, Wire


def counted(batch: PacketBatch, cuts: list[int]) -> tuple[dict[int, Amount], list[bool]]:
    meter = Traffic()
    fresh: list[bool] = []
    for first, last in itertools.pairwise(sorted({0, len(batch), *(min(cut, len(batch)) for cut in cuts)})):
        fresh += meter.add(batch.take(slice(first, last))).tolist()
    return meter.hosts(), fresh


def mixed(seed: int) -> PacketBatch:
    random = np.random.default_rng(seed)
    wire = Wire()
    for at in np.sort(random.random(300) * 60).tolist():
        port, peer = 40_000 + int(random.integers(20)), f"52.94.233.{random.integers(3)}"
        size, down, udp = int(random.integers(1460)), bool(random.random() < 0.5), bool(random.random() < 0.3)
        wire.send(at, size, port=port, down=down, udp=udp, peer=peer)
    for row in wire.rows:
        if random.random() < 0.1:
            row["eth_dst"] = (1 << 40) + int(random.integers(3))  # a group
        if random.random() < 0.1:
            row["eth_src"] = int(random.integers(5))
    return wire.batch()


def test_packets_bytes_and_connections_of_each_host() -> None:
    wire = Wire()
    wire.send(1, 100)
    wire.send(2, 1_000, down=True)
    wire.send(3, 50, port=41_000, udp=True)
    hosts, fresh = counted(wire.batch(), [])
    assert hosts[DEVICE] == Amount(2, 100 + 50 + 2 * 54, 1, 1_054, 2, BASE + SECOND, BASE + 3 * SECOND)
    assert hosts[ROUTER] == Amount(1, 1_054, 2, 100 + 50 + 2 * 54, 2, BASE + SECOND, BASE + 3 * SECOND)
    assert fresh == [True, True, True]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 300), max_size=20), st.sampled_from([4, 16, 1 << 15]))
def test_nothing_depends_on_batches_or_on_the_compiled_piece(seed: int, cuts: list[int], most: int) -> None:
    batch = mixed(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(traffic, "MOST", most)
        expected = counted(batch, [])
        assert counted(batch, cuts) == expected
        patch.setattr(native, "DETECT", None)
        assert counted(batch, cuts) == expected
    assert sum(amount.packets_sent for amount in expected[0].values()) == int((batch.eth_src != 0).sum())


def test_invented_hosts_are_no_more_than_can_be_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "MOST_HOSTS", 50)
    wire = Wire()
    for number in range(200):
        wire.send(number, 10)
        wire.rows[-1]["eth_src"] = 1_000 + number
    hosts, _ = counted(wire.batch(), [])
    assert len(hosts) == 50
