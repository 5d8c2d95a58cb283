"""Processor time a view takes for a day of many uploads and devices, and how long turns of the packet loop last while
views are read: `python -m tests.bench page`. The reader is a process of its own, over HTTP, as a browser is."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from sniffer.app.turns import SWITCH_SECONDS
from sniffer.testing import House
from tests.app.test_daemon import MAC, Source
from tests.web.house import PageHouse
from tests.web.test_load import VIEWS, busy

ROUNDS = 10
#: Seconds between two turns, as a live interface with traffic has them.
PAUSE_SECONDS = 0.02
#: A browser that keeps reading: asks for each path in turn, prints a line for each answer.
READER = """
import itertools, sys, time, urllib.request
base, pause, *paths = sys.argv[1:]
for path in itertools.cycle(paths):
    request = urllib.request.Request(base + path, headers={"Accept": "text/html"})
    begun = time.perf_counter()
    size = len(urllib.request.urlopen(request).read())
    print(size, 1000 * (time.perf_counter() - begun), flush=True)
    if sys.stdin.readline() == "" or time.sleep(float(pause)):
        break
"""


def reader(house: PageHouse, pause: float, *paths: str) -> subprocess.Popen[str]:
    """Start a process that reads views."""
    command = [sys.executable, "-c", READER, str(house.service.address), str(pause), *paths]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def views(house: PageHouse) -> None:
    """Print what each view costs this process: the server's part alone."""
    for path in VIEWS:
        reading = reader(house, 0, path)
        assert reading.stdin is not None and reading.stdout is not None
        spent, size, wait = [], 0, 0.0
        reading.stdout.readline()
        for _ in range(ROUNDS):
            before = time.process_time()
            reading.stdin.write("\n")
            reading.stdin.flush()
            line = reading.stdout.readline().split()
            spent.append(1000 * (time.process_time() - before))
            size, wait = int(line[0]), float(line[1])
        reading.kill()
        reading.wait()
        print(f"{path:20} {min(spent):6.1f} ms (median {np.median(spent):5.1f})  {wait:6.1f} ms to the reader  "
              f"{size / 1000:5.0f} kB")  # fmt: skip


def turns(house: PageHouse, seconds: float, pause: float | None) -> np.ndarray:
    """Milliseconds of each turn of the loop; views are read meanwhile, one each `pause` seconds."""
    source = house.daemon._source
    assert isinstance(source, Source)
    lan = House(seed=5, start_ns=house.clock.now_ns())
    speaker = lan.host("kitchen", mac=MAC)
    speaker.plays(seconds).to("media.example.com", at=0.0)
    for number in range(int(seconds / 6)):
        speaker.says(3.0).to("voice.example.com", at=6.0 * number + 1)
    source.frames = list(lan.frames())
    reading = None if pause is None else reader(house, pause, *VIEWS)
    if reading is not None:
        threading.Thread(target=_answer, args=(reading,), daemon=True).start()
        time.sleep(0.5)
    lasted = []
    house.daemon._poll_timeout = PAUSE_SECONDS
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(PAUSE_SECONDS)
        begun = time.perf_counter()
        house.daemon.step()
        lasted.append(1000 * (time.perf_counter() - begun))
    if reading is not None:
        reading.kill()
        reading.wait()
    return np.array(lasted)


def _answer(reading: subprocess.Popen[str]) -> None:
    assert reading.stdin is not None and reading.stdout is not None
    try:
        while reading.stdout.readline():
            reading.stdin.write("\n")
            reading.stdin.flush()
    except OSError:
        return


def main() -> None:
    """Fill a store, then read."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uploads", type=int, default=5_000)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    sys.setswitchinterval(SWITCH_SECONDS)  # as `sniffer run` does
    with tempfile.TemporaryDirectory() as folder:
        house = busy(Path(folder), options.uploads, options.devices)
        house.service.start()
        before = house.service.page.backend.state()["memory_bytes"]
        views(house)
        memory = house.service.page.backend.state()["memory_bytes"]
        print(f"resident memory {before / 1e6:.0f} MB before, {memory / 1e6:.0f} MB after")
        for name, pause in (
            ("idle", None),
            ("a view each second", 1.0),
            ("views without a pause", 0.0),
            ("idle", None),
        ):
            lasted = turns(house, options.seconds, pause)
            p50, p99 = np.percentile(lasted, [50, 99])
            print(f"turn, {name:22} p50 {p50:5.2f} ms  p99 {p99:5.2f} ms  most {lasted.max():5.2f} ms")
        house.close()
