"""Evidence: what left, when and how large, and not one byte of what was said."""

import dataclasses
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sniffer.errors import StoreError
from sniffer.model import Device, PacketBatch, mac_key
from sniffer.model.clock import SECOND
from sniffer.sinks.settings import EvidenceSettings
from sniffer.sinks.storage.pcap_evidence import EvidenceKeeper
from sniffer.testing import House
from tests.sinks.builders import KITCHEN, START, upload

MAC = "68:db:f5:90:19:64"
KEY = mac_key(MAC)


@pytest.fixture(scope="module")
def batch() -> PacketBatch:
    house = House(start_ns=START)
    host = house.host("kitchen", MAC)
    host.says(3).to("voice.example.com", at=5)
    host.says(2, transport="quic").to("quic.example.com", at=60)
    other = house.host("laptop", "02:00:00:00:00:99")
    other.says(3).to("voice.example.com", at=5)
    host.plays(5).to("music.example.com", at=100)
    return house.batch()


def keeper(folder: Path, **options) -> EvidenceKeeper:
    return EvidenceKeeper(EvidenceSettings(folder=folder / "evidence", **options))


def record(at: int = 5, seconds: float = 4, **options) -> dict:
    return upload(at=at, seconds=seconds, **options)


def packets(path: Path) -> list[tuple[int, int, bytes]]:
    """Time, length on the link, and bytes of each packet of a pcap of ours."""
    data = path.read_bytes()
    magic, major, minor, _, _, _, link_type = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link_type) == (0xA1B23C4D, 2, 4, 1)
    found, offset = [], 24
    while offset < len(data):
        seconds, rest, length, wire = struct.unpack_from("<IIII", data, offset)
        found.append((seconds * SECOND + rest, wire, data[offset + 16 : offset + 16 + length]))
        offset += 16 + length
    return found


def test_it_holds_headers_times_and_lengths_and_no_payload(batch: PacketBatch, tmp_path: Path) -> None:
    kept = keeper(tmp_path)
    kept.feed(batch, {KEY})
    path = kept.write(record())
    assert path is not None
    found = packets(path)
    assert len(found) > 50
    sent = (batch.eth_src == KEY) & (batch.time_ns <= START + 11 * SECOND) & (batch.time_ns >= START + 3 * SECOND)
    mine = [packet for packet in found if packet[2][6:12] == KEY.to_bytes(6)]
    assert [packet[0] for packet in mine] == batch.time_ns[sent].tolist()
    assert [packet[1] for packet in mine] == batch.wire_len[sent].tolist()
    for _, wire, frame in found:
        assert KEY.to_bytes(6) in (frame[:6], frame[6:12])
        header = 14 + 20 + ((frame[46] >> 4) * 4 if frame[23] == 6 else 8)
        assert len(frame) <= header + 5
        assert len(frame) in (header, wire) or frame[header] in range(20, 25)
    assert any(len(frame) > 59 and frame[-5:-2] == b"\x17\x03\x03" for _, _, frame in found)
    assert path.stat().st_mode & 0o777 == 0o600


