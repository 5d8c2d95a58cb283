"""Compressed captures: whole, cut, damaged, several in one, and too greedy."""

from __future__ import annotations

import bz2
import io
import lzma
from collections.abc import Callable

import pytest

from sniffer.capture.files.pipe import read_stream
from sniffer.errors import CaptureError
from tests.captures.make import FOLDER

PLAIN = (FOLDER / "two_utterances.pcap").read_bytes()


def zstd(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    packed: bytes = zstandard.ZstdCompressor().compress(data)
    return packed


PACK: list[Callable[[bytes], bytes]] = [lzma.compress, bz2.compress, zstd]


def packets(data: bytes) -> tuple[int, list[str]]:
    reader = read_stream(io.BytesIO(data))
    return sum(len(block) for block in reader), reader.problems


EXPECTED = packets(PLAIN)[0]


@pytest.mark.parametrize("pack", PACK)
def test_what_is_compressed_is_read(pack: Callable[[bytes], bytes]) -> None:
    assert packets(pack(PLAIN)) == (EXPECTED, [])


@pytest.mark.parametrize("pack", PACK)
def test_several_streams_are_one(pack: Callable[[bytes], bytes]) -> None:
    half = len(PLAIN) // 2
    assert packets(pack(PLAIN[:half]) + pack(PLAIN[half:])) == (EXPECTED, [])


@pytest.mark.parametrize("pack", PACK[:2])
@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_what_is_cut_or_damaged_is_said(pack: Callable[[bytes], bytes], share: float) -> None:
    packed = pack(PLAIN)
    at = int(len(packed) * share)
    for data in (packed[:at], packed[:at] + bytes(64) + packed[at + 64 :]):
        try:
            count, problems = packets(data)
        except CaptureError as error:
            assert "truncated" in str(error) or "damaged" in str(error)
        else:
            assert count <= EXPECTED
            assert problems


def test_xz_that_asks_for_too_much_memory_is_refused() -> None:
    greedy = lzma.compress(PLAIN, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}])
    with pytest.raises(CaptureError, match="damaged"):
        packets(greedy)
