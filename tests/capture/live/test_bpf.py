"""The kernel's filter before four judges: scapy's reading of the frame, an interpreter, tcpdump, and the kernel."""

from __future__ import annotations

import random
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dhcp6 import DHCP6_Solicit
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from sniffer.capture.live.bpf import BPF_MAXINSNS, BUCKET, ROOM, Program, compile_filter, listing, pack, pass_all
from sniffer.model import KEY_FROM_ADDRESS, mac_key
from tests.oracles.bpf import run

pytestmark = pytest.mark.slow

SNAP, FULL = 192, 4080
WATCHED = ["68:db:f5:90:19:64", "68:db:f5:90:19:65", "c4:95:00:e3:93:2f", "02:00:f5:90:19:64"]
STRANGERS = ["68:db:f5:90:19:66", "68:dc:f5:90:19:64", "00:11:22:33:44:55", "02:00:f5:90:19:65"]
PORTS = [53, 67, 68, 443, 546, 547, 1900, 5353, 80, 8443, 40000]
HELLO = bytes.fromhex("160301020001000001fc0303") + bytes(700)
QUIC = b"\xc3\x00\x00\x00\x01" + bytes(1195)
#: Short, of an unknown version, gQUIC with and without an id, and of a draft.
NEARLY = [
    QUIC[:-1],
    b"\xc3\x12\x34\x56\x78" + bytes(1195),
    b"\x0dQ043" + bytes(1195),
    b"\x09" + bytes(8) + b"Q046" + bytes(1187),
    b"\xc0\xff\x00\x00\x1d" + bytes(1195),
]
PAYLOADS = [
    b"",
    b"\x00",
    b"\x40short",
    b"\x17\x03\x03\x01\x00" + bytes(300),
    HELLO,
    HELLO[:5],
    HELLO[:6],
    QUIC,
    *NEARLY,
]


def frames(seed: int, count: int) -> list[bytes]:
    """Frames of every kind that the filter tells apart, and of those that look nearly the same."""
    dice = random.Random(seed)

    def one() -> Packet:
        hosts = [*WATCHED, *STRANGERS] if dice.random() < 0.6 else STRANGERS
        packet: Packet = Ether(src=dice.choice(hosts), dst=dice.choice(hosts))
        for _ in range(dice.choice([0, 0, 0, 1, 2])):
            packet /= Dot1Q(vlan=dice.randrange(1, 4095))
        kind = dice.random()
        if kind < 0.1:
            return packet / ARP()
        if kind < 0.15:
            return packet / Raw(bytes(dice.randrange(60)))
        v6 = dice.random() < 0.4
        if v6 and kind < 0.3:
            layer = dice.choice([ICMPv6ND_NS(), ICMPv6ND_NA(), ICMPv6ND_RA(), ICMPv6EchoRequest()])
            return packet / IPv6() / layer
        options = [b"\x01" * (4 * dice.randrange(4))]
        network = (
            IPv6() if v6 else IP(options=options, frag=dice.choice([0, 0, 0, 0, 7]), flags=dice.choice(["DF", "MF", 0]))
        )
        ports = {"sport": dice.choice(PORTS), "dport": dice.choice(PORTS)}
        if kind < 0.6:
            # scapy would guess layers from the ports; the payload stays bytes
            return packet / network / UDP(**ports) / Raw(dice.choice(PAYLOADS))
        padding = [("NOP", None)] * (4 * dice.randrange(4))
        return packet / network / TCP(options=padding, **ports) / Raw(dice.choice(PAYLOADS))

    return [bytes(one()) for _ in range(count)]


def expected(frame: bytes, keys: set[int]) -> int:
    """What the module's docstring promises, from scapy's reading."""
    packet = Ether(frame)
    if mac_key(packet.src) in keys:
        return FULL
    if is_identity(packet, frame):
        return FULL
    return SNAP if mac_key(packet.dst) in keys else 0


