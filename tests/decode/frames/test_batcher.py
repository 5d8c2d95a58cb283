"""Rows of many blocks as one batch, and what is news in a block."""

from __future__ import annotations

import pytest

from sniffer import native
from sniffer.decode import decode
from sniffer.decode.frames import batcher as module
from sniffer.decode.frames.batcher import Gatherer
from sniffer.decode.novelty import News
from sniffer.model import PacketBatch, Selection, mac_key, sorted_keys
from tests.decode.frames.test_batch import frames_block
from tests.decode.packets import ALL, ETHER, OTHERS, SEGMENT, V4, V6, A, B, C

FRAMES = [bytes(packet) for packet in ALL]


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(native, "DECODE", None)
    elif native.DECODE is None:
        pytest.skip("the compiled piece is not built (python hatch_build.py)")


def told(batch: PacketBatch) -> list[tuple[int, int, bytes, bytes]]:
    rows = range(len(batch))
    return [
        (int(batch.tcp_seq[i]), int(batch.payload_len[i]), bytes(batch.frame(i)), bytes(batch.payload(i))) for i in rows
    ]


@pytest.mark.parametrize(("rows", "size"), [(1, 1 << 20), (5, 1 << 20), (8192, 1 << 20), (8192, 1600), (7, 2000)])
def test_gathered_rows_are_those_of_the_blocks(monkeypatch: pytest.MonkeyPatch, rows: int, size: int) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", rows)
    monkeypatch.setattr(module, "MAX_BYTES", size)
    gatherer, batches = Gatherer(), []
    for start in range(0, len(FRAMES), 3):
        batches += list(gatherer.add(frames_block(FRAMES[start : start + 3]), Selection))
    batches += list(gatherer.flush())
    assert len(batches) > 1 or rows == 8192
    assert [row for batch in batches for row in told(batch)] == told(decode(frames_block(FRAMES), Selection())[0])
    assert list(gatherer.flush()) == []


def test_what_is_gathered_does_not_depend_on_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """News that finds no room waits for the next batch, and is still news then."""

    def gathered(rows: int) -> list[tuple[int, int, bytes, bytes]]:
        monkeypatch.setattr(module, "MAX_ROWS", rows)
        gatherer, news, batches = Gatherer(), News(lambda key: key == mac_key(C)), []
        selection = Selection(sorted_keys([mac_key(A)]))
        for start in range(0, len(FRAMES), 8):
            batches += list(gatherer.add(frames_block(FRAMES[start : start + 8]), lambda: selection, news, slim=True))
        return [row for batch in (*batches, *gatherer.flush()) for row in told(batch)]

    assert gathered(1) == gathered(3) == gathered(8192) != []


def test_a_host_that_is_wanted_when_it_arrives_is_taken_from_then_on() -> None:
    asked: list[int] = []

    def wanted(key: int) -> bool:
        asked.append(key)
        return key == mac_key(C)

    block = frames_block([bytes(ETHER / V4 / SEGMENT), *[bytes(OTHERS / V4 / SEGMENT)] * 3])
    batch, _ = decode(block, Selection(sorted_keys([]), identity=False), News(wanted))
    assert asked == [mac_key(A), mac_key(B), mac_key(B), mac_key(C)]  # B once as receiver, once as sender
    assert batch.time_ns.tolist() == [0, 1, 2, 3]


def test_an_error_of_who_is_asked_is_not_swallowed() -> None:
    def wanted(key: int) -> bool:
        raise LookupError

    with pytest.raises(LookupError):
        decode(frames_block(FRAMES), Selection(sorted_keys([])), News(wanted))


def test_a_host_is_news_once_and_so_is_each_address_of_it() -> None:
    nobody = Selection(sorted_keys([]), identity=False)
    news = News()

    def fresh(*packets: object) -> list[int]:
        return decode(frames_block([bytes(p) for p in packets]), nobody, news)[0].time_ns.tolist()

    assert fresh(ETHER / V4 / SEGMENT, ETHER / V4 / SEGMENT, OTHERS / V4 / SEGMENT) == [0, 2]
    assert fresh(ETHER / V4 / SEGMENT, ETHER / V6 / SEGMENT) == [1]
    assert fresh(ETHER / V4 / SEGMENT, ETHER / V6 / SEGMENT) == []
    assert len(news) == 5  # A with two addresses, B with one; B and C as receivers


def test_slim_rows_keep_their_columns() -> None:
    watched = Selection(sorted_keys([mac_key(A)]))
    block = frames_block(FRAMES)
    whole, _ = decode(block, watched)
    slim, _ = decode(block, watched, slim=True)
    assert slim.payload_len.sum() == whole.payload_len.sum()
    assert set(slim.eth_src.tolist()) == {mac_key(A), mac_key(B)}
    assert mac_key(C) in slim.eth_dst.tolist()
