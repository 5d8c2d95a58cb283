"""Live capture with real packets over veth pairs in a namespace of its own."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from sniffer.capture.live.live import LiveCapture
from sniffer.capture.live.ring import FULL_LENGTH, SLOT
from sniffer.capture.settings import CaptureSettings
from sniffer.errors import CaptureError
from tests.capture.net import add_pair, ip, namespace, raw_socket, transmit, wait_until_running, why_not

REASON = why_not()
pytestmark = [pytest.mark.root, pytest.mark.skipif(REASON is not None, reason=str(REASON)), pytest.mark.slow]

SPEAKER, OTHER, ROUTER = 0x68DBF5901964, 0x0200C0FFEE01, 0x020000000001
Start = Callable[..., LiveCapture]
Room = Callable[[int], object]
SETTINGS = CaptureSettings(drain_interval=0.02)


@pytest.fixture
def lan() -> Iterator[str]:
    with namespace() as name:
        yield name


@pytest.fixture
def start(lan: str) -> Iterator[Start]:
    """Begin to capture from these interfaces; closed at the end."""
    with ExitStack() as stack:
        yield lambda names, keys=(SPEAKER,), settings=SETTINGS: stack.enter_context(LiveCapture(names, settings, keys))


def frame(src: int, dst: int, size: int = 600, *, number: int = 0, tag: bytes = b"") -> bytes:
    """An IPv4 frame of TCP; its number is in the IP identification, its sender counts."""
    ip_header = bytes.fromhex("4500") + (size - 14 - len(tag)).to_bytes(2, "big") + number.to_bytes(2, "big")
    ip_header += bytes.fromhex("0000400600000a0000010a000002")
    head = dst.to_bytes(6, "big") + src.to_bytes(6, "big") + tag + b"\x08\x00" + ip_header
    return head + bytes.fromhex("9c4001bb000000010000000150100100") + bytes(size - len(head) - 16)


def gather(capture: LiveCapture, wanted: int, seconds: float = 10) -> list[tuple[str, bytes, int, int, int]]:
    """Rows (interface, captured bytes, link type, wire length, time) until as many came, or the time is over."""
    rows: list[tuple[str, bytes, int, int, int]] = []
    end = time.monotonic() + seconds
    while len(rows) < wanted and time.monotonic() < end:
        for block in capture.poll(0.05):
            rows += [
                (block.interface, bytes(block.data[o : o + c]), block.link_type, int(w), int(t))
                for o, c, w, t in zip(block.offset, block.captured, block.wire, block.time_ns, strict=True)
            ]
    return rows


def until(capture: LiveCapture, word: str, seconds: float = 15) -> list[str]:
    """Poll until an event speaks of it; all events."""
    events: list[str] = []
    end = time.monotonic() + seconds
    while not any(word in event for event in events):
        assert time.monotonic() < end, events
        capture.poll(0.05)
        events += capture.events()
    return events


def test_what_is_not_watched_stays_in_the_kernel(start: Start) -> None:
    capture = start(["lan0"])
    up, down = frame(SPEAKER, ROUTER, 1400), frame(ROUTER, SPEAKER, 1400)
    arp = bytes.fromhex("ffffffffffff0200c0ffee010806") + bytes(46)
    before = time.time_ns()
    transmit("far0", up, frame(OTHER, ROUTER), down, arp, frame(ROUTER, OTHER))
    rows = gather(capture, 3)
    assert [(name, link, wire) for name, _, link, wire, _ in rows] == [("lan0", 1, 1400)] * 2 + [("lan0", 1, len(arp))]
    assert [data for _, data, _, _, _ in rows] == [up, down[: SETTINGS.snap_length], arp]
    assert all(before <= at <= time.time_ns() for *_, at in rows)
    assert [at for *_, at in rows] == sorted(at for *_, at in rows)
    assert capture.statistics()["lan0"].received == 3


def test_both_directions_of_the_interface_are_seen(start: Start) -> None:
    capture = start(["lan0"])
    transmit("lan0", frame(ROUTER, SPEAKER))  # leaves through it, as what the router forwards does
    assert len(gather(capture, 1)) == 1


@pytest.mark.parametrize("tag", ["8100002a", "88a80007", "88a800078100002a"])
def test_tags_that_the_kernel_took_out_are_put_back(start: Start, tag: str) -> None:
    capture = start(["lan0"])
    sent = frame(SPEAKER, ROUTER, 900, tag=bytes.fromhex(tag))
    transmit("far0", sent)
    ((_, data, _, wire, _),) = gather(capture, 1)
    assert data == sent
    assert wire == len(sent)


def test_identity_protocols_are_found_behind_tags(start: Start) -> None:
    capture = start(["lan0"], [])
    head = bytes.fromhex("ffffffffffff0200c0ffee01")
    sent = [head + bytes.fromhex(tag) + b"\x08\x06" + bytes(46) for tag in ("", "8100002a", "88a800078100002a")]
    transmit("far0", *sent)
    assert [data for _, data, *_ in gather(capture, 3)] == sent


ROOM = Path("/proc/sys/net/core/optmem_max")


@pytest.fixture
def limit_room(start: Start) -> Iterator[Room]:
    """Set the kernel's limit for filters in this namespace: it was 20480 before Linux 6.8, and one for all."""
    if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 8):
        pytest.skip("net.core.optmem_max is one for all namespaces before Linux 6.8")
    before = ROOM.read_text()
    yield lambda size: ROOM.write_text(str(size))
    ROOM.write_text(before)


