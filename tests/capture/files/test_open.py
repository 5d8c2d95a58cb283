"""Captures in files: every format gives the same frames."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sniffer import native
from sniffer.capture.files.open import open_capture
from sniffer.errors import CaptureError
from tests.capture.formats import interface, old_packet, packet, pcap, section, simple_packet, statistics


@pytest.fixture(params=["compiled", "python"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here runs both ways."""
    if request.param == "python":
        monkeypatch.setattr(native, "CAPTURE", None)
    elif native.CAPTURE is None:
        pytest.skip("the compiled piece is not built (python hatch_build.py)")


NOW = 1_600_000_000_123_456_789
RECORDS = [(NOW + i * 1_000_000, bytes([i % 251]) * (60 + i % 1400)) for i in range(300)]

Frame = tuple[int, bytes, int]  # time, bytes, length on the wire


def read(path: Path) -> tuple[list[Frame], list[str]]:
    """All frames of a capture, and its problems."""
    frames: list[Frame] = []
    with open_capture(path) as capture:
        for block in capture:
            for i in range(len(block)):
                start, size = int(block.offset[i]), int(block.captured[i])
                frames.append((int(block.time_ns[i]), bytes(block.data[start : start + size]), int(block.wire[i])))
        assert capture.packets == len(frames)
        return frames, capture.problems


def expected(tick_ns: int = 1) -> list[Frame]:
    return [(time // tick_ns * tick_ns, frame, len(frame)) for time, frame in RECORDS]


@pytest.fixture
def write(tmp_path: Path):
    def _write(data: bytes, name: str = "capture.pcap") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return _write


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_pcap_of_both_orders_and_resolutions(write, order: str, nano: bool) -> None:
    frames, problems = read(write(pcap(RECORDS, order=order, nano=nano)))
    assert frames == expected(1 if nano else 1000)
    assert problems == []


def test_kuznetzovs_variant(write) -> None:
    assert read(write(pcap(RECORDS, modified=True)))[0] == expected(1000)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_of_both_orders_under_any_name(write, order: str) -> None:
    data = section(order) + interface(order=order, resolution=9)
    data += b"".join(packet(time, frame, order=order) for time, frame in RECORDS)
    assert read(write(data, "named.pcap")) == (expected(), [])


def test_gzip_of_two_members(write) -> None:
    data = pcap(RECORDS, nano=True)
    assert read(write(gzip.compress(data[:999]) + gzip.compress(data[999:]), "x.pcap.gz")) == (expected(), [])


def test_a_cut_frame_keeps_its_length_on_the_wire(write) -> None:
    frames, _ = read(write(pcap(RECORDS, nano=True, cut=96)))
    assert frames == [(time, frame[:96], len(frame)) for time, frame in RECORDS]


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns"),
    [
        (None, 1_600_000_000_123_456, 1_600_000_000_123_456_000),
        (0, 1_600_000_000, 1_600_000_000_000_000_000),
        (3, 1_600_000_000_123, 1_600_000_000_123_000_000),
        (9, 1_600_000_000_123_456_789, 1_600_000_000_123_456_789),
        (10, 16_000_000_001_234_567_899, 1_600_000_000_123_456_789),
        (0x80 | 10, (1_600_000_000 << 10) + 512, 1_600_000_000_500_000_000),
        (0x80 | 33, (1_600_000_000 << 33) + (1 << 32), 1_600_000_000_500_000_000),
        (19, 16_000_000_000_000_000_000, 1_600_000_000),
        (25, 16_000_000_000_000_000_000, 1_600),
        (0x80 | 127, (1 << 64) - 1, 0),
        (0x7F, (1 << 64) - 1, 0),
    ],
)
def test_pcapng_time_resolutions(write, resolution: int | None, ticks: int, time_ns: int) -> None:
    frames, _ = read(write(section() + interface(resolution=resolution) + packet(ticks, b"x" * 20)))
    assert [frame[0] for frame in frames] == [time_ns]


def test_pcapng_time_offset_of_an_interface(write) -> None:
    data = section() + interface(offset=1_600_000_000) + interface(offset=-(1 << 63)) + packet(5_000_000, b"x" * 20)
    data += packet(5_000_000, b"y" * 20, interface=1)
    assert [frame[0] for frame in read(write(data))[0]] == [1_600_000_005_000_000_000, 0]


def test_pcapng_with_two_interfaces_keeps_the_order(write) -> None:
    data = section() + interface("a", resolution=9) + interface("b", resolution=6)
    data += packet(10_000, b"1" * 20) + packet(11, b"2" * 20, interface=1) + packet(12_000, b"3" * 20)
    path = write(data)
    with open_capture(path) as capture:
        (block,) = list(capture)
    assert block.time_ns.tolist() == [10_000, 11_000, 12_000]
    assert block.interface == "a+b"


def test_pcapng_cuts_blocks_where_the_link_type_changes(write) -> None:
    data = section() + interface("a", link_type=1) + interface("b", link_type=101)
    data += packet(1, b"1" * 20) + packet(2, b"2" * 20, interface=1) + packet(3, b"3" * 20, interface=1)
    with open_capture(write(data)) as capture:
        assert [(block.link_type, len(block)) for block in capture] == [(1, 1), (101, 2)]


def test_pcapng_of_two_sections_in_different_orders(write) -> None:
    data = section("<") + interface("a", order="<") + packet(1, b"1" * 20, order="<")
    data += section(">") + interface("b", order=">", link_type=113) + packet(2, b"2" * 20, order=">")
    with open_capture(write(data)) as capture:
        assert [(b.interface, b.link_type, b.time_ns.tolist()) for b in capture] == [
            ("a", 1, [1000]),
            ("b", 113, [2000]),
        ]


def test_pcapng_old_and_simple_packets_and_drops(write) -> None:
    data = section() + interface("eth0", snap_length=30) + old_packet(7, b"o" * 20, drops=3)
    data += simple_packet(b"s" * 30, wire=99) + statistics(0, dropped=12) + statistics(9, dropped=1)
    with open_capture(write(data)) as capture:
        rows = [(int(b.time_ns[i]), int(b.captured[i]), int(b.wire[i])) for b in capture for i in range(len(b))]
        assert rows == [(7000, 20, 20), (7000, 30, 99)]
        assert capture.dropped == {"eth0": 12}
        assert capture.problems == ["1 packets carry no time and were given that of the packet before"]


def test_bytes_read_ends_at_the_size(write) -> None:
    path = write(gzip.compress(pcap(RECORDS)))
    with open_capture(path) as capture:
        assert list(capture)
        assert capture.bytes_read == capture.size == path.stat().st_size


def test_a_capture_larger_than_the_buffer(write) -> None:
    records = [(NOW + i, bytes([i % 256]) * 65_000) for i in range(150)]
    frames, problems = read(write(pcap(records, nano=True)))
    assert frames == [(time, frame, 65_000) for time, frame in records]
    assert problems == []


# --- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"\xd4\xc3", "is not a capture"),
        (b"PK\x03\x04 something else", "is not a capture"),
        (pcap([])[:20], "ends inside its header"),
        (section()[:20], "ends inside its header"),
        (b"\x0a\x0d\x0d\x0a" + bytes(100), "without a byte-order mark"),
        (b"\x1f\x8b\x08", "the gzip data is truncated"),
        (b"\x1f\x8b\x08" + b"\xff" * 40, "the gzip data is damaged"),
        (gzip.compress(b"", mtime=0), "is empty"),
        (gzip.compress(b"hello, world", mtime=0), "is not a capture"),
    ],
)
def test_what_is_no_capture_says_so_in_one_line(write, data: bytes, why: str) -> None:
    path = write(data)
    with pytest.raises(CaptureError, match=why) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        open_capture(tmp_path / "none.pcap")
    with pytest.raises(CaptureError, match="Is a directory"):
        open_capture(tmp_path)


