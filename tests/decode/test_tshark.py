"""tshark as the oracle: the same columns from the same captures."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from sniffer.capture.files.open import open_capture
from sniffer.decode import decode
from sniffer.model import PROTO_TCP, PROTO_UDP, Selection, address_text, mac_text
from tests.capture.formats import pcap
from tests.conftest import ToolFinder
from tests.decode.packets import ALL, links

pytestmark = pytest.mark.slow

FIELDS = (
    "frame.time_epoch", "frame.len", "eth.src", "eth.dst", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto",
    "tcp.srcport", "tcp.dstport", "tcp.len", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "udp.srcport", "udp.dstport",
    "udp.length",
)  # fmt: skip


def theirs(tshark: str, path: Path) -> list[dict[str, str]]:
    """One row of fields a packet; no heuristics, no reassembly: header fields only."""
    command = [tshark, "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=f", "-E", "separator=|"]
    command += ["-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]
    command += [part for field in FIELDS for part in ("-e", field)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [dict(zip(FIELDS, line.split("|"), strict=True)) for line in lines]


def ours(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with open_capture(path) as capture:
        for block in capture:
            batch, _ = decode(block, Selection())
            assert len(batch) == len(block)
            for i in range(len(batch)):
                rows.append(
                    {
                        "time_ns": int(batch.time_ns[i]),
                        "wire": int(batch.wire_len[i]),
                        "macs": (mac_text(int(batch.eth_src[i])), mac_text(int(batch.eth_dst[i]))),
                        "version": int(batch.ip_version[i]),
                        "addresses": (
                            address_text(batch.src_high[i], batch.src_low[i]),
                            address_text(batch.dst_high[i], batch.dst_low[i]),
                        ),
                        "proto": int(batch.proto[i]),
                        "ports": (int(batch.src_port[i]), int(batch.dst_port[i])),
                        "payload": int(batch.payload_len[i]),
                        "tcp": (int(batch.tcp_seq[i]), int(batch.tcp_ack[i]), int(batch.tcp_flags[i])),
                    }
                )
    return rows


def nanoseconds(epoch: str) -> int:
    seconds, fraction = epoch.split(".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0")[:9])


def compare(tshark: str, path: Path) -> int:
    """Compare all rows; how many had a transport."""
    mine, other = ours(path), theirs(tshark, path)
    assert len(mine) == len(other)
    compared = 0
    for number, (we, they) in enumerate(zip(mine, other, strict=True), 1):
        where = f"{path.name} packet {number}: {they}"
        assert we["time_ns"] == nanoseconds(they["frame.time_epoch"]), where
        assert we["wire"] == int(they["frame.len"]), where
        if they["eth.src"]:
            assert we["macs"] == (they["eth.src"], they["eth.dst"]), where
        if we["version"] == 4:
            assert we["addresses"] == (they["ip.src"], they["ip.dst"]), where
        elif we["version"] == 6:
            assert we["addresses"] == (they["ipv6.src"], they["ipv6.dst"]), where
        else:
            assert not they["ip.src"], where
        if we["proto"] == PROTO_TCP and they["tcp.srcport"]:
            compared += 1
            assert we["ports"] == (int(they["tcp.srcport"]), int(they["tcp.dstport"])), where
            assert we["tcp"][:2] == (int(they["tcp.seq_raw"]), int(they["tcp.ack_raw"])), where
            assert we["tcp"][2] == int(they["tcp.flags"], 16) & 0xFF, where
            assert we["payload"] == int(they["tcp.len"]), where
        elif we["proto"] == PROTO_UDP and they["udp.srcport"]:
            compared += 1
            assert we["ports"] == (int(they["udp.srcport"]), int(they["udp.dstport"])), where
    return compared


def test_every_kind_of_packet(tool: ToolFinder, tmp_path: Path) -> None:
    path = tmp_path / "all.pcap"
    path.write_bytes(pcap([(1_600_000_000_000_000_000 + i, bytes(packet)) for i, packet in enumerate(ALL)], nano=True))
    assert compare(tool("tshark"), path) >= 25
    for number, frames in links():
        path.write_bytes(pcap([(1_600_000_000_000_000_000, frame) for frame in frames], link_type=number))
        assert compare(tool("tshark"), path) == len(frames), number


@pytest.mark.data
@pytest.mark.parametrize(
    "pattern", ["ndpi/*.pcap*", "vcf/haipeng_li/*weather*", "iot-sentinel/[A-H]*", "cic/*/*_1.pcap"]
)
def test_real_captures(tool: ToolFinder, shared_data: Path, pattern: str) -> None:
    paths = sorted(shared_data.glob(pattern))[:8]
    assert paths
    assert sum(compare(tool("tshark"), path) for path in paths) > 100