def test_the_filter_is_exchanged_where_the_kernel_has_little_room(start: Start, limit_room: Room) -> None:
    limit_room(20480)
    exchange_under_load(start, devices=90)


def test_the_filter_is_exchanged_under_load_and_nothing_is_lost(start: Start) -> None:
    exchange_under_load(start, devices=200 if int(ROOM.read_text()) >= 131072 else 90)


def exchange_under_load(start: Start, devices: int) -> None:
    """The speaker is watched before and after each exchange: every one of its packets has to come, once."""
    capture = start(["lan0"])
    swaps, finished = 200, threading.Event()
    frames = [frame(SPEAKER, ROUTER, 100, number=number) for number in range(1 << 16)]
    sent = 0

    def send() -> None:  # a thread shares the namespace of the one that made it
        nonlocal sent
        with raw_socket("far0") as raw:
            while not finished.is_set():
                if sent - len(numbers) > 2000:
                    time.sleep(0.001)  # a busy machine may hold the reader up for longer than the ring lasts
                    continue
                raw.send(frames[sent & 0xFFFF])
                sent += 1

    numbers: list[int] = []
    thread = threading.Thread(target=send)
    thread.start()

    def drain() -> None:
        for block in capture.poll(0):
            high, low = np.frombuffer(block.data, dtype=np.uint8)[block.offset[:, None] + [18, 19]].T.astype(int)
            numbers.extend((high * 256 + low).tolist())

    for swap in range(swaps):
        capture.watch([SPEAKER, *(swap * 1000 + n for n in range(swap % devices))])
        drain()
        while sent < 20 * swap:
            time.sleep(0.0002)  # lets the sender go on while this filter is in place
    finished.set()
    thread.join()
    while len(numbers) < sent and not capture.losses():
        drain()
    assert capture.events() == []
    assert numbers == [number & 0xFFFF for number in range(sent)]
    assert capture.statistics()["lan0"].dropped == 0


def test_a_watched_device_may_be_forgotten(start: Start) -> None:
    capture = start(["lan0"])
    capture.watch([OTHER])
    transmit("far0", frame(SPEAKER, ROUTER), frame(OTHER, ROUTER))
    ((_, data, *_),) = gather(capture, 1)
    assert data[6:12] == OTHER.to_bytes(6, "big")


def test_what_the_kernel_dropped_is_counted_and_told(start: Start) -> None:
    capture = start(["lan0"], settings=CaptureSettings(buffer_bytes=1 << 18))
    capture.poll(0)
    transmit("far0", *(frame(SPEAKER, ROUTER, 1400, number=number) for number in range(500)))
    received = len(gather(capture, 500, seconds=0.3))
    assert received == (1 << 18) // SLOT
    statistics = capture.statistics()["lan0"]
    assert statistics.received == received
    assert statistics.dropped == 500 - received
    (loss,) = capture.losses()
    assert (loss.interface, loss.packets) == ("lan0", 500 - received)
    assert loss.start_ns < loss.end_ns
    transmit("far0", frame(SPEAKER, ROUTER))
    assert len(gather(capture, 1)) == 1
    assert capture.statistics()["lan0"].dropped == 500 - received, "the kernel's counter resets, ours does not"


def test_the_ring_is_read_around_its_end(start: Start) -> None:
    capture = start(["lan0"], settings=CaptureSettings(buffer_bytes=1 << 18))
    numbers: list[int] = []
    for first in range(0, 1000, 50):
        transmit("far0", *(frame(SPEAKER, ROUTER, 100, number=number) for number in range(first, first + 50)))
        numbers += [int.from_bytes(data[18:20], "big") for _, data, *_ in gather(capture, 50)]
    assert numbers == list(range(1000))
    assert capture.statistics()["lan0"].dropped == 0