def test_header_only_is_an_empty_capture(write) -> None:
    assert read(write(pcap([], snap_length=0))) == ([], [])
    assert read(write(section())) == ([], [])


def test_a_snap_length_of_zero_does_not_matter(write) -> None:
    assert read(write(pcap(RECORDS, nano=True, snap_length=0))) == (expected(), [])


@pytest.mark.parametrize("missing", [1, 15, 200])
def test_truncated_files_give_what_is_whole(write, missing: int) -> None:
    last = (NOW, b"z" * 300)
    frames, problems = read(write(pcap([*RECORDS, last], nano=True)[:-missing]))
    assert frames == expected()
    assert problems == ["is truncated after 300 packets"]


def test_truncated_gzip_gives_what_is_whole(write) -> None:
    frames, problems = read(write(gzip.compress(pcap(RECORDS, nano=True))[:-40]))
    assert frames == expected()[: len(frames)]
    assert frames
    assert "the gzip data is truncated" in problems


def test_a_record_that_claims_too_much_ends_the_reading(write) -> None:
    data = pcap(RECORDS, nano=True) + b"\xff" * 5000
    frames, problems = read(write(data))
    assert frames == expected()
    assert problems == ["is damaged after 300 packets: a record claims 4294967295 bytes"]


@pytest.mark.parametrize("length", [0, 4, 13, 0xFFFFFFFC, 1 << 21])
def test_a_block_that_lies_about_its_length(write, length: int) -> None:
    whole = section() + interface() + packet(1, b"1" * 20)
    frames, problems = read(write(whole + b"\x06\0\0\0" + length.to_bytes(4, "little") + bytes(100)))
    assert len(frames) == 1
    assert len(problems) == 1
    assert f"a block claims {length} bytes" in problems[0]


def test_a_large_block_of_another_kind_is_passed_over(write) -> None:
    from tests.capture.formats import block

    data = section() + interface() + block(10, bytes(5 << 20)) + packet(1, b"1" * 20)
    assert len(read(write(data))[0]) == 1


def test_packets_of_an_unknown_interface_are_left_out(write) -> None:
    frames, problems = read(write(section() + interface() + packet(1, b"1" * 20, interface=7) + packet(2, b"2" * 20)))
    assert len(frames) == 1
    assert problems == ["1 packets belong to an interface that is not described and were left out"]


def test_a_time_far_in_the_future_is_kept_and_told(write) -> None:
    frames, problems = read(write(pcap([(4_200_000_000_000_000_000, b"x" * 60)])))
    assert frames[0][0] == 4_200_000_000_000_000_000
    assert problems == ["packets are dated in the future (the year 2103)"]
