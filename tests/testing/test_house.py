"""The builder of captures: what it says it sent is what is on the wire, and other programs agree."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sniffer.model import address_text
from sniffer.testing import House
from sniffer.testing.wire import checksum, quic_initial

VOICE = "voice.example.com"


def story() -> House:
    house = House(seed=1)
    echo = house.host("kitchen", "02:00:00:00:00:0a")
    phone = house.host("phone", "02:00:00:00:00:0b")
    echo.joins(0.1, hostname="speaker-1", vendor_class="made up")
    echo.advertises("_speaker._tcp", 0.5, txt=["md=thing"])
    phone.asks_for("_speaker._tcp", 0.6)
    echo.says(3.2).to(VOICE, at=5)
    echo.says(2, transport="quic", chunk=1200).over(jitter=0.02).to("quic.example.com", at=15)
    echo.flushes(170_000).over(merge=True).to("logs.example.com", at=20)
    echo.flushes(17_000).over(retransmit=0.2).to("six.example.com", at=25, ipv6=True)
    echo.calls(2).to("call.example.com", at=30, port=5000)
    echo.plays(10).to("music.example.com", at=33)
    echo.writes([(0, True, 50), (0.1, True, 50)]).to(phone, at=40, port=55443, opened=True)
    return house


def test_what_was_said_is_on_the_wire() -> None:
    house = House(seed=3)
    echo = house.host("kitchen", "02:00:00:00:00:0a")
    said = echo.says(3.2).to(VOICE, at=5, opened=True)
    batch = house.batch()
    up = (batch.eth_src == echo.key) & (batch.payload_len > 0)
    assert batch.payload_len[up].sum() == said.bytes
    assert batch.time_ns[up][0] == said.start_ns
    assert abs(batch.time_ns[up][-1] - said.end_ns) < 1_000_000
    assert {address_text(0, low) for low in batch.dst_low[up]} == {said.peer}


def test_the_same_seed_says_the_same_bytes() -> None:
    assert story().pcap() == story().pcap()


def test_receive_offload_merges_and_retransmission_repeats() -> None:
    def upstream(**network: object) -> tuple[int, int, int]:
        house = House(seed=2)
        echo = house.host("kitchen", "02:00:00:00:00:0a")
        echo.flushes(400_000, 0.05).over(**network).to(VOICE, at=5, opened=True)  # type: ignore[arg-type]
        batch = house.batch()
        rows = (batch.eth_src == echo.key) & (batch.payload_len > 0)
        return int(rows.sum()), int(batch.payload_len[rows].sum()), len(np.unique(batch.tcp_seq[rows]))

    packets, size, _ = upstream()
    merged, merged_size, _ = upstream(merge=True)
    again, again_size, sequences = upstream(retransmit=0.2)
    assert merged < packets / 4
    assert size == merged_size == 400_000
    assert again > packets and again_size > size and sequences == packets


def test_a_snapped_capture_keeps_the_length_on_the_wire() -> None:
    frames = story().frames()
    assert all(frame.snapped(96).wire == frame.wire and len(frame.snapped(96).data) <= 96 for frame in frames)


def test_checksum_against_the_plain_sum() -> None:
    def plain(data: bytes) -> int:
        total = sum(int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return 0xFFFF - total

    for data in (b"", b"\0\0", b"\xff\xff", b"\x12\x34\x56", bytes(range(256))):
        assert checksum(data) == plain(data)


def test_quic_initial_begins_as_in_the_standard() -> None:
    """RFC 9001, appendix A.2 (what is sealed inside is checked with tshark below)."""
    packet = quic_initial(b"\x01\x00\x00\xed\x03\x03", bytes.fromhex("8394c8f03e515708"), number=2)
    assert len(packet) == 1200
    assert packet[1:18].hex() == "00000001088394c8f03e5157080000449e"


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_tshark_reads_it_without_complaint(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"story.{kind}"
    house = story()
    path.write_bytes(house.pcap() if kind == "pcap" else house.pcapng())
    fields = ("tls.handshake.extensions_server_name", "dns.qry.name", "dhcp.option.hostname",
              "ip.checksum.status", "tcp.checksum.status", "udp.checksum.status", "_ws.malformed")  # fmt: skip
    command = ["tshark", "-r", str(path), "-T", "ek", *[part for field in fields for part in ("-e", field)]]
    command += [part for proto in ("ip", "tcp", "udp") for part in ("-o", f"{proto}.check_checksum:TRUE")]
    output = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    layers = [json.loads(line)["layers"] for line in output.splitlines() if '"layers"' in line]
    assert len(layers) == len(house.frames())

    def values(field: str) -> set[str]:
        return {value for layer in layers for value in layer.get(field.replace(".", "_"), [])}

    names = {VOICE, "quic.example.com", "logs.example.com", "six.example.com", "music.example.com"}
    assert values("tls.handshake.extensions_server_name") == names
    assert names <= values("dns.qry.name")
    assert values("dhcp.option.hostname") == {"speaker-1"}
    for proto in ("ip", "tcp", "udp"):
        assert values(f"{proto}.checksum.status") == {"1"}, proto
    assert not values("_ws.malformed")