def test_a_block_stays_valid_until_the_next_poll(start: Start) -> None:
    capture = start(["lan0"], settings=CaptureSettings(buffer_bytes=1 << 18))
    transmit("far0", *(frame(SPEAKER, ROUTER, 100, number=number) for number in range(100)))
    (block,) = capture.poll(0)
    before = bytes(block.data)
    transmit("far0", *(frame(SPEAKER, ROUTER, 100, number=number) for number in range(100, 200)))
    rows = [bytes(block.data[o : o + c]) for o, c in zip(block.offset, block.captured, strict=True)]
    assert rows == [before[o : o + c] for o, c in zip(block.offset, block.captured, strict=True)]
    assert capture.statistics()["lan0"].received == 100


def test_a_frame_longer_than_a_slot_is_cut_and_says_so(start: Start) -> None:
    for name in ("lan0", "far0"):
        ip("link", "set", name, "mtu", "9000")
    capture = start(["lan0"])
    transmit("far0", frame(SPEAKER, ROUTER, 8000))
    ((_, data, _, wire, _),) = gather(capture, 1)
    assert (len(data), wire) == (FULL_LENGTH, 8000)


def test_an_interface_goes_down_and_comes_back(start: Start) -> None:
    capture = start(["lan0"])
    ip("link", "set", "lan0", "down")
    assert until(capture, "went down") == ["lan0: went down; capturing goes on when it is back"]
    assert capture.up() == {"lan0": False}
    ip("link", "set", "lan0", "up")
    wait_until_running("lan0", "far0")
    transmit("far0", frame(SPEAKER, ROUTER))
    assert len(gather(capture, 1)) == 1
    until(capture, "is up")
    (loss,) = capture.losses()
    assert (loss.interface, loss.packets) == ("lan0", 0)
    assert capture.up() == {"lan0": True}


def test_an_interface_is_removed_and_created_anew_with_its_filter(start: Start) -> None:
    capture = start(["lan0"])
    ip("link", "del", "lan0")
    until(capture, "lan0")
    add_pair("lan0", "far0")
    until(capture, "is up")
    transmit("far0", frame(OTHER, ROUTER), frame(SPEAKER, ROUTER))
    ((_, data, *_),) = gather(capture, 1)
    assert data[6:12] == SPEAKER.to_bytes(6, "big")
    assert len(capture.losses()) == 1


def test_an_interface_is_created_anew_between_two_looks(start: Start) -> None:
    capture = start(["lan0"])
    ip("link", "del", "lan0")
    add_pair("lan0", "far0")
    until(capture, "is up")
    transmit("far0", frame(SPEAKER, ROUTER))
    assert len(gather(capture, 1)) == 1


def test_an_interface_is_renamed_and_keeps_its_label(start: Start) -> None:
    capture = start(["lan0"])
    ip("link", "set", "lan0", "name", "lan7")
    until(capture, "is called lan7 now")
    transmit("far0", frame(SPEAKER, ROUTER))
    ((name, *_),) = gather(capture, 1)
    assert name == "lan0"


def test_several_interfaces(start: Start) -> None:
    add_pair("lan1", "far1")
    capture = start(["lan0", "lan1"])
    transmit("far1", frame(SPEAKER, ROUTER))
    transmit("far0", frame(SPEAKER, ROUTER))
    assert sorted(name for name, *_ in gather(capture, 2)) == ["lan0", "lan1"]
    ip("link", "del", "lan1")
    transmit("far0", frame(SPEAKER, ROUTER))
    assert [name for name, *_ in gather(capture, 1)] == ["lan0"]


def test_an_interface_that_is_down_at_the_start_is_waited_for(start: Start) -> None:
    ip("link", "set", "lan0", "down")
    capture = start(["lan0"])
    assert "is down" in capture.events()[0]
    ip("link", "set", "lan0", "up")
    wait_until_running("lan0", "far0")
    until(capture, "is up")
    transmit("far0", frame(SPEAKER, ROUTER))
    assert len(gather(capture, 1)) == 1


def test_a_link_without_mac_addresses_gives_raw_ip(start: Start) -> None:
    import fcntl
    import struct

    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))  # TUNSETIFF: IFF_TUN | IFF_NO_PI
    ip("link", "set", "tun0", "up")
    capture = start(["tun0"])
    packet = frame(SPEAKER, ROUTER)[14:]
    os.write(tun, packet)
    ((name, data, link, wire, _),) = gather(capture, 1)
    assert (name, data, link, wire) == ("tun0", packet, 101, len(packet))
    os.close(tun)


