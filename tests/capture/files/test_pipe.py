"""A capture that arrives in pieces."""

from __future__ import annotations

import gzip
import io
import os

import pytest

from sniffer.capture.files.pipe import read_stream
from sniffer.errors import CaptureError
from tests.capture.formats import pcap

RECORDS = [(1_600_000_000_000_000_000 + i, bytes([i]) * 60) for i in range(50)]


def test_packets_are_handed_out_as_they_arrive() -> None:
    data = pcap(RECORDS, nano=True)
    size = 16 + 60
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as sender:
        sender.write(data[: 24 + size * 3 + 10])
        blocks = iter(read_stream(stream))
        assert len(next(blocks)) == 3
        sender.write(data[24 + size * 3 + 10 :])
        sender.close()
        assert sum(len(block) for block in blocks) == 47


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_stream_in_memory(pack) -> None:
    capture = read_stream(io.BytesIO(pack(pcap(RECORDS))), "-")
    assert sum(len(block) for block in capture) == 50
    assert capture.problems == []
    assert capture.size is None


def test_nothing_at_all_on_the_stream() -> None:
    with pytest.raises(CaptureError, match="-: is empty"):
        list(read_stream(io.BytesIO(b""), "-"))
