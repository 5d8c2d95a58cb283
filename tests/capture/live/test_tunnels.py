"""What a mirror port sends in tunnels, made by Linux's own devices, with tcpdump's filter language as oracle."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.tzsp import TZSP, TZSPTagEnd
from scapy.layers.inet import IP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from sniffer.capture.live.live import LiveCapture
from sniffer.capture.settings import CaptureSettings
from sniffer.decode import decode
from sniffer.model import Selection
from tests.capture.net import add_pair, ip, namespace, raw_socket, why_not
from tests.capture.remote.router import SPEAKER, Traffic, number

REASON = why_not()
pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

SWITCH, HERE = "192.168.9.2", "192.168.9.1"
DEVICES = {
    "erspan1": f"type erspan local {SWITCH} remote {HERE} seq key 7 erspan_ver 0",
    "erspan2": f"type erspan local {SWITCH} remote {HERE} seq key 7 erspan_ver 1 erspan 123",
    "erspan3": f"type erspan local {SWITCH} remote {HERE} seq key 7 erspan_ver 2 erspan_dir ingress erspan_hwid 4",
    "gretap": f"type gretap local {SWITCH} remote {HERE}",
    "vxlan": f"type vxlan id 9 local {SWITCH} remote {HERE} dstport 4789 dev sw0",
    "geneve": f"type geneve id 9 remote {HERE}",
}


@pytest.fixture
def switch() -> Iterator[None]:
    """A switch with a port where the speaker is (`lan1`), and a cable to us (`sw0` to `mon0`).

    Both ends are in one namespace, so the tunnel's packets are put on the cable by a static neighbour.
    """
    with namespace(pair=("mon0", "sw0")):
        add_pair("lan0", "lan1")
        ip("address", "add", f"{SWITCH}/24", "dev", "sw0")
        ip("neigh", "add", HERE, "lladdr", "02:00:00:00:00:fe", "dev", "sw0", "nud", "permanent")
        ip("link", "set", "mon0", "promisc", "on")
        yield


def mirror(kind: str) -> str:
    """Mirror what the speaker's port receives into a tunnel to us, as `tc` does on a Linux switch; return the interface
    to send into: the tunnel itself, where this kernel cannot mirror."""
    try:
        ip("link", "add", "tun0", *DEVICES[kind].split())
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this kernel has no {kind} device: {error.stderr.strip()}")
    ip("link", "set", "sw0", "mtu", "1700")
    ip("link", "set", "mon0", "mtu", "1700")
    ip("link", "set", "tun0", "mtu", "1600")
    ip("link", "set", "tun0", "up")
    for words in (
        "qdisc add dev lan1 clsact",
        "filter add dev lan1 ingress matchall action mirred egress mirror dev tun0",
    ):
        done = subprocess.run(["tc", *words.split()], capture_output=True, text=True, check=False)
        if done.returncode:
            return "tun0"
    return "lan0"


@pytest.mark.parametrize("kind", DEVICES)
def test_mirrored_packets_arrive_as_if_captured_there(switch: None, kind: str) -> None:
    into = mirror(kind)
    traffic = Traffic(into)
    found: list[int] = []
    macs: set[int] = set()
    with (
        LiveCapture(
            ["mon0"], CaptureSettings(promiscuous=True), tunnel_from=SWITCH, labels={"mon0": f"{kind}:{SWITCH}"}
        ) as capture,
        raw_socket(into) as raw,
        raw_socket("sw0") as cable,
    ):
        deadline = time.monotonic() + 10
        sent = 0
        while len(found) < 50 and time.monotonic() < deadline:
            raw.send(traffic.packet(sent))
            cable.send(traffic.packet(10_000 + sent))  # what else is on the cable is not believed
            sent += 1
            for block in capture.poll(0.05):
                assert block.interface == f"{kind}:{SWITCH}"
                batch = decode(block, Selection())[0]
                found += batch.tcp_seq[batch.src_port == 4000].tolist()
                macs |= set(batch.eth_src.tolist())
        assert capture.up() == {f"{kind}:{SWITCH}": True}
    assert found == list(range(found[0], found[0] + len(found))) and len(found) >= 50
    assert number(SPEAKER) in macs and max(found) < 10_000


HEAD = Ether(src="02:00:00:00:00:fd", dst="02:00:00:00:00:fe")
IN4 = IP(src=SWITCH, dst=HERE)
IN6 = IPv6(src="fd00::2", dst="fd00::1")
WRAPS: dict[str, Callable[[Packet], Packet]] = {
    "erspan 1": lambda inner: IN4 / GRE(proto=0x88BE) / inner,
    "erspan 2": lambda inner: IN4 / GRE(proto=0x88BE, seqnum_present=1, sequence_number=5) / ERSPAN_II() / inner,
    "erspan 3": lambda inner: IN4 / GRE(proto=0x22EB, seqnum_present=1, sequence_number=5) / ERSPAN_III() / inner,
    "gretap": lambda inner: IN4 / GRE(proto=0x6558) / inner,
    "gretap over IPv6": lambda inner: IN6 / GRE(proto=0x6558) / inner,
    "vxlan": lambda inner: IN4 / UDP(sport=9, dport=4789) / VXLAN(vni=9, flags="Instance") / inner,
    "vxlan over IPv6": lambda inner: IN6 / UDP(sport=9, dport=4789) / VXLAN(vni=9, flags="Instance") / inner,
    "vxlan behind IP options": lambda inner: (
        IP(src=SWITCH, dst=HERE, options=[IPOption_Router_Alert()])
        / UDP(sport=9, dport=8472)
        / VXLAN(vni=9, flags="Instance")
        / inner
    ),
    "geneve": lambda inner: IN4 / UDP(sport=9, dport=6081) / GENEVE(vni=9, proto=0x6558) / inner,
    "tzsp": lambda inner: IN4 / UDP(sport=9, dport=37008) / TZSP() / TZSPTagEnd() / inner,
}


@pytest.mark.parametrize("kind", WRAPS)
def test_tunnels_that_scapy_makes_are_peeled(kind: str) -> None:
    """Where this kernel has no device for it, and forms that Linux does not send."""
    traffic, found = Traffic("x"), []
    sender = "fd00::2" if "IPv6" in kind else SWITCH
    with (
        namespace(pair=("mon0", "sw0")),
        LiveCapture(["mon0"], CaptureSettings(), tunnel_from=sender) as capture,
        raw_socket("sw0") as cable,
    ):
        for sent in range(20):
            cable.send(bytes(HEAD / WRAPS[kind](Ether(traffic.packet(sent)))))
            cable.send(traffic.packet(10_000 + sent))
        deadline = time.monotonic() + 5
        while len(found) < 20 and time.monotonic() < deadline:
            for block in capture.poll(0.05):
                batch = decode(block, Selection())[0]
                found += batch.tcp_seq[(batch.src_port == 4000) & (batch.eth_src == number(SPEAKER))].tolist()
    assert found == list(range(20))


def test_tunnels_of_others_are_not_believed() -> None:
    with (
        namespace(pair=("mon0", "sw0")),
        LiveCapture(["mon0"], CaptureSettings(), tunnel_from="192.168.9.77") as capture,
        raw_socket("sw0") as cable,
    ):
        for kind in WRAPS:
            cable.send(bytes(HEAD / WRAPS[kind](Ether(Traffic("x").packet(1)))))
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            assert not any(len(block) for block in capture.poll(0.05))
