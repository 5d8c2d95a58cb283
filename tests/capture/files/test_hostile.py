"""Captures as an enemy, a broken disk or a fuzzer would hand them in: our own error, or what is whole; never more."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from sniffer import native
from sniffer.capture.files import reader
from sniffer.capture.files.pipe import read_stream
from sniffer.decode import decode, identity_rows
from sniffer.decode.frames.batcher import Gatherer
from sniffer.decode.novelty import News
from sniffer.errors import CaptureError
from sniffer.model import PACKET_COLUMNS, PacketBatch, Selection, sorted_keys
from tests.capture.formats import block, interface, old_packet, packet, pcap, section, simple_packet, statistics
from tests.decode.packets import ALL, links

pytestmark = pytest.mark.slow

MUTANTS_A_SEED = 60


@dataclass
class Outcome:
    """All that a capture led to."""

    error: str | None
    problems: list[str]
    frames: list[tuple[str, int, int, int, int, bytes]]
    columns: list[Sequence[int]]
    errors: list[tuple[dict[str, int], int]]


def outcome(data: bytes, selection: Selection, *, gather: bool = False) -> Outcome:
    found = Outcome(None, [], [], [], [])
    capture = read_stream(io.BytesIO(data), "x")
    news, gatherer = News(lambda key: key % 3 == 0), Gatherer()
    gathered: list[PacketBatch] = []
    try:
        for frames in capture:
            for i in range(len(frames)):
                start, size = int(frames.offset[i]), int(frames.captured[i])
                assert 0 <= start <= start + size <= len(frames.data)
                body = bytes(frames.data[start : start + size])
                place = (frames.interface, frames.link_type, int(frames.time_ns[i]), size, int(frames.wire[i]))
                found.frames.append((*place, body))
            if gather:
                gathered += gatherer.add(frames, lambda: selection, news, slim=frames.link_type == 1)
                continue
            batch, errors = decode(frames, selection, news)
            check(batch)
            found.columns += [getattr(batch, name).tolist() for name in PACKET_COLUMNS]
            found.errors.append((dict(errors.by_protocol), errors.fragments))
    except CaptureError as error:
        found.error = str(error)
    for batch in (*gathered, *gatherer.flush()):
        check(batch)
        names = [name for name in PACKET_COLUMNS if not name.endswith("_offset")]
        found.errors.append(({}, len(batch)))
        found.columns += zip(*(getattr(batch, name).tolist() for name in names), strict=True)
        found.frames += [("", 0, 0, 0, 0, bytes(batch.frame(i)) + bytes(batch.payload(i))) for i in range(len(batch))]
    found.errors.append(({}, gatherer.unread.total))
    found.problems = capture.problems
    return found


def outcomes(data: bytes) -> list[Outcome]:
    selection = Selection(keys=sorted_keys([0x68DBF5901964]))
    return [outcome(data, Selection()), outcome(data, selection), outcome(data, selection, gather=True)]


def check(batch: PacketBatch) -> None:
    """What holds for any batch."""
    assert (batch.payload_len >= 0).all()
    assert (batch.payload_captured >= 0).all()
    assert (batch.payload_captured <= batch.payload_len).all()
    assert (batch.payload_offset >= batch.frame_offset).all()
    ends = batch.frame_offset + batch.frame_captured
    assert (batch.payload_offset + batch.payload_captured <= ends).all()
    assert (np.diff(identity_rows(batch)) > 0).all()


def seeds() -> dict[str, bytes]:
    frames = [bytes(p) for p in ALL]
    now = 1_600_000_000_000_000_000
    found = {}
    for order in "<>":
        found[f"pcap{order}"] = pcap([(now + i, f) for i, f in enumerate(frames)], order=order)
        found[f"nano{order}"] = pcap([(now + i, f) for i, f in enumerate(frames)], order=order, nano=True, cut=96)
        head = section(order) + interface("a", order=order, resolution=9) + interface("b", order=order, link_type=101)
        body = b"".join(
            packet(now + i, f, order=order) + (block(4, bytes(20), order) if i % 5 == 0 else b"")
            for i, f in enumerate(frames)
        )
        rest = old_packet(1, frames[0], order=order, drops=2) + simple_packet(frames[1], order=order)
        rest += packet(3, frames[2][14:], interface=1, order=order) + statistics(0, dropped=7, order=order)
        found[f"pcapng{order}"] = head + body + rest + head + body
    for number, data in links():
        found[f"link{number}"] = pcap([(now + i, f) for i, f in enumerate(data)], link_type=number)
    found["modified"] = pcap([(now + i, f) for i, f in enumerate(frames)], modified=True)
    found["gzip"] = gzip.compress(found["pcap<"], mtime=0)
    return found


SEEDS = seeds()
NUMBERS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\x01", b"\xff\xff\0\0", b"\x80\0\0\0")


def mutants(name: str) -> Iterator[bytes]:
    """Truncated, with bits turned, numbers replaced, parts doubled, left out and moved."""
    data = SEEDS[name]
    random_ = random.Random(name)
    for number in range(MUTANTS_A_SEED):
        mutant = bytearray(data)
        for _ in range(random_.choice((1, 1, 2, 8, 40))):
            at = random_.randrange(len(mutant)) if random_.random() < 0.7 else random_.randrange(min(len(mutant), 200))
            kind = (number + random_.randrange(2)) % 6
            if kind == 0:
                del mutant[max(at, 4) :]
            elif kind == 1:
                mutant[at] ^= 1 << random_.randrange(8)
            elif kind == 2:
                value = random_.choice(NUMBERS)
                mutant[at : at + 4] = value if random_.random() < 0.5 else value[::-1]
            elif kind == 3:
                mutant[at:at] = mutant[at : at + random_.randrange(1, 300)]
            elif kind == 4:
                del mutant[at : at + random_.randrange(1, 30)]
            else:
                mutant[at] = random_.randrange(256)
        yield bytes(mutant)


@pytest.mark.parametrize("name", SEEDS)
def test_mutants_lead_to_an_error_of_ours_or_to_what_is_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:

    # A small buffer is filled and moved many times, so that its seams are tested too.
    monkeypatch.setattr(reader, "BUFFER_BYTES", 1 << 16)
    for mutant in mutants(name):
        compiled = outcomes(mutant)
        with monkeypatch.context() as pure:
            pure.setattr(native, "CAPTURE", None)
            pure.setattr(native, "DECODE", None)
            assert outcomes(mutant) == compiled


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 23, 24, 27, 28, 40, 100, 5000])
def test_rubbish_is_no_capture(size: int) -> None:
    for seed in range(10):
        data = random.Random(seed).randbytes(size)
        assert outcome(data, Selection()).error is not None
