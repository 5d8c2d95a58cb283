"""Columns from frames: scapy builds the packets, so that what is expected comes from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, CookedLinux, Ether, Loopback
from scapy.layers.ppp import PPP, PPPoE
from scapy.packet import Packet, Raw

from sniffer import native
from sniffer.decode import decode, identity_rows
from sniffer.model import FrameBlock, PacketBatch, Selection, address_key, address_pair, mac_key, sorted_keys
from tests.decode.packets import BODY, ETHER, IDENTITY, OTHER, SEGMENT, V4, V6, WRAPPED, A, B, C


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test here runs both ways."""
    if request.param == "numpy":
        monkeypatch.setattr(native, "DECODE", None)
    elif native.DECODE is None:
        pytest.skip("the compiled piece is not built (python hatch_build.py)")


def frames_block(frames: list[bytes], *, link_type: int = 1, cut: int | None = None) -> FrameBlock:
    kept = [frame[:cut] for frame in frames]
    sizes = np.array([len(frame) for frame in kept], dtype=np.int64)
    return FrameBlock(
        interface="test",
        link_type=link_type,
        data=memoryview(b"".join(kept)),
        offset=np.cumsum(sizes) - sizes,
        captured=sizes.astype(np.int32),
        wire=np.array([len(frame) for frame in frames], dtype=np.int32),
        time_ns=np.arange(len(frames), dtype=np.int64),
    )


def one(packet: Packet | bytes, *, link_type: int = 1, cut: int | None = None) -> PacketBatch:
    batch, errors = decode(frames_block([bytes(packet)], link_type=link_type, cut=cut), Selection())
    assert not errors.by_protocol
    assert len(batch) == 1
    return batch


def check_tcp(batch: PacketBatch, network: Packet, *, src: int, dst: int, payload: int = 300) -> None:
    assert int(batch.eth_src[0]) == src
    assert int(batch.eth_dst[0]) == dst
    assert (int(batch.src_high[0]), int(batch.src_low[0])) == address_pair(network.src)
    assert (int(batch.dst_high[0]), int(batch.dst_low[0])) == address_pair(network.dst)
    assert batch.ip_version[0] == (6 if ":" in network.src else 4)
    assert batch.ether_type[0] == (0x86DD if ":" in network.src else 0x0800)
    assert batch.proto[0] == 6
    assert (batch.src_port[0], batch.dst_port[0]) == (40412, 443)
    assert (batch.tcp_seq[0], batch.tcp_ack[0], batch.tcp_flags[0]) == (4_000_000_000, 7, 0x18)
    assert batch.payload_len[0] == payload


@pytest.mark.parametrize("packet", WRAPPED, ids=lambda packet: packet.summary())
@pytest.mark.parametrize("cut", [None, 160])
def test_ethernet(packet: Packet, cut: int | None) -> None:
    network = packet[IPv6] if IPv6 in packet else packet[IP]
    batch = one(packet, cut=cut)
    check_tcp(batch, network, src=mac_key(A), dst=mac_key(B))
    assert bytes(batch.payload(0)) == bytes(BODY)[: None if cut is None else len(batch.payload(0))]
    assert batch.payload_captured[0] == (300 if cut is None else max(160 - (len(packet) - 300), 0))