def is_identity(packet: Packet, frame: bytes) -> bool:
    inner = packet.payload
    for _ in range(2):
        if isinstance(inner, Dot1Q):
            inner = inner.payload
    if isinstance(inner, ARP):
        return True
    if isinstance(inner, IP):
        if inner.frag:
            return False
        start, proto = len(frame) - len(bytes(inner)) + 4 * inner.ihl, inner.proto
    elif isinstance(inner, IPv6):
        start, proto = len(frame) - len(bytes(inner)) + 40, inner.nh
    else:
        return False
    body = frame[start:]
    if proto == 58 and isinstance(inner, IPv6):
        return 133 <= body[0] <= 137
    if proto not in (6, 17):
        return False
    ports = set(struct.unpack("!HH", body[:4]))
    if proto == 17:
        if ports & {53, 67, 68, 546, 547, 1900, 5353, 32100, 19704}:
            return True
        known = b"\x00\x00\x00\x01", b"\xff\x00\x00\x1d"
        modern = len(body) >= 1208 and body[8] & 0xF0 == 0xC0 and body[9:13] in known
        return modern or (len(body) >= 1208 and b"Q0" in (body[9:11], body[17:19]))
    if 53 in ports:
        return True
    payload = body[4 * (body[12] >> 4) :]
    return len(payload) >= 6 and payload[:2] == b"\x16\x03" and payload[5] == 1


KEYS = {mac_key(text) for text in WATCHED}


@pytest.mark.parametrize("keys", [KEYS, set(), {mac_key(WATCHED[0])}], ids=["four", "none", "one"])
def test_it_keeps_what_its_docstring_promises(keys: set[int]) -> None:
    program = compile_filter(keys, SNAP, FULL)
    for frame in frames(seed=1, count=700):
        assert run(program, frame) == expected(frame, keys), Ether(frame)


def test_every_device_of_512_is_found_and_no_other() -> None:
    dice = random.Random(2)
    keys = sorted({dice.getrandbits(48) for _ in range(512)})
    program = compile_filter(keys, SNAP, FULL)
    assert len(program) <= BPF_MAXINSNS
    for key in keys:
        for other in (key, key ^ 1, key ^ 1 << 40, key - 1):
            mac = (other & (1 << 48) - 1).to_bytes(6, "big")
            there = int.from_bytes(mac, "big") in set(keys)
            assert run(program, bytes(6) + mac + bytes(50)) == (FULL if there else 0)
            assert run(program, mac + bytes(6) + bytes(50)) == (SNAP if there else 0)


def test_the_work_for_a_packet_grows_with_the_logarithm() -> None:
    def steps(count: int) -> int:
        keys = [0x020000000000 + 7 * n for n in range(count)]
        program = compile_filter(keys, SNAP, FULL)
        taken = 0

        class Counted(list):  # type: ignore[type-arg]
            def __getitem__(self, index):
                nonlocal taken
                taken += 1
                return super().__getitem__(index)

        worst = 0
        for key in keys:
            taken = 0
            run(Counted(program), (key + 1).to_bytes(6, "big") + (key + 3).to_bytes(6, "big") + bytes(50))
            worst = max(worst, taken)
        return worst

    assert steps(512) - steps(64) <= 2 * (3 + BUCKET)


def test_devices_that_share_their_lower_half_are_told_apart() -> None:
    keys = {0x68DB_F590_1964, 0x0200_F590_1964, 0xC495_F590_1964}
    program = compile_filter(keys, SNAP, FULL)
    for upper in (0x68DB, 0x0200, 0xC495, 0x68DC, 0):
        key = upper << 32 | 0xF590_1964
        assert run(program, bytes(6) + key.to_bytes(6, "big") + bytes(50)) == (FULL if key in keys else 0)


def test_too_many_devices_are_refused_and_the_way_out_loses_nothing() -> None:
    with pytest.raises(ValueError, match="of 3000 makers do not fit"):
        compile_filter([maker * 5003 << 24 for maker in range(3000)], SNAP, FULL)
    assert run(pass_all(FULL), b"") == FULL


def test_keys_that_are_no_mac_addresses_are_passed_over() -> None:
    assert compile_filter([KEY_FROM_ADDRESS | 5], SNAP, FULL) == compile_filter([], SNAP, FULL)


def test_no_truncated_frame_to_a_watched_device_is_dropped() -> None:
    """A load outside the packet would drop it: every prefix of a frame, from the addresses on, is still kept."""
    program = compile_filter(KEYS, SNAP, FULL)
    for frame in frames(seed=3, count=150):
        to_watched = bytes.fromhex(WATCHED[0].replace(":", "")) + frame[6:]
        for length in (*range(14, min(len(frame), 90)), len(frame)):
            assert run(program, to_watched[:length]) >= SNAP, to_watched[:length].hex()


@given(st.binary(max_size=120), st.integers(0, 3))
@settings(max_examples=300, deadline=None)
def test_the_kernel_and_the_interpreter_agree_on_any_bytes(tail: bytes, who: int) -> None:
    frame = bytes.fromhex((STRANGERS[who] + WATCHED[who]).replace(":", "")) + tail
    for data in (frame, frame[6:12] + frame[:6] + tail, tail):
        if data:
            program = compile_filter(KEYS, 20, 60)
            assert kernel_keeps(program, [data]) == [min(run(program, data), len(data))]


