"""Floods over a veth pair against the real `sniffer run`, with one real utterance in each.

    python -m tests.hostile.floods [--frames 20000] [--rate 2000] [flood ...]

Each line: the frames sent, the processor time per frame, the largest resident memory, the packets that the kernel
dropped, and whether the utterance of the configured speaker was found. Needs root.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sniffer.testing import House
from tests.capture.net import namespace, raw_socket
from tests.e2e.test_run import Process
from tests.hostile.http import hold_idle

MAC = "68:db:f5:90:19:64"
CONFIG = f"""
capture: {{interface: lan0}}
devices: [{{mac: "{MAC}", name: kitchen}}]
http: {{port: 0}}
store: {{path: sniffer.db}}
sinks: {{event_log: null, evidence: null}}
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Result:
    """What a flood cost, and whether the watch held."""

    flood: str
    frames: int
    microseconds_per_frame: float
    resident_mib: float
    dropped: int
    found: bool
    alive: bool

    def __str__(self) -> str:
        return (
            f"{self.flood:14} {self.frames:8} frames  {self.microseconds_per_frame:7.1f} us/frame  "
            f"{self.resident_mib:6.1f} MiB  {self.dropped:6} dropped  "
            f"{'found' if self.found else 'MISSED'}{'' if self.alive else '  DAEMON DIED'}"
        )


def _frames(house: House) -> list[bytes]:
    return [frame.data for frame in house.frames()]


def invented_macs(chance: random.Random) -> Iterator[bytes]:
    """ARP announcements, each of another host."""
    while True:
        mac = (0x02 << 40 | chance.getrandbits(32)).to_bytes(6, "big")
        address = bytes([10, chance.randrange(256), chance.randrange(256), chance.randrange(256)])
        yield b"\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac + address + bytes(6) + address


def fake_speakers(chance: random.Random) -> Iterator[bytes]:
    """Hosts with Amazon's prefix that look up what an Echo looks up, each once."""
    while True:
        house = House()
        mac = f"68:db:f5:{chance.randrange(256):02x}:{chance.randrange(256):02x}:{chance.randrange(256):02x}"
        house.host("fake", mac=mac).looks_up("echocaptiveportal.com", at=1)
        yield from _frames(house)


def costly_mdns(chance: random.Random) -> Iterator[bytes]:
    """Messages whose names are chains of pointers: small to send, long to read."""
    label = b"".join(b"\x01a" for _ in range(120)) + b"\x00"
    body = bytearray(bytes.fromhex("000084000000004800000000") + label)
    while len(body) < 1380:
        body += b"\xc0" + bytes([12 + 2 * chance.randrange(100)]) + bytes.fromhex("000c0001000000780002c00c")
    yield from _udp(bytes(body), 5353, 5353, chance)


def noise(chance: random.Random) -> Iterator[bytes]:
    """Frames of the speaker's MAC with random content to identity ports."""
    while True:
        yield from _udp(chance.randbytes(200), chance.choice([53, 67, 546, 1900, 5353]), 443, chance, once=True)


def _udp(body: bytes, to: int, source: int, chance: random.Random, *, once: bool = False) -> Iterator[bytes]:
    while True:
        mac = (0x02 << 40 | chance.getrandbits(16)).to_bytes(6, "big")
        length = 20 + 8 + len(body)
        ip = bytes.fromhex("4500") + length.to_bytes(2, "big") + bytes.fromhex("0000400040110000c0a80109e00000fb")
        udp = source.to_bytes(2, "big") + to.to_bytes(2, "big") + (8 + len(body)).to_bytes(2, "big") + bytes(2)
        yield bytes.fromhex("01005e0000fb") + mac + b"\x08\x00" + ip + udp + body
        if once:
            return


FLOODS: dict[str, Callable[[random.Random], Iterator[bytes]]] = {
    "invented-macs": invented_macs,
    "fake-speakers": fake_speakers,
    "costly-mdns": costly_mdns,
    "noise": noise,
}


def utterance() -> list[tuple[float, bytes]]:
    """A speaker that says three seconds to its voice service: seconds and frames."""
    house = House()
    house.host("kitchen", mac=MAC).says(3.0).to("avs-alexa-4-na.amazon.com", at=1.0)
    frames = list(house.frames())
    first = frames[0].time_ns
    return [((frame.time_ns - first) / 1e9, frame.data) for frame in frames]


def measure(name: str, frames: int, rate: float, seed: int = 1) -> Result:
    """One flood against one daemon."""
    with namespace(), tempfile.TemporaryDirectory(prefix="sniffer-flood-") as folder, ExitStack() as stack:
        place = Path(folder)
        place.chmod(0o777)
        (place / "sniffer.yaml").write_text(CONFIG)
        daemon = Process(place, "-c", "sniffer.yaml")
        stack.callback(daemon.end)
        daemon.until(lambda: daemon.get("/-/ready") == "capturing\n", 60)
        if name == "idle-http":
            stack.enter_context(hold_idle(daemon.url, 200))
        flood = FLOODS[name](random.Random(seed)) if name in FLOODS else iter(())
        before = _cpu_seconds(daemon._process.pid)
        with _sending(utterance()):
            sent = _send(flood, frames, rate)
        found = _found(daemon)
        alive = daemon._process.poll() is None
        used = _cpu_seconds(daemon._process.pid) - before if alive else float("nan")
        dropped = _dropped(daemon) if alive else -1
        memory = _peak_mib(daemon._process.pid) if alive else -1
        return Result(name, sent, 1e6 * used / max(1, sent), memory, dropped, found, alive)


def _send(frames: Iterator[bytes], count: int, rate: float) -> int:
    line = raw_socket("far0")
    began, sent = time.monotonic(), 0
    try:
        while sent < count or time.monotonic() - began < 8:
            due = int((time.monotonic() - began) * rate)
            while sent < min(due, count):
                frame = next(frames, None)
                if frame is None:
                    count = sent
                    break
                line.send(frame)
                sent += 1
            time.sleep(0.005)
    finally:
        line.close()
    return sent


@contextmanager
def _sending(frames: list[tuple[float, bytes]]) -> Iterator[None]:
    """Send the utterance at its own pace, beginning a moment later, beside what the caller sends."""

    def run() -> None:
        line = raw_socket("far0")
        began = time.monotonic() + 1.5
        for at, frame in frames:
            time.sleep(max(0.0, began + at - time.monotonic()))
            line.send(frame)
        line.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()


def _found(daemon: Process) -> bool:
    try:
        daemon.until(lambda: [r for r in daemon.judged() if r["device"]["name"] == "kitchen"], 60)
    except AssertionError:
        return False
    return True


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _dropped(daemon: Process) -> int:
    lines = daemon.get("/metrics").splitlines()
    return int(
        sum(float(line.split()[-1]) for line in lines if line.startswith("sniffer_capture_dropped_packets_total"))
    )


def main() -> int:
    """Run the floods that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("floods", nargs="*", default=[])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=2_000)
    arguments = parser.parse_args()
    failed = False
    for name in arguments.floods or [*FLOODS, "idle-http", "none"]:
        result = measure(name, arguments.frames, arguments.rate)
        print(result, flush=True)
        failed |= not (result.found and result.alive)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
