"""The page of a daemon that captures: what each view costs, and whether the packet path waits for it; needs root.

    sudo .venv/bin/python -m tests.bench page [--rounds 20] [--seconds 3] [--rate 2000]

`sniffer run` runs as always, in a network namespace of its own, over a veth pair; readers are processes of their own,
over HTTP, as browsers are. First each view is loaded, of an ordinary home and of a day of 5,000 uploads of 200 devices:
processor time of the daemon's process, the time until a reader has it, its size, and how much resident memory grew by
all of it. Then packets flow, someone speaks, and slices of a few seconds in which nobody reads alternate with
slices in which two readers load the heaviest views. Each turn of the daemon is timed where it runs: from when
packets are there to the end of all that follows from them.

The daemon has a real-time priority, so that it has a processor when it wants one, whatever else this machine does: the
readers are on other machines where it matters.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sniffer.model.clock import SECOND
from sniffer.records.build import timestamp
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from tests.bench.live import sending
from tests.capture.net import namespace
from tests.e2e.test_run_live import MAC, play, speech
from tests.web.house import upload

ROOT = Path(__file__).parents[2]
#: Times each view is loaded; the first load compiles its template and does not count.
LOADS = 15
VERDICTS = (("expected", "wake_event"), ("inconclusive", "source_may_have_missed"), ("unexpected", "no_wake_event"),
            (None, "not_judged"))  # fmt: skip
#: How often each of them comes.
SHARES = (60, 15, 3, 22)
#: Those that the readers load while packets flow.
HEAVY = ("/timeline", "/timeline?page=2", "/", "/devices", "/questions")
#: Reads what it is told to on standard input; prints bytes and milliseconds.
READER = """
import sys, time, urllib.request
for line in sys.stdin:
    request = urllib.request.Request(line.strip(), headers={"Accept": "text/html"})
    begun = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        size = len(answer.read())
    print(size, 1000 * (time.perf_counter() - begun), flush=True)
"""


@dataclass(frozen=True)
class Home:
    """How much there is in the store."""

    name: str
    uploads: int
    devices: int


ORDINARY, LARGE = Home("ordinary home", 150, 8), Home("large", 5_000, 200)


def fill(path: Path, home: Home) -> list[tuple[str, str]]:
    """Write a day that ends now into a store; return MAC and name of each device."""
    macs = [(0x68DB_F590_1900 + number).to_bytes(6, "big").hex(":") for number in range(home.devices)]
    named = [(mac, f"speaker-{number}") for number, mac in enumerate(macs)]
    chance, now_ns = random.Random(3), time.time_ns()
    with Store(StoreSettings(path=path)) as store, store.transaction():
        for number in range(home.uploads):
            mac, name = named[chance.randrange(home.devices)]
            verdict, reason = chance.choices(VERDICTS, SHARES)[0]
            begun_ns = now_ns - chance.randrange(60, 23 * 3600) * SECOND
            times = {"timestamp": timestamp(begun_ns), "end": timestamp(begun_ns + 3 * SECOND)}
            record = upload(0, verdict, reason, mac=mac, name=name)
            store.emit({**record, **times, "id": f"20260101T000000.{number:05d}-00000000"})
    return named


def late_zone() -> str:
    """A time zone in which it is the last hour of the day, so that the day of the store is today."""
    ahead = (23 - datetime.now(UTC).hour + 12) % 24 - 12
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/UTC"


class Daemon:
    """`sniffer run` over lan0 with a store that is full already."""

    def __init__(self, folder: Path, home: Home) -> None:
        folder.mkdir()
        self.turns_path, self.home = folder / "turns", home
        devices = fill(folder / "sniffer.db", home)
        named = "".join(f"  - {{mac: '{mac}', name: {name}}}\n" for mac, name in devices)
        config = folder / "sniffer.yaml"
        config.write_text(
            f"capture: {{interface: lan0, user: root}}\nhttp: {{port: 0}}\nalerts: {{time_zone: {late_zone()}}}\n"
            f"store: {{path: {folder}/sniffer.db}}\nsinks: {{event_log: null}}\ndevices:\n{named}"
            f"  - {{mac: '{MAC}', name: kitchen}}\n"
        )
        command = [sys.executable, "-m", "tests.bench.page", "--daemon", str(self.turns_path), "run", "-c", str(config)]
        self.process = subprocess.Popen(
            [*command, "--format", "none"], cwd=ROOT, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        os.sched_setscheduler(self.process.pid, os.SCHED_RR, os.sched_param(1))
        assert self.process.stderr is not None
        self.base, said = "", []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"serving (http://[^ /]+)", line):
                self.base = found[1]
                break
        else:
            raise RuntimeError("".join(said))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self._until_ready()

    def _until_ready(self) -> None:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.base}/-/ready", timeout=2).close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the daemon does not get ready")

    def cpu_ms(self) -> float:
        """Processor time of all threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(path.read_text().split()[0]) for path in tasks) / 1e6

    def memory_mib(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", status)
        assert found is not None
        return int(found[1]) / 1024

    def end(self) -> np.ndarray:
        """End it; rows of its turns: begin and end (monotonic seconds), processor seconds, packets, seconds since the
        newest packet."""
        self.process.terminate()
        self.process.wait(30)
        return np.fromfile(self.turns_path).reshape(-1, 5)


def timed(path: str, arguments: list[str]) -> None:
    """Be the command line, and write down how long each turn lasted."""
    from sniffer.app.daemon import Daemon as Real

    handle, rows = Real._handle, []  # what was measured is written at the end: no file is touched meanwhile

    def measured(self: Real, blocks: Sequence[object]) -> None:
        sizes = [block for block in blocks if len(block)]  # type: ignore[arg-type]
        newest = max((int(block.time_ns.max()) for block in sizes), default=0)  # type: ignore[attr-defined]
        begun, cpu = time.monotonic(), time.thread_time()
        handle(self, blocks)  # type: ignore[arg-type]
        age = (time.time_ns() - newest) / SECOND if newest else float("nan")
        number = sum(map(len, sizes))  # type: ignore[arg-type]
        rows.append((begun, time.monotonic(), time.thread_time() - cpu, number, age))

    Real._handle = measured  # type: ignore[assignment, method-assign]
    sys.argv = ["sniffer", *arguments]
    from sniffer.cli.main import main as command_line

    try:
        command_line()
    finally:
        np.array(rows, dtype=float).tofile(path)


class Reader:
    """A browser: a process that loads views when it is told to."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._process = subprocess.Popen(
            [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def load(self, path: str) -> tuple[int, float]:
        """Bytes, and milliseconds until they were there."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{self._base}{path}\n")
        self._process.stdin.flush()
        size, milliseconds = self._process.stdout.readline().split()
        return int(size), float(milliseconds)

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


