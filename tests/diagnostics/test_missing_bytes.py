"""Bytes that went past us are found; what only looks like it is not."""

from __future__ import annotations

import random

import numpy as np
import pytest

from sniffer.diagnostics.missing_bytes import LEAST_BYTES, MAX_FLOWS, HiddenBytes
from sniffer.model import PROTO_TCP, PacketBatch, sorted_keys
from sniffer.testing import House, packet_batch

SPEAKER = 0x02000000000A
KEYS = sorted_keys([SPEAKER])


def upload(size: int = 2_000_000) -> PacketBatch:
    house = House(seed=4)
    house.host("kitchen", mac="02:00:00:00:00:0a").flushes(size, 4.0).to("logs.example.com", at=1.0)
    return packet_batch(house.frames())


def count(batch: PacketBatch, size: int = 50) -> int:
    watch = HiddenBytes()
    return sum(watch.add(batch.take(slice(at, at + size)), KEYS) for at in range(0, len(batch), size))


@pytest.mark.parametrize("size", [1, 50, 100_000])
def test_an_upload_that_is_seen_hides_nothing(size: int) -> None:
    assert count(upload(), size) == 0


@pytest.mark.parametrize("size", [10, 200, 100_000])
def test_what_is_offloaded_in_the_middle_is_counted(size: int) -> None:
    batch = upload()
    sent = np.flatnonzero((batch.eth_src == SPEAKER) & (batch.payload_len > 0))
    gone = sent[20:-3]
    missing = int(batch.payload_len[gone].sum())
    found = count(batch.take(np.setdiff1d(np.arange(len(batch)), gone)), size)
    assert LEAST_BYTES < missing - LEAST_BYTES <= found <= missing


def test_one_direction_only_is_enough() -> None:
    batch = upload()
    up = batch.take((batch.eth_src == SPEAKER) & (batch.proto == PROTO_TCP))
    assert count(up) == 0
    assert count(up.take(np.r_[0:20, len(up) - 3 : len(up)])) > 1_000_000


def test_order_repeats_and_wrapping_numbers_are_no_holes() -> None:
    batch = upload()
    dice = random.Random(7)
    order = sorted(range(len(batch)), key=lambda row: row + dice.uniform(-6, 6))
    repeated = np.array(
        sorted([*order, *dice.sample(range(len(batch)), 200)], key=lambda row: row + dice.uniform(-6, 6))
    )
    wrapping = batch.take(slice(None))
    wrapping.tcp_seq[:] = wrapping.tcp_seq + np.uint32(2**32 - 500_000)
    assert count(batch.take(np.array(order))) == 0
    assert count(batch.take(repeated)) == 0
    assert count(wrapping) == 0


def test_ports_that_are_used_again_are_no_holes() -> None:
    watch = HiddenBytes()
    for start in (0, 1_000_000_000, 3_000_000_000):
        again = upload()
        again.tcp_seq[:] = again.tcp_seq + np.uint32(start)
        assert watch.add(again, KEYS) == 0


def test_after_a_loss_nothing_is_said() -> None:
    batch = upload()
    watch = HiddenBytes()
    up = np.flatnonzero(batch.eth_src == SPEAKER)
    assert watch.add(batch.take(up[:30]), KEYS) == 0
    watch.forget()
    assert watch.add(batch.take(up[-5:]), KEYS) == 0


def test_others_are_not_counted_and_a_flood_is_bounded() -> None:
    batch = upload()
    watch = HiddenBytes()
    assert watch.add(batch, sorted_keys([1])) == 0
    assert not watch._flows
    flood = batch.take(np.full(3 * MAX_FLOWS, int(np.flatnonzero(batch.proto == PROTO_TCP)[0])))
    flood.eth_src[:] = SPEAKER
    flood.src_port[:] = np.arange(len(flood))
    watch.add(flood, KEYS)
    assert len(watch._flows) == MAX_FLOWS
