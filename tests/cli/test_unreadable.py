"""Captures of odd links and tunnels, through the command: what can be read is judged, what cannot is said."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from sniffer import native
from sniffer.capture.files.open import open_capture
from sniffer.testing import Frame, House, pcap_bytes
from tests.captures.make import FOLDER, MAC
from tests.cli.test_analyze import Call, call

__all__ = ["call"]

MIRROR = bytes.fromhex("025e00000c02025e00000c010800")


def frames() -> list[Frame]:
    with open_capture(FOLDER / "two_utterances.pcap") as reader:
        return [
            Frame(int(block.time_ns[row]), bytes(block.data[at : at + int(block.captured[row])]), int(block.wire[row]))
            for block in reader
            for row, at in enumerate(block.offset.tolist())
        ]


def ip(proto: int, size: int) -> bytes:
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + size, 0, 0x4000, 64, proto, 0) + bytes([10, 9, 0, 1, 10, 9, 0, 250])


def erspan(frame: Frame) -> Frame:
    head = MIRROR + ip(47, 16 + frame.wire) + b"\x10\0\x88\xbe\0\0\0\1" + b"\x10\x0a\0\x64\0\0\0\0"
    return Frame(frame.time_ns, head + frame.data, frame.wire + len(head))


def vxlan(frame: Frame) -> Frame:
    head = MIRROR + ip(17, 16 + frame.wire) + struct.pack(">HHHH", 999, 4789, 16 + frame.wire, 0) + b"\x08" + bytes(7)
    return Frame(frame.time_ns, head + frame.data, frame.wire + len(head))


def pktap(frame: Frame) -> Frame:
    head = struct.pack("<III", 108, 1, 1) + bytes(96)
    return Frame(frame.time_ns, head + frame.data, frame.wire + len(head))


@pytest.mark.parametrize(("wrap", "link_type"), [(erspan, 1), (vxlan, 1), (pktap, 258)])
def test_what_is_wrapped_is_judged(call: Call, tmp_path: Path, wrap: Callable[[Frame], Frame], link_type: int) -> None:
    path = tmp_path / "mirror.pcap"
    path.write_bytes(pcap_bytes([wrap(frame) for frame in frames()], link_type=link_type))
    status, out, _ = call("analyze", "-q", "--strict", path, "--device", f"{MAC}=kitchen")
    assert status == 0
    assert [line.split()[3] for line in out.splitlines()[1:]] == ["speech", "speech"]


def test_nothing_can_be_decoded(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "usb.pcap"
    path.write_bytes(pcap_bytes(frames(), link_type=189))
    status, out, err = call("analyze", path, "--device", f"{MAC}=kitchen")
    assert (status, out) == (3, "")
    assert "nothing in it can be decoded: 100% of the packets" in err
    assert "are of link type 189 (USB)" in err
    status, _, err = call("devices", path)
    assert status == 3
    assert "link type 189" in err


def test_a_share_is_said_and_strict_minds_a_single_packet(call: Call, tmp_path: Path) -> None:
    whole = frames()
    unknown = Frame(whole[0].time_ns, bytes(12) + b"\x88\xb5" + bytes(60), 74)
    path = tmp_path / "some.pcap"
    path.write_bytes(pcap_bytes([unknown] * (len(whole) // 3) + whole))
    status, _, err = call("analyze", path, "--device", f"{MAC}=kitchen")
    assert status == 0
    assert f"25% of the packets ({len(whole) // 3} of" in err
    assert "are of EtherType 0x88b5 and cannot be decoded" in err
    path.write_bytes(pcap_bytes([unknown, *whole]))
    assert call("analyze", path, "--device", f"{MAC}=kitchen")[0] == 0
    assert call("analyze", "--strict", path, "--device", f"{MAC}=kitchen")[0] == 3


def gre(frame: Frame) -> Frame:
    """The IP packet alone, as a tunnel between two routers carries it."""
    head = MIRROR + ip(47, 4 + frame.wire - 14) + b"\0\0\x08\0"
    return Frame(frame.time_ns, head + frame.data[14:], frame.wire - 14 + len(head))


def test_hosts_in_a_tunnel_without_mac_addresses_are_known_by_what_they_show(call: Call, tmp_path: Path) -> None:
    house = House(seed=5)
    host = house.host("kitchen", mac="68:db:f5:00:00:11")
    host.joins(0.5)
    host.says(3).to("voice.example.com", at=20)
    path = tmp_path / "gre.pcap"
    path.write_bytes(pcap_bytes([gre(frame) for frame in house.frames() if frame.data[12:14] == b"\x08\0"]))
    status, out, _ = call("analyze", "-q", path, "--device", "68:db:f5:00:00:11=kitchen")
    assert status == 0
    assert [line.split()[2:4] for line in out.splitlines()[1:]] == [["kitchen", "speech"]]


@pytest.mark.parametrize("pure", [False, True])
def test_captures_that_were_concatenated_are_read_as_one(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pure: bool
) -> None:
    if pure:
        monkeypatch.setattr(native, "CAPTURE", None)
    whole = frames()
    path = tmp_path / "cat.pcap"
    path.write_bytes(b"".join(pcap_bytes(part) for part in (whole[:40], whole[40:90], whole[90:])))
    with open_capture(path) as reader:
        assert sum(len(block) for block in reader) == len(whole)
        assert reader.problems == ["3 captures follow each other in the file"]
    _, out, _ = call("analyze", "-q", path, "--device", f"{MAC}=kitchen")
    assert [line.split()[3] for line in out.splitlines()[1:]] == ["speech", "speech"]
