"""Milliseconds of processor time a view takes for a day of many uploads and devices: `python -m tests.bench page`."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from tests.web.test_load import VIEWS, busy

ROUNDS = 5


def main() -> None:
    """Fill a store, ask for each view some times, print the least and the size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uploads", type=int, default=5_000)
    parser.add_argument("--devices", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        house = busy(Path(folder), options.uploads, options.devices)
        client = house.client()
        for path in VIEWS:
            spent = []
            for _ in range(ROUNDS):
                before = time.process_time()
                size = len(client.get(path).content)
                spent.append(1000 * (time.process_time() - before))
            print(f"{path:20} {min(spent):6.1f} ms  {size / 1000:6.0f} kB")
        memory = house.service.page.backend.state()["memory_bytes"]
        print(f"resident memory {memory / 1e6:.0f} MB")
        house.close()