def test_on_the_loopback_interface_a_packet_comes_once(start: Start) -> None:
    capture = start(["lo"], [0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.sendto(b"hello", udp.getsockname())
    rows = gather(capture, 10, seconds=0.3)
    assert len([data for _, data, *_ in rows if data.endswith(b"hello")]) == 1


def test_a_missing_interface_is_one_line(start: Start) -> None:
    with pytest.raises(CaptureError, match=r"^wlan9: no such interface; there are lo, far0, lan0$"):
        start(["lan0", "wlan9"])
    with pytest.raises(CaptureError, match="no such interface"):
        start(["a-name-that-is-far-too-long"])


def test_a_thousand_devices_do_not_switch_the_filter_off(start: Start) -> None:
    capture = start(["lan0"], [SPEAKER, *range(0, 7000, 7)])
    assert capture.events() == []
    transmit("far0", frame(OTHER, ROUTER), frame(SPEAKER, ROUTER))
    ((_, data, *_),) = gather(capture, 2, seconds=0.5)
    assert data[6:12] == SPEAKER.to_bytes(6, "big")


def test_the_drain_hurries_when_the_ring_fills(start: Start) -> None:
    capture = start(["lan0"], settings=CaptureSettings(drain_interval=0.5, buffer_bytes=1 << 18))
    transmit("far0", *(frame(SPEAKER, ROUTER, 1400, number=number) for number in range(120)))
    capture.poll(0)
    started = time.monotonic()
    capture.poll(1)
    assert time.monotonic() - started < 0.4


def test_a_look_at_everything(start: Start) -> None:
    capture = start(["lan0"], None)
    transmit("far0", frame(OTHER, ROUTER))
    ((_, data, _, wire, _),) = gather(capture, 1)
    assert (len(data), wire) == (SETTINGS.snap_length, 600)


def test_in_no_hurry_there_are_fewer_wake_ups(start: Start) -> None:
    def polls(hurried: bool) -> int:
        capture = start(["lan0"], settings=CaptureSettings(drain_interval=0.04))
        capture.hurry(hurried)
        count, end = 0, time.monotonic() + 0.5
        while time.monotonic() < end:
            capture.poll(0.5)
            count += 1
        return count

    assert polls(hurried=False) <= 6
    assert 7 <= polls(hurried=True) <= 14


def test_time_is_complete_up_to_the_last_drain(start: Start) -> None:
    capture = start(["lan0"])
    before = time.time_ns()
    transmit("far0", frame(SPEAKER, ROUTER))
    assert capture.complete_ns() < before
    ((*_, at),) = gather(capture, 1)
    capture.poll(0)
    assert capture.complete_ns() < time.time_ns()
    time.sleep(0.03)
    capture.poll(0)
    assert at < capture.complete_ns()


def test_an_interface_that_came_back_unreadable_is_said_once_and_tried_again(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sniffer.capture.live import live

    capture = start(["lan0"])
    monkeypatch.setattr(live, "LOOK_INTERVAL", 0.02)

    def refuse(name: str) -> int:
        raise CaptureError("not now")

    with monkeypatch.context() as patch:
        patch.setattr(live, "hardware_type", refuse)
        ip("link", "del", "lan0")
        add_pair("lan0", "far0")
        events = until(capture, "cannot be opened again")
        for _ in range(5):
            time.sleep(0.03)
            capture.poll(0)
        assert capture.events() == []
        assert capture.up() == {"lan0": False}
    assert sum("cannot be opened" in event for event in events) == 1
    until(capture, "is up")
    transmit("far0", frame(SPEAKER, ROUTER))
    assert len(gather(capture, 1)) == 1


def test_an_interface_that_came_back_as_another_kind_is_read_as_such(start: Start) -> None:
    import fcntl
    import struct

    capture = start(["lan0"])
    ip("link", "del", "lan0")
    tun = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"lan0", 0x1001))
        ip("link", "set", "lan0", "up")
        until(capture, "is up")
        os.write(tun, frame(SPEAKER, ROUTER)[14:])
        ((_, data, link, _, _),) = gather(capture, 1)
        assert (link, data) == (101, frame(SPEAKER, ROUTER)[14:])
    finally:
        os.close(tun)


def test_where_the_kernel_has_no_room_for_the_filter_nothing_is_missed(start: Start, limit_room: Room) -> None:
    capture = start(["lan0"])
    limit_room(8192)
    capture.watch(range(0, 400 * 7, 7))
    (event,) = capture.events()
    assert "optmem_max=131072" in event
    transmit("far0", frame(OTHER, ROUTER))
    assert len(gather(capture, 1)) == 1
