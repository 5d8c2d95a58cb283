"""The offline benchmark: packets per second beside every peer that is installed, on the same capture.

    python -m tests.bench offline [--packets 2000000] [--rounds 5] [--plot speed.png]

A capture of a house is made (`tests.bench.mix`: 50 hosts, 8 of them speakers with 2.5 % of the packets, mean packet 787
bytes), another of its speakers alone, and an empty one. Programs run in turn, round after round, so that a busy moment
of the machine hits all of them; the medians are shown. The time that Python takes to start (measured on the empty
capture) is shown apart and taken off. Slow programs get the beginning of the capture only, and are compared by rate.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import browsing
from tests.bench.mix import HOST_MACS, House, write_mix

#: Programs that read fewer than a million packets a second get this many, scapy a tenth of it.
SAMPLE = 100_000

START = "sniffer: start"

NFSTREAM = "import sys, nfstream\nfor _ in nfstream.NFStreamer(sys.argv[1], n_dissections=0): pass"
COLUMNS = (
    "import sys, pathlib\nfrom sniffer.capture.files.open import open_capture\nfrom sniffer.decode import decode\n"
    "from sniffer.model import Selection\nwith open_capture(pathlib.Path(sys.argv[1])) as capture:\n"
    "    for block in capture: decode(block, Selection())"
)
DPKT = (
    "import sys, dpkt\nfor _, data in dpkt.pcap.Reader(open(sys.argv[1], 'rb')):\n"
    "    try: dpkt.ethernet.Ethernet(data)\n    except dpkt.UnpackError: pass"
)
SCAPY = (
    "import sys\nfrom scapy.layers import all\nfrom scapy.utils import PcapReader\n"
    "for _ in PcapReader(sys.argv[1]): pass"
)


@dataclass
class Contender:
    """One program, doing one thing to one capture."""

    name: str
    command: Sequence[str]
    packets: int
    baseline: str | None = None  # whose time is its start-up
    environment: Mapping[str, str] = field(default_factory=dict)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: int = 0

    def run(self) -> None:
        """Once, from the page cache. A small shell starts it: what is counted is the program, not this one."""
        script = "import os, resource, subprocess, sys, time\nt = time.perf_counter()\n"
        script += "done = subprocess.run(sys.argv[1:], stdout=-3, stderr=-3)\n"
        script += "r = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        script += "print(time.perf_counter() - t, r.ru_utime + r.ru_stime, r.ru_maxrss, done.returncode)"
        told = subprocess.run(
            [sys.executable, "-S", "-E", "-c", script, *self.command],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **self.environment},  # as it is installed: compiled
            check=True,
        ).stdout.split()
        self.wall.append(float(told[0]))
        self.cpu.append(float(told[1]))
        self.peak = max(self.peak, int(told[2]))
        if told[3] != "0":
            raise SystemExit(f"{self.name}: status {told[3]}: {' '.join(self.command)[:200]}")


@dataclass(frozen=True)
class Captures:
    """The files that are read."""

    mix: Path
    mix_ng: Path
    sample: Path
    packed: Path
    tenth: Path
    speakers: Path
    empty: Path
    browsing: Path
    browsing_ng: Path
    browsing_packets: int


def make(folder: Path, packets: int) -> tuple[Captures, House]:
    """Write the captures, or take those that are there already."""
    house = House(packets=packets)
    captures = Captures(
        folder / f"mix-{packets}.pcap",
        folder / f"mix-{packets}.pcapng",
        folder / f"sample-{packets}.pcap",
        folder / f"sample-{packets}.pcap.gz",
        folder / f"tenth-{packets}.pcap",
        folder / f"speakers-{packets}.pcap",
        folder / "empty.pcap",
        *browsing_house(folder, packets // 100),
    )
    for path, content, pcapng in (
        (captures.mix, house, False),
        (captures.mix_ng, house, True),
        (captures.sample, House(packets=min(SAMPLE, packets)), False),
        (captures.tenth, House(packets=min(SAMPLE, packets) // 10), False),
        (captures.speakers, House(packets=packets // 2, hosts=8, share=1.0), False),
        (captures.empty, House(packets=0, hosts=1, speakers=0), False),
    ):
        if not path.exists():
            write_mix(path, content, pcapng=pcapng)
    if not captures.packed.exists():
        with captures.sample.open("rb") as sample, gzip.open(captures.packed, "wb", compresslevel=1) as packed:
            shutil.copyfileobj(sample, packed)
    return captures, house


def browsing_house(folder: Path, connections: int) -> tuple[Path, Path, int]:
    """Write the house in which people browse, as pcap and as pcapng; return both and the number of packets."""
    paths = [folder / f"browsing-{connections}.{suffix}" for suffix in ("pcap", "pcapng")]
    counted = folder / f"browsing-{connections}.count"
    if not counted.exists():
        for path in paths:
            count = browsing.write(path, browsing.Household(connections=connections), pcapng=path.suffix == ".pcapng")
        counted.write_text(str(count))
    return paths[0], paths[1], int(counted.read_text())


def ours(captures: Captures, house: House) -> list[Contender]:
    """What we do, and the same without the compiled pieces."""
    sniffer = [sys.executable, "-m", "sniffer", "analyze", "-q", "-o", os.devnull]
    devices = [sys.executable, "-m", "sniffer", "devices", "--format", "jsonl"]
    pure, few = {"SNIFFER_PURE_PYTHON": "1"}, min(SAMPLE, house.packets)
    every = [
        argument
        for host in range(house.speakers, house.hosts)
        for argument in ("--device", f"{_mac(HOST_MACS + host)}=host-{host}")
    ]
    columns = [sys.executable, "-c", COLUMNS, str(captures.mix)]
    everybody = [*sniffer, *every]
    return [
        Contender(START, [*sniffer, str(captures.empty)], 0),
        Contender("sniffer: start, columns", [*columns[:-1], str(captures.empty)], 0),
        Contender("sniffer: start, all hosts", [*everybody, str(captures.empty)], 0),
        Contender("sniffer: start, devices", [*devices, str(captures.empty)], 0),
        Contender("sniffer: speakers judged", [*sniffer, str(captures.mix)], house.packets, START),
        Contender("sniffer: the same, pcapng", [*sniffer, str(captures.mix_ng)], house.packets, START),
        Contender("sniffer: people browse", [*sniffer, str(captures.browsing)], captures.browsing_packets, START),
        Contender(
            "sniffer: people browse, pcapng", [*sniffer, str(captures.browsing_ng)], captures.browsing_packets, START
        ),
        Contender("sniffer: its beginning, gzip", [*sniffer, str(captures.packed)], few, START),
        Contender("sniffer: twice", [*sniffer, str(captures.mix), str(captures.mix)], 2 * house.packets, START),
        Contender(
            "sniffer: twice, --jobs 2",
            [*sniffer, "--jobs", "2", str(captures.mix), str(captures.mix)],
            2 * house.packets,
            START,
        ),
        Contender("sniffer: the same, pure", [*sniffer, str(captures.mix)], house.packets, START, pure),
        Contender("sniffer: all packets to columns", columns, house.packets, "sniffer: start, columns"),
        Contender(
            "sniffer: all hosts judged", [*everybody, str(captures.mix)], house.packets, "sniffer: start, all hosts"
        ),
        Contender(
            "sniffer: all hosts metered", [*devices, str(captures.mix)], house.packets, "sniffer: start, devices"
        ),
        Contender("sniffer: a capture of speakers", [*sniffer, str(captures.speakers)], house.packets // 2, START),
    ]


def peers(captures: Captures, house: House) -> list[Contender]:
    """Everybody else who is installed."""
    macs = " or ".join(f"ether host {_mac(mac)}" for mac in house.speaker_macs())
    browsing_macs = " or ".join(f"ether host {mac}" for mac in browsing.speaker_macs())
    mix, sample, few = str(captures.mix), str(captures.sample), min(SAMPLE, house.packets)
    python = [sys.executable, "-c"]
    tenth, empty = str(captures.tenth), str(captures.empty)
    found = [
        Contender("cat: the page cache", ["cat", mix], house.packets),
        Contender("gzip: unpack the beginning", ["gzip", "-dc", str(captures.packed)], few),
        Contender("capinfos: count", ["capinfos", "-c", mix], house.packets),
        Contender("tcpdump: 8 MACs", ["tcpdump", "-r", mix, "-w", os.devnull, macs], house.packets),
        Contender(
            "tcpdump: people browse",
            ["tcpdump", "-r", str(captures.browsing), "-w", os.devnull, browsing_macs],
            captures.browsing_packets,
        ),
        Contender(
            "softflowd: people browse",
            ["softflowd", "-r", str(captures.browsing), "-n", "127.0.0.1:9", "-d"],
            captures.browsing_packets,
        ),
        Contender("softflowd: all flows", ["softflowd", "-r", mix, "-n", "127.0.0.1:9", "-d"], house.packets),
        Contender("tshark", ["tshark", "-n", "-r", sample], few),
        *[
            Contender(name, [*python, program, path], count, start)
            for name, program, path, count, start in (
                ("nfstream: start", NFSTREAM, empty, 0, None),
                ("nfstream: all flows", NFSTREAM, sample, few, "nfstream: start"),
                ("dpkt: start", DPKT, empty, 0, None),
                ("dpkt: parse", DPKT, sample, few, "dpkt: start"),
                ("scapy: start", SCAPY, empty, 0, None),
                ("scapy: parse", SCAPY, tenth, few // 10, "scapy: start"),
            )
            if _importable(name.split(":")[0])
        ],
    ]
    return [peer for peer in found if shutil.which(peer.command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")]


def _mac(key: int) -> str:
    return ":".join(f"{key:012x}"[i : i + 2] for i in range(0, 12, 2))


def _importable(name: str) -> bool:
    return subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True, check=False).returncode == 0


def rows(contenders: Sequence[Contender]) -> list[tuple[str, float, float, float, int]]:
    """Name, packets a second by the clock and by CPU time, CPU seconds, peak memory in MiB."""
    by_name = {contender.name: contender for contender in contenders}
    out = []
    for contender in contenders:
        wall, cpu = statistics.median(contender.wall), statistics.median(contender.cpu)
        if contender.baseline is not None:
            start = by_name[contender.baseline]
            wall -= statistics.median(start.wall)
            cpu -= statistics.median(start.cpu)
        by_clock, by_cpu = (contender.packets / max(seconds, 1e-3) for seconds in (wall, cpu))
        out.append((contender.name, by_clock, by_cpu, cpu, contender.peak // 1024))
    return out


def table(found: Sequence[tuple[str, float, float, float, int]]) -> str:
    """As Markdown, with each one's ratio to tcpdump."""
    clock = {name: by_clock for name, by_clock, *_ in found}
    cpu = {name: by_cpu for name, _, by_cpu, *_ in found}
    unit = next(name for name in ("tcpdump: 8 MACs", "sniffer: speakers judged", *clock) if clock.get(name))
    lines = [
        f"| program | M packets/s | against {unit.split(':')[0]} | M packets/CPU s | against it | CPU s | peak MiB |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, by_clock, by_cpu, seconds, peak in found:
        if by_clock == 0:
            lines.append(f"| {name} | | | | | {seconds:.2f} | {peak} |")
        else:
            lines.append(
                f"| {name} | {by_clock / 1e6:.3f} | {by_clock / clock[unit]:.2f}x | {by_cpu / 1e6:.3f} "
                f"| {by_cpu / cpu[unit]:.2f}x | {seconds:.2f} | {peak} |"
            )
    return "\n".join(lines)


def plot(found: Sequence[tuple[str, float, float, float, int]], path: Path) -> None:
    """Bars, on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    shown = [row for row in reversed(found) if row[1]]
    figure, axes = pyplot.subplots(figsize=(9, 0.4 * len(shown) + 1.2))
    colours = ["tab:orange" if row[0].startswith("sniffer") else "tab:blue" for row in shown]
    axes.barh([row[0] for row in shown], [row[2] / 1e6 for row in shown], color=colours)
    axes.set_xscale("log")
    axes.set_xlabel("million packets per CPU second")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "sniffer-bench")
    parser.add_argument("--plot", type=Path, help="write a picture of the figures here (needs matplotlib)")
    parser.add_argument("--only", nargs="+", help="only programs whose name contains one of these (and starts)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    captures, house = make(options.folder, options.packets)
    contenders = [*ours(captures, house), *peers(captures, house)]
    if options.only:
        contenders = [c for c in contenders if any(part in c.name for part in (*options.only, ": start"))]
    for number in range(options.rounds + 1):
        for contender in contenders:
            contender.run()
            if number == 0:  # a first round warms the page cache
                contender.wall.clear()
                contender.cpu.clear()
        print(f"round {number} of {options.rounds}", file=sys.stderr)
    found = rows(contenders)
    print(table(found))
    if options.plot:
        plot(found, options.plot)


if __name__ == "__main__":
    main()