def test_tshark_reads_it(batch: PacketBatch, tmp_path: Path, tool) -> None:
    kept = keeper(tmp_path)
    kept.feed(batch, {KEY})
    path = kept.write(record())
    shown = subprocess.run(
        [tool("tshark"), "-n", "-r", str(path), "-T", "fields", "-e", "ip.src", "-e", "tcp.dstport", "-e", "tcp.len"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    lengths = [int(line.split("\t")[2]) for line in shown.stdout.splitlines() if line.endswith(tuple("0123456789"))]
    assert sum(length > 0 for length in lengths) > 40


def test_it_is_the_same_however_the_packets_were_batched(batch: PacketBatch, tmp_path: Path) -> None:
    whole, pieces = keeper(tmp_path / "a"), keeper(tmp_path / "b")
    whole.feed(batch, {KEY})
    for start in range(0, len(batch), 3):
        pieces.feed(batch.take(slice(start, start + 3)), [KEY])
    assert len(pieces._ring) < 80
    one, other = whole.write(record()), pieces.write(record())
    assert one is not None
    assert other is not None
    assert one.read_bytes() == other.read_bytes()


def test_memory_is_bounded_and_music_does_not_fill_it(batch: PacketBatch, tmp_path: Path) -> None:
    kept = keeper(tmp_path, memory_bytes=1 << 17)
    for second in range(0, 3000, 200):
        moved = dataclasses.replace(batch, time_ns=batch.time_ns + second * SECOND)
        for start in range(0, len(batch), 50):
            kept.feed(moved.take(slice(start, start + 50)), {KEY})
    assert kept._size <= 1 << 17
    assert kept._size == sum(piece.size for piece in kept._ring)
    assert kept.write(record()) is None  # long gone
    assert kept.write(record(at=2860)) is not None
    large = (batch.eth_dst == KEY) & (batch.payload_len > 512)
    assert large.sum() > 20
    held = keeper(tmp_path)
    held.feed(batch, {KEY})
    assert sum(len(piece.time_ns) for piece in held._ring) < len(batch) - large.sum()


def test_a_file_and_the_folder_are_bounded_and_the_oldest_goes_first(batch: PacketBatch, tmp_path: Path) -> None:
    kept = keeper(tmp_path, max_file_bytes=5000, max_bytes=1 << 16)
    kept.feed(batch, {KEY})
    for number in range(30):
        kept.write(record(at=5, seconds=3 + number / 100, port=1000 + number))
        kept.write(record(at=60, port=1000 + number))
    files = sorted((tmp_path / "evidence").iterdir())
    assert all(file.stat().st_size <= 5000 for file in files)
    assert sum(file.stat().st_size for file in files) <= 1 << 16
    assert len(files) < 60
    assert all(file.suffix == ".pcap" for file in files)


def test_as_a_sink_it_writes_what_nobody_asked_for_and_removes_what_was_explained(
    batch: PacketBatch, tmp_path: Path
) -> None:
    kept = keeper(tmp_path)
    kept.feed(batch, {KEY})
    kept.emit(record(verdict="expected"))
    kept.emit({"event_type": "wake"})
    assert list((tmp_path / "evidence").iterdir()) == []
    kept.emit(record())
    kept.emit(record(revision=1))
    assert len(list((tmp_path / "evidence").iterdir())) == 1
    kept.emit(record(verdict="expected", revision=2))
    assert list((tmp_path / "evidence").iterdir()) == []
    kept.close()
    assert kept.write(record()) is None


def test_nothing_to_hold(batch: PacketBatch, tmp_path: Path) -> None:
    kept = keeper(tmp_path)
    kept.feed(batch, {})
    kept.feed(batch.take(slice(0, 0)), {KEY})
    kept.feed(batch, {1})
    assert kept._size == 0
    nobody = Device(key=KITCHEN.key, name="kitchen", address=KITCHEN.address)
    assert kept.write(record(device=nobody)) is None


def test_a_folder_that_cannot_be_made_or_written(
    batch: PacketBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keeper(tmp_path)
    kept.feed(batch, {KEY})
    (tmp_path / "evidence").rmdir()
    with pytest.raises(StoreError, match="the evidence cannot be written"):
        kept.emit(record())
    (tmp_path / "evidence").write_text("a file")
    with pytest.raises(StoreError, match="the evidence cannot be written"):
        keeper(tmp_path)


def test_a_capture_that_was_cut_short_is_cut_no_further_than_it_was(batch: PacketBatch, tmp_path: Path) -> None:
    short = dataclasses.replace(
        batch,
        frame_captured=np.minimum(batch.frame_captured, 40),
        payload_captured=np.zeros_like(batch.payload_captured),
    )
    kept = keeper(tmp_path)
    kept.feed(short, {KEY})
    path = kept.write(record())
    assert path is not None
    assert max(len(frame) for _, _, frame in packets(path)) <= 40


def test_it_is_not_written_through_a_link(batch: PacketBatch, tmp_path: Path) -> None:
    kept = keeper(tmp_path)
    kept.feed(batch, {KEY})
    (tmp_path / "precious").write_text("not ours")
    (tmp_path / "evidence" / f"{record()['id']}.part").symlink_to(tmp_path / "precious")
    kept.emit(record())
    (written,) = (tmp_path / "evidence").iterdir()
    assert written.read_bytes()[:4] != b"not "
    assert (tmp_path / "precious").read_text() == "not ours"
