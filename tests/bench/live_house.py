"""What a house in which people browse costs the daemon: 33 new connections a second, live; needs root.

    sudo .venv/bin/python -m tests.bench live_house [--seconds 60]

The house is that of `tests.bench.browsing`, sent at its own pace over a veth pair in a network namespace. The daemon's
CPU time is measured while nothing is sent, and then while the house is, minute by minute: it costs more while it learns
who is who.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sniffer.capture.files.open import open_capture
from tests.bench import browsing
from tests.bench.live import Row as LiveRow
from tests.bench.live import _daemon_row, _metrics, _usage_of, _wakeups_of, running, table
from tests.capture.net import namespace, raw_socket

CONNECTIONS_A_SECOND = 20_000 / 600


def replay(interface: str, path: Path) -> None:
    """Send the frames of a capture at the pace at which they were captured; print how many when that is done."""
    sent = 0
    with raw_socket(interface) as raw, open_capture(path) as capture:
        print("ready", flush=True)
        sys.stdin.readline()
        started, first = time.monotonic(), None
        for block in capture:
            data = bytes(block.data)
            rows = zip(block.offset.tolist(), block.captured.tolist(), block.time_ns.tolist(), strict=True)
            for offset, captured, time_ns in rows:
                first = time_ns if first is None else first
                early = started + (time_ns - first) / 1e9 - time.monotonic()
                if early > 0.002:
                    time.sleep(early)
                raw.send(data[offset : offset + captured])
                sent += 1
    print(sent, flush=True)


@contextmanager
def replaying(path: Path) -> Any:
    """A process that is ready to send a capture over `far0`."""
    program = [sys.executable, "-m", "tests.bench.live_house", "--replay", str(path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        yield process
        process.stdout.readline()


def rows(seconds: float, folder: Path) -> list[LiveRow]:
    """The daemon, idle and in the house."""
    capture = folder / "house.pcap"
    browsing.write(capture, browsing.Household(connections=round(CONNECTIONS_A_SECOND * seconds), seconds=seconds))
    with running() as process_id:
        found = [_daemon_row("the daemon, idle", process_id, 0, min(seconds, 60), 0)]
        with replaying(capture):
            for part in range(max(1, round(seconds / 60))):
                length = min(60.0, seconds) - 1
                before, usage, switches = _metrics(), _usage_of(process_id), _wakeups_of(process_id)
                time.sleep(length)
                used, woken = _usage_of(process_id) - usage, _wakeups_of(process_id) - switches
                after = _metrics()
                name = "sniffer_capture_packets_total"
                found.append(
                    LiveRow(
                        f"33 connections a second, minute {part + 1}",
                        (after[name] - before[name]) / length,
                        0,
                        None,
                        int(after["sniffer_capture_dropped_packets_total"]),
                        100 * used / length,
                        woken / length,
                    )
                )
        return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.replay:
        replay("far0", options.replay)
        return
    with namespace(), tempfile.TemporaryDirectory() as folder:
        found = rows(options.seconds, Path(folder))
    print(table(found))


if __name__ == "__main__":
    main()
