"""The live benchmark: packets lost, CPU and wake-ups while a link carries 100,000 packets a second; needs root.

    sudo .venv/bin/python -m tests.bench.live [--rate 100000] [--seconds 10]

Everything happens in a network namespace of its own, over a veth pair. A process of its own sends (this file, called
with `--send`): 50 hosts, of which 8 are speakers with a fiftieth of the packets, mean length 787 bytes. It says how
many packets of speakers it sent; every one of them has to arrive.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import random
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from sniffer.capture.live.live import LiveCapture
from sniffer.capture.settings import CaptureSettings
from sniffer.decode import decode
from sniffer.model import Selection, sorted_keys
from tests.capture.net import namespace, raw_socket
from tests.e2e.test_run_live import Running, play, speech

HOSTS, SPEAKERS = 50, 8
ROUTER = 0x0200_0000_0001
SPEAKER_KEYS = [0x68DB_F590_1900 + n for n in range(SPEAKERS)]
OTHER_KEYS = [0x0200_C0FF_EE00 + n for n in range(HOSTS - SPEAKERS)]
BATCH = 100
MIX = 20_000
#: How long to go on draining after the sender has ended.
TAIL = 0.5
PORT = 19877
#: What a daemon that has just started does by itself is over after so long.
SETTLE_SECONDS = 3


# --- the sender ------------------------------------------------------------------------------------------------------


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    _fields_ = (("header", _Header), ("length", ctypes.c_uint32))


def mixed_frames(share: float) -> tuple[list[bytes], list[bool]]:
    """A home's mix: which frames, and which of them a speaker sends or is sent. Most of what speakers do is play
    music: full segments down, acknowledgements up, and a little of everything else."""
    dice = random.Random(787)
    frames, of_speaker = [], []
    for number in range(MIX):
        speaker = dice.random() < share
        host = dice.choice(SPEAKER_KEYS if speaker else OTHER_KEYS)
        up = dice.random() < (0.35 if speaker else 0.5)
        sizes = (
            [66] * 399 + [503] if speaker and up else [1514] if speaker else [66, 66, 120, 503, 900, 1514, 1514, 1514]
        )
        frames.append(tcp_frame(host, dice.choice(sizes), up=up, sequence=number * 1448))
        of_speaker.append(speaker)
    return frames, of_speaker


def tcp_frame(host: int, size: int, *, up: bool, sequence: int) -> bytes:
    """A segment between a host and a server of its own, `size` bytes on the link."""
    local, remote = bytes([192, 168, 7, host & 0xFF]), bytes([52, 94, 233, host & 0xFF])
    ports = (40000 + (host & 0xFF)).to_bytes(2, "big"), (443).to_bytes(2, "big")
    macs = ROUTER.to_bytes(6, "big"), host.to_bytes(6, "big")
    if not up:
        local, remote, ports, macs = remote, local, ports[::-1], macs[::-1]
    ip = b"\x45\0" + (size - 14).to_bytes(2, "big") + bytes(4) + b"\x40\x06\0\0" + local + remote
    tcp = b"".join(ports) + sequence.to_bytes(4, "big") + bytes(4) + b"\x80\x10\x01\0" + bytes(4) + b"\x01" * 12
    return (b"".join(macs) + b"\x08\0" + ip + tcp).ljust(size, b"\x17")


def send(interface: str, rate: int, seconds: float, share: float) -> None:
    """Send at an even pace, in batches of one system call; print what was sent."""
    frames, of_speaker = mixed_frames(share)
    buffers = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
    vectors = (_Vector * MIX)(*(_Vector(ctypes.addressof(b), len(b)) for b in buffers))
    size = ctypes.sizeof(_Vector)
    messages = (_Message * MIX)(
        *(_Message(_Header(None, 0, ctypes.addressof(vectors) + n * size, 1, None, 0, 0), 0) for n in range(MIX))
    )
    marked = np.concatenate([[0], np.cumsum(of_speaker)])
    sendmmsg = ctypes.CDLL(None, use_errno=True).sendmmsg
    with raw_socket(interface) as raw:
        raw.setsockopt(socket.SOL_SOCKET, 32, 8 << 20)  # SO_SNDBUFFORCE
        raw.setsockopt(263, 20, 1)  # PACKET_QDISC_BYPASS
        print("ready", flush=True)
        sys.stdin.readline()
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.monotonic()
        sent = speaker = late = 0
        while sent < rate * seconds:
            due = started + sent / rate
            now = time.monotonic()
            if due > now:
                time.sleep(due - now)
            elif now - due > 0.1:
                late += 1
            at = sent % MIX
            address = ctypes.addressof(messages) + at * ctypes.sizeof(_Message)
            count = sendmmsg(raw.fileno(), ctypes.c_void_p(address), min(BATCH, MIX - at), 0)
            if count <= 0:
                continue  # the device's queue is full: again
            sent += count
            speaker += int(marked[at + count] - marked[at])
        took = time.monotonic() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"sent": sent, "speaker": speaker, "seconds": took, "late": late, "cpu": cpu}), flush=True)


@contextmanager
def sending(rate: int, seconds: float, share: float) -> Any:
    """A sender that is ready; the value begins it and gives what it printed when it has ended."""
    program = [sys.executable, "-m", "tests.bench.live", "--send", "far0", "--rate", str(rate)]
    program += ["--seconds", str(seconds), "--share", str(share)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.wait()


# --- what is measured ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One line of the table; `lost` None where nobody counted."""

    what: str
    rate: float
    wanted: int
    lost: int | None
    dropped: int
    cpu: float
    wakeups: float
    note: str = ""


