"""Hosts that are known are looked at in some seconds only, by the compiled piece as by its twin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer import native
from sniffer.decode import decode
from sniffer.decode.frames import batch as module
from sniffer.decode.novelty import News
from sniffer.model import PACKET_COLUMNS, Sample, Selection, mac_key, sorted_keys
from sniffer.model.clock import SECOND
from sniffer.testing import House
from tests.decode.frames.test_batch import frames_block

PHONE, ECHO = "00:16:3e:00:00:01", "68:db:f5:90:19:64"


def frames() -> list[bytes]:
    house = House(seed=3)
    phone = house.host("phone", mac=PHONE)
    for number in range(12):
        phone.flushes(2_000).to(f"www{number}.example.org", at=1.0 + number)
    house.host("echo", mac=ECHO).flushes(3_000).to("device-metrics-us.amazon.com", at=2.0)
    return [frame.data for frame in house.frames()]


FRAMES = frames()


@pytest.mark.skipif(native.DECODE is None, reason="the compiled piece is not built (python hatch_build.py)")
@settings(max_examples=60, deadline=None)
@given(
    known=st.sets(st.sampled_from([mac_key(PHONE), mac_key(ECHO), 5])),
    keys=st.none() | st.sets(st.sampled_from([mac_key(PHONE), mac_key(ECHO)])),
    every=st.sampled_from([1, 2, 16]),
    begin=st.integers(-5 * SECOND, 2**62),
    identity=st.booleans(),
    slim=st.booleans(),
    news=st.booleans(),
)
def test_both_ways_leave_out_the_same(
    known: set[int], keys: set[int] | None, every: int, begin: int, identity: bool, slim: bool, news: bool
) -> None:
    block = frames_block(FRAMES)
    block = replace(block, time_ns=begin + np.arange(len(FRAMES), dtype=np.int64) * 170_000_000)
    wanted = None if keys is None else sorted_keys(keys)
    selection = Selection(wanted, identity, Sample(sorted_keys(known), every))
    found = []
    for way in (module._decode_native, module._decode_python):
        batch, errors = way(block, selection, News() if news else None, slim)
        columns = {name: getattr(batch, name).tolist() for name in PACKET_COLUMNS}
        found.append((columns, errors))
    assert found[0] == found[1]


def test_what_is_left_out_is_counted_and_the_rest_is_kept() -> None:
    block = frames_block(FRAMES)
    nobody = sorted_keys([])
    whole, errors = decode(block, Selection(nobody))
    assert errors.sampled == 0
    block = replace(block, time_ns=np.full(len(FRAMES), (mac_key(PHONE) % 16 + 1) * SECOND))
    part, errors = decode(block, Selection(nobody, sample=Sample(sorted_keys([mac_key(PHONE)]), 16)))
    assert errors.sampled == len(whole) - len(part) > 30
    now = replace(block, time_ns=np.full(len(FRAMES), (mac_key(PHONE) % 16 + 16) * SECOND))
    assert len(decode(now, Selection(nobody, sample=Sample(sorted_keys([mac_key(PHONE)]), 16)))[0]) == len(whole)
