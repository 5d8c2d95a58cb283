"""Peak memory: a day of replayed traffic with 100,000 connections of the speakers and 10,000 invented hosts.

    python -m tests.bench memory [--packets 1000000]

Beside it a small house, so that what grows is seen. `analyze` reads the file, `run --capture` is the whole daemon
(store, metrics, HTTP) over it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.bench.mix import House, write_mix
from tests.bench.offline import Contender

DAY = 86_400.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "sniffer-bench")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    houses = {
        "no packets": House(packets=0, hosts=1, speakers=0),
        "an hour, 50 hosts, 600 connections": House(packets=options.packets // 10),
        "a day, 10,000 hosts, 100,000 connections of speakers": House(
            packets=options.packets, hosts=10_000, flows=12_500, share=0.3, seconds=DAY
        ),
    }
    sniffer = [sys.executable, "-m", "sniffer"]
    print("| capture | packets | analyze: MiB | CPU s | daemon: MiB | CPU s |\n|---|---:|---:|---:|---:|---:|")
    for number, (name, house) in enumerate(houses.items()):
        path = options.folder / f"memory-{options.packets}-{number}.pcap"
        if not path.exists():
            write_mix(path, house)
        both = [
            Contender("analyze", [*sniffer, "analyze", "-q", "-o", os.devnull, str(path)], house.packets),
            Contender("run", [*sniffer, "run", "--capture", str(path), "--exit"], house.packets),
        ]
        cells = []
        for contender in both:
            contender.run()
            cells.append(f"{contender.peak / 1024:.0f} | {contender.cpu[0]:.1f}")
        print(f"| {name} | {house.packets:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