def test_the_kernel_and_the_interpreter_agree_on_packets() -> None:
    program = compile_filter(KEYS, SNAP, FULL)
    sample = frames(seed=4, count=700)
    assert kernel_keeps(program, sample) == [min(run(program, frame), len(frame)) for frame in sample]


def kernel_keeps(program: Program, sample: list[bytes]) -> list[int]:
    """The kernel runs the program over each frame: any datagram socket takes a filter, and no privilege is needed."""
    import ctypes

    sending, receiving = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sending, receiving:
        code = ctypes.create_string_buffer(pack(program))
        receiving.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", len(program), ctypes.addressof(code)))
        receiving.setblocking(False)
        kept = []
        for frame in sample:
            sending.send(frame)
            try:
                kept.append(len(receiving.recv(65536)))
            except BlockingIOError:
                kept.append(0)
        return kept


TCPDUMP = shutil.which("tcpdump") or ("/usr/bin/tcpdump" if Path("/usr/bin/tcpdump").exists() else None)


@pytest.mark.skipif(TCPDUMP is None, reason="tcpdump is not installed")
def test_tcpdumps_own_program_takes_the_same_packets(tmp_path: Path) -> None:
    """libpcap compiles the same question in its own way; tags are left out, as it cannot ask `vlan or not`."""
    hosts = " or ".join(f"ether host {mac}" for mac in WATCHED)
    ports = " or ".join(f"udp port {port}" for port in (53, 67, 68, 546, 547, 1900, 5353, 32100, 19704))
    hello = "(tcp[(tcp[12] & 0xf0) >> 2 : 2] = 0x1603 and tcp[((tcp[12] & 0xf0) >> 2) + 5] = 1)"
    quic = "(udp[4:2] >= 1208 and ((udp[8] & 0xf0 = 0xc0 and (udp[9:4] = 1 or udp[9:4] = 0xff00001d)) or "
    quic += "udp[9:2] = 0x5130 or udp[17:2] = 0x5130))"
    question = f"{hosts} or arp or {ports} or tcp port 53 or {hello} or {quic}"
    question += " or (icmp6 and ip6[40] >= 133 and ip6[40] <= 137)"
    capture = tmp_path / "empty.pcap"
    capture.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    output = subprocess.run(
        [TCPDUMP, "-ddd", "-r", str(capture), question], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    theirs = [tuple(map(int, line.split())) for line in output[1:]]
    assert len(theirs) == int(output[0])
    ours = compile_filter(KEYS, SNAP, FULL)
    differing = 0
    for frame in frames(seed=5, count=900):
        packet = Ether(frame)
        if packet.haslayer(Dot1Q):
            continue
        mine, its = run(ours, frame) > 0, run(theirs, frame) > 0
        if mine and not its and packet.haslayer(IPv6):
            # libpcap's tcp[] and udp[] look into IPv4 only: ours sees ClientHello and QUIC in IPv6 as well
            differing += 1
            continue
        assert mine == its, packet
    assert differing < 180


def test_where_devices_do_not_fit_addresses_are_compared_without_their_last_bits() -> None:
    dice = random.Random(7)
    keys = [0x68DBF5 << 24 | dice.getrandbits(24) for _ in range(4000)]
    program = compile_filter(keys, SNAP, FULL)
    assert len(program) <= BPF_MAXINSNS
    for key in keys[:50]:
        assert run(program, bytes(6) + key.to_bytes(6, "big") + bytes(50)) == FULL
    assert run(program, bytes(6) + (0x2C1234 << 24).to_bytes(6, "big") + bytes(50)) == 0


def test_the_promised_number_of_devices_fits_exactly() -> None:
    dice = random.Random(8)
    keys = {dice.getrandbits(48) for _ in range(ROOM)}
    program = compile_filter(keys, SNAP, FULL)
    key = next(iter(keys)) ^ 1
    assert run(program, bytes(6) + key.to_bytes(6, "big") + bytes(50)) == (FULL if key in keys else 0)


def test_the_listing_is_what_tcpdump_prints() -> None:
    assert listing(pass_all(262144)) == "6 0 0 262144"


def test_dhcpv6_is_an_identity_protocol() -> None:
    frame = Ether(src=STRANGERS[0], dst="33:33:00:01:00:02") / IPv6() / UDP(sport=546, dport=547) / DHCP6_Solicit()
    assert run(compile_filter([], SNAP, FULL), bytes(frame)) == FULL