def measured(
    what: str,
    rate: int,
    seconds: float,
    share: float,
    handle: Callable[[Any], None] | None = None,
    between: Callable[[LiveCapture, float], None] | None = None,
    settings: CaptureSettings | None = None,
) -> Row:
    """Capture while the sender sends (rate 0: nobody does), and count."""
    with LiveCapture(["lan0"], settings or CaptureSettings(), SPEAKER_KEYS) as capture:
        capture.hurry(False)
        if rate == 0:
            return _drain(capture, what, seconds, None, handle, between)
        with sending(rate, seconds, share) as process:
            process.stdin.write("go\n")
            process.stdin.flush()
            return _drain(capture, what, seconds, process, handle, between)


def _drain(capture: LiveCapture, what: str, seconds: float, process: Any, handle: Any, between: Any) -> Row:
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.monotonic()
    end = started + seconds
    received = 0
    result: dict[str, float] = {}
    reader = threading.Thread(target=lambda: result.update(json.loads(process.stdout.readline())))
    if process is not None:
        reader.start()
    while time.monotonic() < end or (process is not None and reader.is_alive()):
        for block in capture.poll(0.5):
            received += len(block)
            if handle is not None:
                handle(block)
        if between is not None:
            between(capture, time.monotonic() - started)
    took = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    end = time.monotonic() + TAIL
    while time.monotonic() < end:
        received += sum(map(len, capture.poll(0.1)))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    wanted = int(result.get("speaker", 0))
    return Row(
        what=what,
        rate=result.get("sent", 0) / result.get("seconds", 1),
        wanted=wanted,
        lost=wanted - received,
        dropped=capture.statistics()["lan0"].dropped,
        cpu=100 * cpu / took,
        wakeups=(after.ru_nvcsw - before.ru_nvcsw) / took,
    )


def decoding() -> Callable[[Any], None]:
    """What the daemon does first with every block."""
    selection = Selection(sorted_keys(SPEAKER_KEYS))

    def handle(block: Any) -> None:
        decode(block, selection)

    return handle


def changing(seconds: float, changes: int) -> tuple[Callable[[LiveCapture, float], None], list[int]]:
    """Exchange the filter evenly over the time: the speakers stay, other devices come and go, up to 512."""
    done: list[int] = []
    dice = random.Random(4)
    strangers = [dice.getrandbits(46) for _ in range(512 - SPEAKERS)]

    def between(capture: LiveCapture, elapsed: float) -> None:
        while len(done) < min(changes, int(changes * elapsed / seconds)):
            capture.watch([*SPEAKER_KEYS, *strangers[: (len(done) * 37) % len(strangers)]])
            done.append(len(done))

    return between, done


