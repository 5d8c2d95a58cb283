"""How packets are cut into batches changes nothing: neither what is told, nor its order, nor what is forgotten."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sniffer.detect import Detector
from sniffer.detect.scoring.weights import load_weights
from sniffer.detect.settings import DetectSettings
from sniffer.model import Listening, PacketBatch, Upload
from sniffer.resources import shipped
from tests.detect.traffic import DEVICE, ROUTER, Nobody, Wire

pytestmark = pytest.mark.slow

WEIGHTS = load_weights(shipped("rules") / "detect")
OTHER = 0x68DBF5000002
LEAST_FLOWS = 64


def detect(batch: PacketBatch, cuts: list[int], max_flows: int = 2_048) -> tuple[list[object], dict[int, object]]:
    detector = Detector(DetectSettings(max_flows=max_flows), WEIGHTS, Nobody(), {})
    events: list[object] = []
    for first, last in itertools.pairwise(sorted({0, len(batch), *(min(cut, len(batch)) for cut in cuts)})):
        part = batch.take(slice(first, last))
        events += detector.feed(part, {DEVICE: 0, OTHER: 0})
        assert detector.flows <= max_flows
    return events + detector.finish(), {key: habits.to_dict() for key, habits in detector.learned().items()}


def every(batch: PacketBatch, size: int) -> list[int]:
    return list(range(0, len(batch), size))


def house(seed: int, packets: int, ports: int, seconds: float) -> PacketBatch:
    """Two devices that send and receive all kinds of things; some of it is lost, repeated or overtaken."""
    random = np.random.default_rng(seed)
    wire = Wire()
    wire.speech(0.2 * seconds, 2.0, port=50_000)
    wire.speech(0.2 * seconds + 2.5, 1.5, port=50_001, udp=True, chunk=160, every=0.02)
    wire.burst(0.6 * seconds, 100_000, port=50_002)
    at = np.sort(random.random(packets) * seconds)
    for moment in at.round(3 if seed % 2 else 9).tolist():  # with thousandths, several stand at the same moment
        port = 40_000 + int(random.integers(ports))
        kind = random.random()
        size = int(random.choice([0, 40, 55, 56, 437, 499, 500, 1200, 1460]))
        if kind < 0.03:
            wire.send(moment, 0, port=port, flags=2)
        elif kind < 0.08:
            wire.send(moment, size, port=port, sequence=int(random.integers(1_000, 20_000)))
        else:
            wire.send(moment, size, port=port, down=kind > 0.8, udp=port % 3 == 0)
    for row in wire.rows:
        if row["src_port"] % 2 and row["dst_port"] % 2:  # odd ports are the other device's
            row.update({name: OTHER for name in ("eth_src", "eth_dst") if row[name] == DEVICE})
    return wire.batch()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 1_200), max_size=60))
@example(1, list(range(1_200)))
@example(436, [748])  # more came back in the batch than until the verdict
@example(338, [42])  # an acknowledgement came before the first bytes did, in the same batch
def test_of_runs(seed: int, cuts: list[int]) -> None:
    batch = house(seed, 800, 6, 20.0)
    assert detect(batch, cuts) == detect(batch, [])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 1_500), max_size=60))
@example(1, list(range(1_500)))
def test_of_a_flood_of_connections(seed: int, cuts: list[int]) -> None:
    batch = house(seed, 1_200, 400, 30.0)
    assert detect(batch, cuts, LEAST_FLOWS) == detect(batch, [], LEAST_FLOWS)


def test_of_uploads_on_more_connections_than_are_remembered() -> None:
    wire = Wire()
    for number in range(6 * LEAST_FLOWS):
        wire.burst(1 + number * 0.001, 8_000, port=41_000 + number)
    batch = wire.batch()
    events, _ = detect(batch, [], LEAST_FLOWS)
    assert sum(isinstance(event, Upload) for event in events) > LEAST_FLOWS
    assert detect(batch, every(batch, 7), LEAST_FLOWS)[0] == events


def test_of_a_stream_that_never_ends() -> None:
    wire = Wire()
    for number in range(1_400):
        wire.send(number * 0.88, 600)
        wire.send(number * 0.88 + 0.1, 100, down=True)
    batch = wire.batch()
    events, _ = detect(batch, [])
    assert len([event for event in events if isinstance(event, Upload)]) == 3
    assert detect(batch, every(batch, 5))[0] == events


def test_order_of_what_is_told() -> None:
    """One device speaks while the other's uploads end."""
    wire = Wire()
    wire.speech(1.0, 4.0, port=40_000)
    for number in range(40):
        wire.burst(0.5 + number * 0.13, 3_000, port=41_001 + 2 * number)
    for row in wire.rows:
        if max(row["src_port"], row["dst_port"]) > 41_000:
            row["eth_src"] = OTHER if row["eth_src"] == DEVICE else ROUTER
    batch = wire.batch()
    events, _ = detect(batch, [])
    kinds = [type(event) for event in events]
    assert Listening in kinds[1:-1]
    assert Upload in kinds[: kinds.index(Listening)]
    for size in (1, 3, 50):
        assert detect(batch, every(batch, size))[0] == events