@pytest.mark.parametrize("network", [V4, V6])
def test_links_without_ethernet(network: Packet) -> None:
    src, dst = (address_key(*address_pair(text)) for text in (network.src, network.dst))
    inner = network / SEGMENT / BODY
    number = 0x0800 if network is V4 else 0x86DD
    cooked = CookedLinux(pkttype=4, lladdrlen=6, src=bytes.fromhex(A.replace(":", "")) + b"\0\0", proto=number)
    check_tcp(one(cooked / inner, link_type=113), network, src=mac_key(A), dst=dst)
    nobody = CookedLinux(pkttype=4, lladdrlen=0, src=bytes(8), proto=number)
    check_tcp(one(nobody / inner, link_type=113), network, src=src, dst=dst)
    cooked2 = number.to_bytes(2, "big") + bytes(6) + b"\0\x01\x00\x06" + bytes.fromhex(A.replace(":", "")) + b"\0\0"
    check_tcp(one(cooked2 + bytes(inner), link_type=276), network, src=mac_key(A), dst=dst)
    for raw in (12, 14, 101, 228 if network is V4 else 229):
        check_tcp(one(inner, link_type=raw), network, src=src, dst=dst)
    family = 2 if network is V4 else 30
    check_tcp(one(Loopback(type=family) / inner, link_type=0), network, src=src, dst=dst)
    for order in ("little", "big"):
        for link_type in (0, 108):
            check_tcp(one(family.to_bytes(4, order) + bytes(inner), link_type=link_type), network, src=src, dst=dst)
    number = 0x21 if network is V4 else 0x57
    for framing in (b"\xff\x03", b""):
        for protocol in (bytes([0, number]), bytes([number])):
            check_tcp(one(framing + protocol + bytes(inner), link_type=9), network, src=src, dst=dst)
    check_tcp(one(PPPoE(sessionid=1) / PPP(proto=number) / inner, link_type=51), network, src=src, dst=dst)


def test_ethernet_padding_is_no_payload() -> None:
    ack = bytes(ETHER / V4 / TCP(flags="A"))
    batch = one(ack + bytes(60 - len(ack)))
    assert batch.payload_len[0] == 0
    assert batch.payload_captured[0] == 0
    assert batch.wire_len[0] == 60


@pytest.mark.parametrize("network", [V4, V6])
def test_segmentation_offload_leaves_the_length_empty(network: Packet) -> None:
    packet = ETHER / network / TCP(flags="PA") / Raw(bytes(40_000))
    data = bytearray(bytes(packet))
    at = 14 + (2 if network is V4 else 4)
    data[at : at + 2] = b"\0\0"
    batch = one(bytes(data), cut=96)
    assert batch.payload_len[0] == 40_000


@pytest.mark.parametrize("network", [V4, V6])
@pytest.mark.parametrize("transport", [TCP(flags="PA"), UDP()])
def test_no_packet_is_longer_than_its_frame(network: Packet, transport: Packet) -> None:
    data = bytearray(bytes(ETHER / network / transport / Raw(b"x" * 12)))
    at = 14 + (2 if network is V4 else 4)
    data[at : at + 2] = (60_000).to_bytes(2, "big")
    assert one(bytes(data)).payload_len[0] == 12