def filter_costs(rounds: int = 5, packets: int = 300_000) -> str:
    """What the kernel spends on a packet that nobody wants, with more and more devices in the filter: it runs in the
    sender's time, so the sender's CPU time per packet is compared with that without any capture. The least of some
    rounds, in turns."""
    dice = random.Random(5)
    cases: dict[str, list[int] | None] = {"no capture": None, "8 devices": SPEAKER_KEYS}
    for count in (64, 512):
        cases[f"{count} devices"] = [*SPEAKER_KEYS, *(dice.getrandbits(46) for _ in range(count - SPEAKERS))]
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(rounds):
        for name, keys in cases.items():
            capture = None if keys is None else LiveCapture(["lan0"], CaptureSettings(), keys)
            with sending(10_000_000, packets / 10_000_000, 0.0) as process:
                process.stdin.write("go\n")
                process.stdin.flush()
                result = json.loads(process.stdout.readline())
            best[name] = min(best[name], 1e6 * result["cpu"] / result["sent"])
            if capture is not None:
                capture.close()
    least = best["no capture"]
    lines = ["| filter | sender's CPU a packet | of it the capture's |", "|---|---:|---:|"]
    lines += [f"| {name} | {cost:.2f} us | {cost - least:.2f} us |" for name, cost in best.items()]
    return "\n".join(lines)


def latencies(utterances: int = 8) -> str:
    """How soon speech is announced, and how soon it is judged, by a daemon in another process: from the kernel's stamp
    of the first (and last) packet of an upload to the moment that its record can be read from a pipe."""
    begun, judged = [], []
    with tempfile.TemporaryDirectory() as folder:
        daemon = Running(Path(folder))
        offset = time.time() - time.monotonic()
        for seed in range(utterances):
            play(speech(3.0, seed=seed))
            heard, _ = daemon.record("listening")
            told, upload = daemon.record("upload")
            begun.append(heard + offset - datetime.fromisoformat(upload["timestamp"]).timestamp())
            judged.append(told + offset - datetime.fromisoformat(upload["end"]).timestamp())
            while daemon.waiting():
                daemon.record("listening")
        daemon.end()
    lines = ["| live speech, 3 s each | median | longest |", "|---|---:|---:|"]
    for what, values in (("first packet to `listening`", begun), ("last packet to the verdict", judged)):
        lines.append(f"| {what} | {statistics.median(values):.2f} s | {max(values):.2f} s |")
    return "\n".join(lines)


def tcpdump(rate: int, seconds: float, share: float) -> Row | None:
    """The same question to tcpdump, for comparison."""
    program = shutil.which("tcpdump")
    if program is None:
        return None
    question = " or ".join(f"ether host {key.to_bytes(6, 'big').hex(':')}" for key in SPEAKER_KEYS)
    command = [program, "-i", "lan0", "-s", "192", "-w", "/dev/null", "-Z", "root", question]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        time.sleep(0.3)
        with sending(rate, seconds, share) as sender:
            sender.stdin.write("go\n")
            sender.stdin.flush()
            result = json.loads(sender.stdout.readline())
            usage = _usage_of(process.pid)
        time.sleep(TAIL)
        process.terminate()
        text = process.stderr.read()
    counts = {line.split(" ", 1)[1]: int(line.split()[0]) for line in text.splitlines() if line[:1].isdigit()}
    captured = next((count for name, count in counts.items() if "captured" in name), 0)
    dropped = next((count for name, count in counts.items() if "dropped by kernel" in name), 0)
    return Row(
        "tcpdump -w /dev/null, 8 MACs",
        result["sent"] / result["seconds"],
        result["speaker"],
        result["speaker"] - captured,
        dropped,
        100 * usage / result["seconds"],
        float("nan"),
    )