def views(daemon: Daemon) -> Iterator[str]:
    """A line of the table for each view."""
    reader = Reader(daemon.base)
    with urllib.request.urlopen(f"{daemon.base}/api/v1/uploads?limit=1") as answer:
        newest = json.loads(answer.read())[0]
    paths = ("/", "/timeline", "/timeline?page=2", "/timeline?span=1h", "/timeline?verdict=unexpected",
             f"/uploads/{newest['id']}", "/questions", "/devices", f"/devices/{newest['device']['mac']}", "/sources",
             "/rules", "/health", "/start", "/record")  # fmt: skip
    before = daemon.memory_mib()
    for path in paths:
        reader.load(path)
        spent, waits, size = [], [], 0
        for _ in range(LOADS):
            cpu = daemon.cpu_ms()
            size, wait = reader.load(path)
            time.sleep(0.01)
            spent.append(daemon.cpu_ms() - cpu)
            waits.append(wait)
        path = path.replace(newest["id"], "ID").replace(newest["device"]["mac"], "MAC")
        yield (f"| {daemon.home.name} | `{path}` | {np.median(spent):.1f} | {min(spent):.1f} | {np.median(waits):.1f} "
               f"| {size / 1000:.0f} |")  # fmt: skip
    reader.end()
    after = daemon.memory_mib()
    yield f"\n{daemon.home.name}: resident memory {before:.0f} MiB before, {after:.0f} MiB after all views"


@dataclass(frozen=True)
class Slice:
    """A time in which views were read, or not."""

    reading: bool
    begin: float
    end: float
    views: int


def slices(daemon: Daemon, rounds: int, seconds: float, pause: float) -> list[Slice]:
    """Alternate between nobody and two readers, each of which waits `pause` seconds after a view."""
    found = []
    readers = [Reader(daemon.base), Reader(daemon.base)]
    for reading in [False, True] * rounds:
        time.sleep(0.2)  # what is on its way belongs to neither
        begin = time.monotonic()
        read = [0, 0]

        def work(number: int, until: float = begin + seconds, read: list[int] = read) -> None:
            for path in itertools.islice(itertools.cycle(HEAVY), number, None):
                readers[number].load(path)
                read[number] += 1
                if time.monotonic() + pause >= until:
                    return
                time.sleep(pause)

        threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)] if reading else []
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        found.append(Slice(reading, begin, time.monotonic(), sum(read)))
        for thread in threads:
            thread.join()
    for reader in readers:
        reader.end()
    return found