@pytest.mark.parametrize("cut", [54, 66, 96, 128])
def test_a_cut_capture_gives_the_same_columns(cut: int) -> None:
    packets = [ETHER / V4 / TCP(flags="PA", seq=i) / Raw(bytes(i)) for i in range(0, 1400, 100)]
    frames = [bytes(packet) for packet in packets]
    whole, _ = decode(frames_block(frames), Selection())
    parts, errors = decode(frames_block(frames, cut=cut), Selection())
    assert not errors.by_protocol
    for name in ("payload_len", "tcp_seq", "src_port", "wire_len", "tcp_flags", "src_low", "eth_src"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_fragments_are_counted_and_carry_their_bytes() -> None:
    whole = V4 / UDP(sport=1, dport=2) / Raw(bytes(3000))
    frames = [bytes(ETHER / part) for part in whole.fragment(1480)]
    frames.append(bytes(ETHER / V6 / IPv6ExtHdrFragment(offset=10, m=1, nh=17) / Raw(bytes(80))))
    batch, errors = decode(frames_block(frames), Selection())
    assert errors.fragments == 4
    assert batch.payload_len.tolist() == [1472, 1480, 48, 80]
    assert batch.dst_port.tolist() == [2, 0, 0, 0]
    assert batch.proto.tolist() == [17, 17, 17, 17]


def test_arp_and_icmp() -> None:
    batch = one(ETHER / ARP(op=2, psrc="192.168.1.1"))
    assert batch.ether_type[0] == 0x0806
    assert batch.payload_len[0] == 28
    assert batch.ip_version[0] == 0
    batch = one(ETHER / V4 / ICMP() / Raw(b"12345678"))
    assert (batch.proto[0], batch.payload_len[0]) == (1, 16)
    solicitation = ETHER / V6 / ICMPv6ND_NS(tgt="fd00::1")
    batch = one(solicitation)
    assert bytes(batch.payload(0)) == bytes(solicitation[ICMPv6ND_NS])


@pytest.mark.parametrize(
    ("frame", "protocol"),
    [
        (bytes(13), "link"),
        (bytes(12) + b"\x81\x00\x00", "link"),
        (bytes(12) + b"\x81\x00\x00\x01" * 9 + b"\x08\x00", "link"),
        (bytes(12) + b"\x08\x00" + b"\x45" + bytes(18), "ipv4"),
        (bytes(12) + b"\x08\x00" + b"\x44" + bytes(30), "ipv4"),
        (bytes(12) + b"\x08\x00" + b"\x65" + bytes(30), "ipv4"),
        (bytes(12) + b"\x08\x00" + b"\x45\x00\x00\x10" + bytes(30), "ipv4"),
        (bytes(12) + b"\x86\xdd" + b"\x60" + bytes(30), "ipv6"),
        (bytes(12) + b"\x86\xdd" + b"\x40" + bytes(50), "ipv6"),
        (bytes(ETHER / V6 / IPv6ExtHdrHopByHop(len=200) / TCP()), "ipv6"),
        (bytes(ETHER / V6) + b"\x3c\0\0\0\0\0\0\0" * 20, "ipv6"),
        (bytes(ETHER / V4 / TCP(dataofs=4)), "tcp"),
        (bytes(ETHER / V4 / TCP(dataofs=15)), "tcp"),
        (bytes(ETHER / V4 / TCP())[:50], "tcp"),
        (bytes(ETHER / V4 / UDP())[:40], "udp"),
    ],
)
def test_what_cannot_be_decoded_is_counted(frame: bytes, protocol: str) -> None:
    data = bytearray(frame)
    if protocol == "ipv6" and len(data) > 200:
        data[18:20] = (len(data) - 54).to_bytes(2, "big")
        data[20] = 60
    batch, errors = decode(frames_block([bytes(data)]), Selection())
    assert dict(errors.by_protocol) == {protocol: 1}
    assert len(batch) == (0 if protocol == "link" else 1)
    if len(batch) and protocol in ("tcp", "udp"):
        assert batch.payload_len[0] == 0


def test_an_unknown_link_type_is_counted() -> None:
    batch, errors = decode(frames_block([bytes(60), bytes(60)], link_type=147), Selection())
    assert len(batch) == 0
    assert dict(errors.by_protocol) == {"link": 2}


# --- selection -----------------------------------------------------------------------------------------------------


def test_identity_packets_of_all_hosts() -> None:
    frames = [bytes(packet) for packet in [*OTHER, *IDENTITY]]
    whole, _ = decode(frames_block(frames), Selection())
    assert identity_rows(whole).tolist() == list(range(len(OTHER), len(frames)))
    batch, _ = decode(frames_block(frames), Selection(keys=sorted_keys([])))
    assert batch.time_ns.tolist() == list(range(len(OTHER), len(frames)))
    batch, _ = decode(frames_block(frames), Selection(keys=sorted_keys([]), identity=False))
    assert len(batch) == 0


def test_rows_of_watched_hosts_in_both_directions() -> None:
    frames = [bytes(p) for p in (*OTHER, ETHER / V4 / SEGMENT, *OTHER, Ether(src=C, dst=A) / V4 / SEGMENT)]
    batch, _ = decode(frames_block(frames), Selection(keys=sorted_keys([mac_key(A), 5, 1 << 63]), identity=False))
    assert batch.time_ns.tolist() == [len(OTHER), 2 * len(OTHER) + 1]


def test_an_empty_block() -> None:
    batch, errors = decode(frames_block([]), Selection())
    assert len(batch) == 0
    assert not errors.by_protocol
