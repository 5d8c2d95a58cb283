"""`python -m tests.bench offline|memory|live|live_house|page`: one benchmark, with its own options (`--help`)."""

from __future__ import annotations

import importlib
import sys

BENCHES = ("offline", "memory", "live", "live_house", "page")

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in BENCHES:
        sys.exit(f"usage: python -m tests.bench {'|'.join(BENCHES)} [--help]")
    name = sys.argv.pop(1)
    importlib.import_module(f"tests.bench.{name}").main()
