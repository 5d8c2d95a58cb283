"""`make fit-ear`: synthesise, measure, fit, check, and write `rules/judge/testimony.yml`."""

from __future__ import annotations

import argparse
import pickle
import sys
from pathlib import Path

from sniffer.evaluation.listener.fit import check, fit, held_out
from sniffer.evaluation.listener.measure import Measured, measure_all
from sniffer.evaluation.listener.report import about, as_yaml, draw, tables


def main() -> None:
    """Run the whole, or fit again what `--keep` has kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/speech"), help="where synthesised speech is kept")
    parser.add_argument("--asked", type=int, default=700, help="scenes with a request")
    parser.add_argument("--unasked", type=int, default=700, help="scenes without one")
    parser.add_argument("--confusable", type=int, default=100, help="scenes with a word that sounds alike")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a file for the measured testimonies: read where it exists")
    parser.add_argument("--write", type=Path, help="write the table there (rules/judge/testimony.yml)")
    parser.add_argument("--plot", type=Path, help="write the picture there")
    options = parser.parse_args()
    measured: list[Measured] = []
    if options.keep and options.keep.exists():
        measured = pickle.loads(options.keep.read_bytes())  # noqa: S301 - our own file
    else:
        counts = (options.asked, options.unasked, options.confusable)
        for number, one in enumerate(measure_all(options.folder, *counts, options.seed, options.jobs), 1):
            measured.append(one)
            if number % 100 == 0:
                sys.stderr.write(f"{number} of {sum(counts)} scenes\n")
            if options.keep and (number % 100 == 0 or number == sum(counts)):
                options.keep.write_bytes(pickle.dumps(measured))
    table = fit(measured, about(measured, options.seed))
    checks = held_out(measured)
    sys.stdout.write(as_yaml(table) + "\n")
    for line in tables(measured, [*checks, check(table, measured, "nothing (the table itself)")]):
        sys.stdout.write(line + "\n")
    if options.write:
        options.write.write_text(as_yaml(table), encoding="utf-8")
    if options.plot:
        draw(checks, options.plot)


if __name__ == "__main__":
    main()
