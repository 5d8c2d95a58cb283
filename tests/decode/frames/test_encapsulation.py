# ruff: noqa: E501 - a row of a table is a line
"""Link types, tags and tunnels: peeled down to the packet inside, in C and in Python alike."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.contrib.nsh import NSH
from scapy.contrib.tzsp import TZSP, TZSPTagEnd, TZSPTagRawRSSIByte
from scapy.layers.dot11 import Dot11, Dot11Beacon, Dot11FCS, Dot11QoS, RadioTap
from scapy.layers.inet import GRE, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, LLC, SNAP, STP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import HDLC, PPP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from sniffer import native
from sniffer.decode import decode
from sniffer.model import PACKET_COLUMNS, DecodeErrors, PacketBatch, Selection, address_pair, mac_key
from sniffer.testing import Frame, pcap_bytes
from tests.decode.frames.test_batch import frames_block

COMPILED = native.DECODE
MAC, ROUTER = "68:db:f5:00:00:11", "02:00:00:00:00:01"
NET4 = IP(src="192.168.1.20", dst="52.94.233.109")
NET6 = IPv6(src="2001:db8:1::20", dst="2001:db8:2::1")
SEGMENT = TCP(sport=40412, dport=443, seq=77, ack=5, flags="PA") / Raw(bytes(range(200)))
PLAIN = Ether(src=MAC, dst=ROUTER) / NET4 / SEGMENT
SIX = Ether(src=MAC, dst=ROUTER) / NET6 / SEGMENT
TAGGED = Ether(src=MAC, dst=ROUTER) / Dot1Q(vlan=30) / NET4 / SEGMENT
MIRROR = Ether(src="02:5e:00:00:00:01", dst="02:5e:00:00:00:02")
HOME = MIRROR / IP(src="10.9.0.1", dst="10.9.0.250")
HOME6 = MIRROR / IPv6(src="fd00:9::1", dst="fd00:9::250")
ABROAD = Ether(src=MAC, dst=ROUTER) / IP(src="192.168.1.20", dst="52.1.2.3")
NET6PUBLIC = IPv6(src="2001:db8:1::20", dst="2a00:1::1")
ROW = bytes(NET4 / SEGMENT)


def ether(kind: int, body: bytes) -> bytes:
    return bytes(Ether(src=MAC, dst=ROUTER, type=kind)) + body


def nflog(*fields: tuple[int, bytes], family: int = 2, order: str = "<") -> bytes:
    data = bytes([family, 0, 0, 9])
    for kind, value in fields:
        data += struct.pack(order + "HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
    return data


def wifi(to_ds: bool, from_ds: bool, *, qos: bool = False, four: bool = False) -> Packet:
    places = {(0, 0): (ROUTER, MAC, "02:bb:00:00:00:01"), (1, 0): ("02:bb:00:00:00:01", MAC, ROUTER),
              (0, 1): (ROUTER, "02:bb:00:00:00:01", MAC), (1, 1): ("02:bb:00:00:00:01", "02:bb:00:00:00:02", ROUTER)}  # fmt: skip
    one, two, three = places[int(to_ds), int(from_ds)]
    head = Dot11(type=2, subtype=8 if qos else 0, FCfield=to_ds | from_ds << 1, addr1=one, addr2=two, addr3=three)
    if four:
        head.addr4 = MAC
    return (head / Dot11QoS() if qos else head) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x800) / NET4 / SEGMENT


def tzsp(inner: Packet, kind: int = 1) -> Packet:
    return (
        UDP(sport=41000, dport=37008) / TZSP(encapsulated_protocol=kind) / TZSPTagRawRSSIByte() / TZSPTagEnd() / inner
    )


#: What is wrapped how; the link type; whether MAC addresses are known (source, destination).
CASES: dict[str, tuple[bytes | Packet, int, tuple[bool, bool]]] = {
    "four tags": (Ether(src=MAC, dst=ROUTER) / Dot1AD(vlan=2) / Dot1Q(vlan=3) / Dot1Q(vlan=4) / Dot1Q(vlan=5) / NET4 / SEGMENT, 1, (True, True)),
    "mpls": (ether(0x8847, bytes(MPLS(label=16, s=0) / MPLS(label=17, s=1)) + ROW), 1, (True, True)),
    "mpls, pseudowire with control word": (bytes(MIRROR)[:12] + b"\x88\x47" + bytes(MPLS(label=9, s=1)) + bytes(4) + bytes(PLAIN), 1, (True, True)),
    "snap in 802.3": (Dot3(src=MAC, dst=ROUTER) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x800) / NET4 / SEGMENT, 1, (True, True)),
    "snap behind a tag": (ether(0x8100, b"\0\x07" + struct.pack(">H", len(ROW) + 8) + b"\xaa\xaa\x03\0\0\0\x08\0" + ROW), 1, (True, True)),
    "ip in ip": (HOME / NET4 / SEGMENT, 1, (False, False)),
    "6in4": (HOME / NET6 / SEGMENT, 1, (False, False)),
    "6in4 to a broker": (ABROAD / NET6PUBLIC / SEGMENT, 1, (True, True)),
    "ip in ip to a server": (ABROAD / NET4 / SEGMENT, 1, (True, True)),
    "gre from a server's side": (Ether(src=MAC, dst=ROUTER) / IP(src="52.1.2.3", dst="192.168.1.20") / GRE(proto=0x800) / NET4 / SEGMENT, 1, (True, True)),
    "4in6": (HOME6 / NET4 / SEGMENT, 1, (False, False)),
    "gre": (HOME / GRE(proto=0x800) / NET4 / SEGMENT, 1, (False, False)),
    "gre with key, checksum and number": (HOME / GRE(key_present=1, key=9, chksum_present=1, seqnum_present=1, sequence_number=3, proto=0x86DD) / NET6 / SEGMENT, 1, (False, False)),
    "gretap": (HOME / GRE(proto=0x6558, key_present=1, key=2) / TAGGED, 1, (True, True)),
    "erspan 1": (HOME / GRE(proto=0x88BE) / PLAIN, 1, (True, True)),
    "erspan 2": (HOME6 / GRE(proto=0x88BE, seqnum_present=1, sequence_number=8) / ERSPAN_II(session_id=900) / TAGGED, 1, (True, True)),
    "erspan 3": (HOME / GRE(proto=0x22EB, seqnum_present=1, sequence_number=8) / ERSPAN_III(session_id=3, o=0) / SIX, 1, (True, True)),
    "erspan 3 with a subheader": (HOME / GRE(proto=0x22EB, seqnum_present=1) / Raw(bytes(ERSPAN_III(o=0))[:11] + b"\x01" + bytes(8)) / PLAIN, 1, (True, True)),
    "vxlan": (HOME6 / UDP(sport=1234, dport=4789) / VXLAN(vni=70) / PLAIN, 1, (True, True)),
    "vxlan, Linux's port": (HOME / UDP(sport=1234, dport=8472) / VXLAN(vni=70) / SIX, 1, (True, True)),
    "vxlan to a group": (MIRROR / IP(src="203.0.113.4", dst="239.1.1.1") / UDP(sport=1234, dport=4789) / VXLAN(vni=70) / PLAIN, 1, (True, True)),
    "geneve with options": (HOME / UDP(sport=1234, dport=6081) / GENEVE(vni=5, proto=0x6558, optionlen=2, options=[]) / Raw(bytes(8)) / PLAIN, 1, (True, True)),
    "geneve, ip": (HOME / UDP(sport=1234, dport=6081) / GENEVE(vni=5, proto=0x800) / NET4 / SEGMENT, 1, (False, False)),
    "tzsp": (HOME / tzsp(PLAIN), 1, (True, True)),
    "tzsp of a tagged frame over IPv6": (HOME6 / tzsp(TAGGED), 1, (True, True)),
    "tzsp, 802.11": (HOME / tzsp(wifi(True, False), 18), 1, (True, True)),
    "vxlan in gre in a tag": (Ether(src=ROUTER, dst=MAC) / Dot1Q() / IP(src="10.0.0.1", dst="10.0.0.2") / GRE(proto=0x6558) / HOME / UDP(sport=1234, dport=4789) / VXLAN() / PLAIN, 1, (True, True)),
    "tzsp on tcpdump -i any": (struct.pack(">HHIHBB", 0x800, 0, 3, 1, 0, 6) + b"\x02\x5e\0\0\0\x01\0\0" + bytes(HOME.payload / tzsp(PLAIN)), 276, (True, True)),
    "batman unicast": (bytes(MIRROR)[:12] + b"\x43\x05" + b"\x40\x0f\x32\x09" + bytes(6) + bytes(TAGGED), 1, (True, True)),
    "batman with four addresses": (bytes(MIRROR)[:12] + b"\x43\x05" + b"\x42\x0f\x32\x09" + bytes(14) + bytes(PLAIN), 1, (True, True)),
    "batman broadcast": (bytes(MIRROR)[:12] + b"\x43\x05" + b"\x01\x0f\x32\0" + bytes(10) + bytes(PLAIN), 1, (True, True)),
    "backbone bridging": (bytes(MIRROR)[:12] + b"\x88\xe7" + bytes(4) + bytes(PLAIN), 1, (True, True)),
    "nsh": (ether(0x894F, bytes(NSH(mdtype=2, nextproto=1)) + ROW), 1, (True, True)),
    "signed only (macsec)": (ether(0x88E5, b"\x20\0\0\0\0\1" + bytes(8) + b"\x08\0" + ROW), 1, (True, True)),
    "MediaTek's tag, port 2": (bytes(PLAIN)[:12] + b"\0\2\0\0" + bytes(PLAIN)[12:], 1, (True, True)),
    "Qualcomm's tag, port 5": (bytes(PLAIN)[:12] + b"\x80\x05" + bytes(PLAIN)[12:], 1, (True, True)),
    "Realtek's tag": (bytes(PLAIN)[:12] + b"\x88\x99\x04\0\0\0\0\x03" + bytes(PLAIN)[12:], 1, (True, True)),
    "Marvell's tag, said to be Ethernet": (bytes(SIX)[:12] + b"\xc0\x28\0\0" + bytes(SIX)[12:], 1, (True, True)),
    "Marvell's tag": (bytes(PLAIN)[:12] + b"\xc0\x28\0\0" + bytes(PLAIN)[12:], 284, (True, True)),
    "EtherType DSA": (bytes(PLAIN)[:12] + b"\xda\xda\0\0\xc0\x28\0\0" + bytes(PLAIN)[12:], 285, (True, True)),
    "Broadcom's tag": (bytes(PLAIN)[:12] + b"\x20\0\0\3" + bytes(PLAIN)[12:], 281, (True, True)),
    "Broadcom's tag in front": (b"\x20\0\0\3" + bytes(PLAIN), 282, (True, True)),
    "nflog": (nflog((1, b"\x08\0\1\0"), (5, bytes(4)), (10, b"web\0"), (9, ROW)), 239, (False, False)),
    "nflog with the source": (nflog((1, b"\x08\0\1\0"), (8, b"\0\6\0\0" + bytes.fromhex(MAC.replace(":", "")) + bytes(2)), (9, ROW)), 239, (True, False)),
    "nflog with the header, big endian": (nflog((1, b"\x08\0\1\0"), (16, bytes(PLAIN)[:14]), (9, ROW), order=">"), 239, (True, True)),
    "nflog, IPv6": (nflog((9, bytes(NET6 / SEGMENT)), family=10), 239, (False, False)),
    "pktap": (struct.pack("<III", 108, 1, 1) + bytes(96) + bytes(TAGGED), 258, (True, True)),
    "pktap of raw IP": (struct.pack("<III", 120, 1, 12) + bytes(108) + ROW, 258, (False, False)),
    "ppi": (struct.pack("<BBHI", 0, 0, 20, 1) + bytes(12) + bytes(PLAIN), 192, (True, True)),
    "ppi, 802.11": (struct.pack("<BBHI", 0, 0, 32, 105) + bytes(24) + bytes(wifi(True, False)), 192, (True, True)),
    "radiotap": (RadioTap(present="TSFT+Flags+Rate", Flags="") / wifi(True, False), 127, (True, True)),
    "radiotap, quality of service": (RadioTap(present="Flags+dBm_AntSignal", Flags="FCS") / wifi(False, True, qos=True), 127, (True, True)),
    "802.11, four addresses": (wifi(True, True, four=True), 105, (True, True)),
    "802.11 between stations": (wifi(False, False), 105, (True, True)),
    "prism": (struct.pack("<II", 0x44, 144) + bytes(136) + bytes(wifi(True, False)), 119, (True, True)),
    "avs": (struct.pack(">II", 0x80211001, 64) + bytes(56) + bytes(wifi(True, False)), 163, (True, True)),
    "pf's log": (bytes([61, 2]) + bytes(62) + ROW, 117, (False, False)),
    "cisco hdlc": (b"\x0f\0\x08\0" + ROW, 104, (False, False)),
    "ppp with a direction": (b"\0" + bytes(HDLC() / PPP(proto=0x21)) + ROW, 204, (False, False)),
    "openbsd's ipsec": (struct.pack("<I", 2) + bytes(8) + ROW, 109, (False, False)),
}  # fmt: skip


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(native, "DECODE", None)
    elif native.DECODE is None:
        pytest.skip("the compiled piece is not built (python hatch_build.py)")


def read(frame: bytes | Packet, link_type: int, *, cut: int | None = None) -> tuple[PacketBatch, DecodeErrors]:
    return decode(frames_block([bytes(frame)], link_type=link_type, cut=cut), Selection())


@pytest.mark.parametrize("name", CASES)
def test_the_packet_inside_is_read(name: str) -> None:
    frame, link_type, (source, target) = CASES[name]
    batch, errors = read(frame, link_type)
    assert not errors.by_protocol
    assert errors.packets == len(batch) == 1
    pair = address_pair("192.168.1.20") if batch.ip_version[0] == 4 else address_pair("2001:db8:1::20")
    assert (int(batch.src_high[0]), int(batch.src_low[0])) == pair
    assert (batch.src_port[0], batch.dst_port[0], batch.tcp_seq[0]) == (40412, 443, 77)
    assert batch.payload_len[0] == batch.payload_captured[0] == 200
    assert bytes(batch.payload(0)) == bytes(range(200))
    assert (int(batch.eth_src[0]) == mac_key(MAC)) is source
    assert (int(batch.eth_dst[0]) == mac_key(ROUTER)) is target
    if not source:
        assert int(batch.eth_src[0]) >> 63


@pytest.mark.parametrize("name", CASES)
def test_a_cut_frame_never_fails(name: str) -> None:
    frame, link_type, _ = CASES[name]
    whole = bytes(frame)
    for cut in range(0, len(whole), 5):
        read(whole, link_type, cut=cut)


@pytest.mark.parametrize(
    ("frame", "link_type", "cause"),
    [
        (ether(0x88B5, bytes(60)), 1, {"ether_type": 1}),
        (ether(0x88E5, b"\x2c" + bytes(60)), 1, {"encrypted": 1}),
        (Dot11(type=2, FCfield=0x41) / Raw(bytes(60)), 105, {"encrypted": 1}),
        (RadioTap(present="Flags", Flags="badFCS") / wifi(True, False), 127, {"link": 1}),
        (HOME / GRE(proto=0x1234) / Raw(bytes(60)), 1, {"tunnel": 1}),
        (HOME / UDP(dport=37008) / Raw(b"\x02" + bytes(40)), 1, {"tunnel": 1}),
        (bytes(60), 189, {"link": 1}),
        (struct.pack("<III", 108, 1, 189) + bytes(160), 258, {"link": 1}),
        (ether(0x8847, bytes(4) * 12), 1, {"link": 1}),
    ],
)
def test_what_cannot_be_read_is_counted_by_its_cause(
    frame: bytes | Packet, link_type: int, cause: dict[str, int]
) -> None:
    assert dict(read(frame, link_type)[1].by_protocol) == cause


@pytest.mark.parametrize(
    ("frame", "link_type"),
    [
        (RadioTap() / Dot11(type=0, subtype=8, addr2=MAC) / Dot11Beacon(), 127),
        (Dot11(type=2, subtype=4, addr2=MAC), 105),
        (Dot11FCS(type=1, subtype=13, addr1=MAC), 105),
        (Dot3(src=MAC) / LLC() / STP(), 1),
        (ether(0x88CC, bytes(50)), 1),
        (Ether(src=MAC) / ARP(), 1),
    ],
)
def test_frames_that_carry_no_packet_are_no_errors(frame: bytes | Packet, link_type: int) -> None:
    _, errors = read(frame, link_type)
    assert not errors.by_protocol


@pytest.mark.parametrize("port", [4789, 6081, 37008])
@pytest.mark.parametrize("network", [IP(src="192.168.1.20", dst="52.1.2.3"), IPv6(src="2a00::20", dst="2a00:1::1")])
def test_a_speaker_hides_no_upload_in_a_tunnel_to_the_internet(port: int, network: Packet) -> None:
    inner = Ether(src="02:00:00:00:00:99") / IP(dst="192.168.1.9") / SEGMENT
    wrapped = {4789: VXLAN() / inner, 6081: GENEVE(proto=0x6558) / inner, 37008: tzsp(inner)[1]}[port]
    batch, _ = read(Ether(src=MAC, dst=ROUTER) / network / UDP(dport=port) / wrapped, 1)
    assert int(batch.eth_src[0]) == mac_key(MAC)
    assert (batch.proto[0], batch.dst_port[0]) == (17, port)
    assert batch.payload_len[0] > 250


PRIVATE = IP(src="10.7.7.2", dst="10.7.7.1") / SEGMENT
STRANGER = Ether(src="02:00:00:00:00:99", dst="02:00:00:00:00:98")


@pytest.mark.parametrize(
    "wrapped",
    [
        PRIVATE,
        IPv6(src="fd00::2", dst="fd00::1") / SEGMENT,
        GRE(proto=0x800) / PRIVATE,
        GRE(proto=0x6558) / STRANGER / NET4 / SEGMENT,
        GRE(proto=0x88BE) / STRANGER / NET4 / SEGMENT,
        GRE(proto=0x6558) / STRANGER / ARP(),
    ],
    ids=["ip in ip", "6in4", "gre", "a frame", "erspan", "arp"],
)
@pytest.mark.parametrize("down", [False, True])
def test_a_tunnel_to_the_internet_hides_neither_its_host_nor_what_is_sent(wrapped: Packet, down: bool) -> None:
    ends = ("52.1.2.3", "192.168.1.20") if down else ("192.168.1.20", "52.1.2.3")
    outer = Ether(src=ROUTER, dst=MAC) if down else Ether(src=MAC, dst=ROUTER)
    batch, errors = read(outer / IP(src=ends[0], dst=ends[1]) / wrapped, 1)
    assert dict(errors.by_protocol) == {"tunnel": 1}
    assert int(batch.eth_dst[0] if down else batch.eth_src[0]) == mac_key(MAC)
    assert (int(batch.dst_high[0]), int(batch.dst_low[0])) == address_pair(ends[1])
    assert batch.payload_len[0] == len(wrapped)


def test_tunnels_are_peeled_to_a_bounded_depth() -> None:
    packet: Packet = PLAIN
    for _ in range(8):
        packet = HOME / GRE(proto=0x6558) / packet
    assert int(read(packet, 1)[0].eth_src[0]) == mac_key(MAC)
    batch, errors = read(HOME / GRE(proto=0x6558) / packet, 1)
    assert dict(errors.by_protocol) == {"tunnel": 1}
    assert batch.proto[0] == 47


#: What tshark takes for plain Ethernet or does not know by default; the last has no frame check sequence, and claims one.
UNKNOWN_TO_TSHARK = {
    "MediaTek's tag, port 2", "Qualcomm's tag, port 5", "Realtek's tag", "Marvell's tag, said to be Ethernet", "Marvell's tag",
    "EtherType DSA", "Broadcom's tag", "Broadcom's tag in front", "mpls, pseudowire with control word", "vxlan, Linux's port",
    "nflog with the header, big endian", "radiotap, quality of service",
}  # fmt: skip
SEEDS = [(bytes(frame)[:160], link_type) for frame, link_type, _ in CASES.values()]
SEEDS += [(bytes(ABROAD / inner)[:160], 1) for inner in (PRIVATE, GRE(proto=0x6558) / STRANGER / NET4 / SEGMENT)]


@pytest.mark.slow
@pytest.mark.skipif(COMPILED is None, reason="the compiled piece is not built (python hatch_build.py)")
@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 159), st.integers(0, 255)), max_size=6),
    st.integers(0, 160),
    st.sampled_from([0, 0, 0, 1, 101, 113, 127, 147, 239, 258]),
    st.integers(0, 4000),
)
def test_c_and_python_agree_on_everything(
    seed: tuple[bytes, int], changes: list[tuple[int, int]], cut: int, other: int, more: int
) -> None:
    data = bytearray(seed[0])
    for at, value in changes:
        data[at % len(data)] = value
    block = frames_block([bytes(data) + bytes(more)], link_type=other or seed[1], cut=cut or None)
    found = []
    for form in (COMPILED, None):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "DECODE", form)
            found.append(decode(block, Selection()))
    (one, left), (two, right) = found
    assert (dict(left.by_protocol), left.overlong, left.packets, left.ether_types) == (
        dict(right.by_protocol), right.overlong, right.packets, right.ether_types)  # fmt: skip
    for name in PACKET_COLUMNS:
        assert np.array_equal(getattr(one, name), getattr(two, name)), name


@pytest.mark.slow
@pytest.mark.skipif(which("tshark") is None, reason="tshark is not installed")
@pytest.mark.parametrize("link_type", sorted({link_type for _, link_type, _ in CASES.values()}))
def test_tshark_finds_the_same_packet(tmp_path: Path, link_type: int) -> None:
    names = [name for name, case in CASES.items() if case[1] == link_type and name not in UNKNOWN_TO_TSHARK]
    if not names:
        pytest.skip("tshark cannot read it without being told what it is")
    path = tmp_path / "one.pcap"
    frames = [Frame(number * 10**9, (data := bytes(CASES[name][0])), len(data)) for number, name in enumerate(names)]
    path.write_bytes(pcap_bytes(frames, link_type=link_type))
    command = ["tshark", "-r", str(path), "-T", "json", "-e", "tcp.srcport", "-e", "tcp.len", "-e", "eth.src"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for name, packet in zip(names, json.loads(done.stdout), strict=True):
        layers = packet["_source"]["layers"]
        assert (layers["tcp.srcport"][-1], layers["tcp.len"][-1]) == ("40412", "200"), name