@contextmanager
def running(devices: str = "") -> Iterator[int]:
    """`sniffer run` on `lan0` with these devices (lines of YAML), when it has settled: its process id."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "sniffer.yaml"
        config.write_text(f"capture:\n  interface: lan0\nhttp:\n  port: {PORT}\n{devices}")
        command = [sys.executable, "-m", "sniffer", "run", "-c", str(config), "--store", f"{folder}/store.db"]
        with subprocess.Popen([*command, "--format", "none"], cwd=Path(__file__).parents[2]) as process:
            try:
                _until_ready()
                time.sleep(SETTLE_SECONDS)
                yield process.pid
            finally:
                process.terminate()


def daemon(rate: int, seconds: float, share: float) -> list[Row]:
    """The whole of `sniffer run`, idle and under load."""
    macs = [key.to_bytes(6, "big").hex(":") for key in SPEAKER_KEYS]
    named = "".join(f"  - {{mac: '{mac}', name: speaker-{n}}}\n" for n, mac in enumerate(macs))
    with running(f"devices:\n{named}") as process_id:
        return [
            _daemon_row("the daemon, idle", process_id, 0, seconds, share),
            _daemon_row("the daemon", process_id, rate, seconds, share),
        ]


def _daemon_row(what: str, pid: int, rate: int, seconds: float, share: float) -> Row:
    before = _metrics()
    usage, switches = _usage_of(pid), _wakeups_of(pid)
    result: dict[str, float] = {"sent": 0, "speaker": 0, "seconds": seconds}
    if rate:
        with sending(rate, seconds, share) as sender:
            sender.stdin.write("go\n")
            sender.stdin.flush()
            result = json.loads(sender.stdout.readline())
    else:
        time.sleep(seconds)
    usage, switches = _usage_of(pid) - usage, _wakeups_of(pid) - switches
    time.sleep(2 * TAIL)
    after = _metrics()
    received = int(after["sniffer_capture_packets_total"] - before["sniffer_capture_packets_total"])
    resident = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024
    return Row(
        what,
        result["sent"] / result["seconds"],
        int(result["speaker"]),
        int(result["speaker"]) - received,
        int(after["sniffer_capture_dropped_packets_total"]),
        100 * usage / result["seconds"],
        switches / result["seconds"],
        f"{resident:.0f} MiB resident at most",
    )


def _metrics() -> dict[str, float]:
    """Sums by metric."""
    found: dict[str, float] = {}
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=5) as answer:
        for line in answer.read().decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.partition(" ")[0].partition("{")[0], None, line.rpartition(" ")[2]
                found[name] = found.get(name, 0) + float(value)
    return {"sniffer_capture_packets_total": 0, "sniffer_capture_dropped_packets_total": 0} | found


def _until_ready() -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/-/ready", timeout=2).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def _wakeups_of(pid: int) -> int:
    """How often any thread of a process slept and was woken."""
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", text, re.M)[1]) for text in texts)


def _usage_of(pid: int) -> float:
    """CPU seconds of a living process."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def table(rows: list[Row]) -> str:
    """Markdown, for docs/performance.md."""
    lines = [
        "| what | packets/s | wanted | lost | dropped by the kernel | CPU of one core | wake-ups/s | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    lines += [
        f"| {row.what} | {row.rate:,.0f} | {row.wanted:,} | {row.lost} | {row.dropped} | {row.cpu:.2f} % |"
        f" {row.wakeups:.1f} | {row.note} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--share", type=float, default=0.02, help="share of packets that are speakers'")
    parser.add_argument("--send", metavar="INTERFACE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        send(options.send, options.rate, options.seconds, options.share)
        return
    rate, seconds, share = options.rate, options.seconds, options.share
    with namespace():
        rows = [
            measured("idle", 0, seconds, share),
            measured("capture", rate, seconds, share),
            measured("capture and decode", rate, seconds, share, decoding()),
        ]
        between, done = changing(seconds, 200)
        rows.append(measured("200 filter changes, 8 to 512 devices", rate, seconds, share, decoding(), between))
        assert len(done) == 200
        rows += daemon(rate, seconds, share)
        theirs = tcpdump(rate, seconds, share)
        rows += [theirs] if theirs else []
        costs = filter_costs()
    with namespace():
        delays = latencies()
    print(table(rows))
    print()
    print(costs)
    print()
    print(delays)


if __name__ == "__main__":
    main()