@contextmanager
def traffic(rate: int, seconds: float) -> Iterator[None]:
    """Speakers that play, and one that is spoken to."""
    stop = threading.Event()

    def talk() -> None:
        for seed in itertools.count():
            play(speech(3.0, seed=seed))
            if stop.wait(0.5):
                return

    talker = threading.Thread(target=talk)
    with sending(rate, seconds, 0.3) as sender:
        assert sender.stdin is not None
        sender.stdin.write("go\n")
        sender.stdin.flush()
        talker.start()
        try:
            yield
        finally:
            stop.set()
            talker.join()
            sender.terminate()


def compared(what: str, turns: np.ndarray, found: Sequence[Slice]) -> Iterator[str]:
    """Lines of the table: turns with packets while nobody read, and while two read; and the ratio of the two, with the
    95 % interval that drawing slices anew gives."""
    parts: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for one in found:
        inside = (turns[:, 0] >= one.begin) & (turns[:, 0] < one.end) & (turns[:, 3] > 0)
        parts[one.reading].append(turns[inside])
    chance = np.random.default_rng(1)
    for name, values in (
        ("turn, ms", {key: [1000 * (part[:, 1] - part[:, 0]) for part in some] for key, some in parts.items()}),
        ("its processor time, ms", {key: [1000 * part[:, 2] for part in some] for key, some in parts.items()}),
        ("age of the newest packet, ms", {key: [1000 * part[:, 4] for part in some] for key, some in parts.items()}),
    ):
        line = f"| {what} | {name}"
        for share in (50, 90, 99):
            idle, read = (float(np.percentile(np.concatenate(values[key]), share)) for key in (False, True))
            drawn = []
            for _ in range(400):
                again = chance.integers(0, len(values[True]), len(values[True]))
                some = [np.percentile(np.concatenate([values[key][n] for n in again]), share) for key in (False, True)]
                drawn.append(some[1] / some[0])
            low, high = np.percentile(drawn, [2.5, 97.5])
            line += f" | {idle:.2f} → {read:.2f}: {read / idle:.2f} ({low:.2f}-{high:.2f})"
        yield line + " |"
    reads = sum(one.views for one in found)
    spent = sum(one.end - one.begin for one in found if one.reading)
    yield (f"\n{what}: {sum(map(len, parts[False]))} turns while nobody read, {sum(map(len, parts[True]))} while two "
           f"read {reads / spent:.1f} views a second\n")  # fmt: skip


def machine() -> str:
    """How fast this machine is just now: other programs on it share its caches and cores."""
    spent = []
    for _ in range(20):
        begun = time.thread_time()
        sum(range(1_000_000))
        spent.append(1000 * (time.thread_time() - begun))
    return (f"this machine: load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; `sum(range(1_000_000))` takes "
            f"{np.median(spent):.1f} ms (least {min(spent):.1f} ms)")  # fmt: skip


def main() -> None:
    """Print both tables as Markdown."""
    if len(sys.argv) > 2 and sys.argv[1] == "--daemon":
        timed(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rate", type=int, default=2_000, help="packets a second, of which 30 % are speakers'")
    parser.add_argument("--only", choices=("views", "turns"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, namespace():
        folder = Path(name)
        if options.only != "turns":
            print("| home | view | processor ms, median | least | ms to the reader | kB |")
            print("|---|---|---:|---:|---:|---:|")
            for home in (ORDINARY, LARGE):
                daemon = Daemon(folder / f"views-{home.uploads}", home)
                for line in views(daemon):
                    print(line, flush=True)
                daemon.end()
            print(machine())
        if options.only != "views":
            daemon = Daemon(folder / "turns", LARGE)
            runs = {}
            with traffic(options.rate, 100_000):
                for what, pause in (("a view each second", 1.0), ("views without a pause", 0.0)):
                    runs[what] = slices(daemon, options.rounds, options.seconds, pause)
            turns = daemon.end()
            print(f"\n{machine()}\n")
            print("| two readers | what | p50: nobody → two, ratio | p90 | p99 |\n|---|---|---:|---:|---:|")
            for what, found in runs.items():
                for line in compared(what, turns, found):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
