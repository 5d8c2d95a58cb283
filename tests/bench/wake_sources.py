"""False accusations a month for each combination of wake sources, where only the judge can err.

    python -m tests.bench.wake_sources --months 20

Uploads are those of an ideal detector, without packets, so months pass in seconds;
`sniffer.evaluation.lab.endtoend` is the same
with packets and the real detector.
"""

from __future__ import annotations

import argparse

import numpy as np

from sniffer.evaluation.lab.ears import SETUPS
from sniffer.evaluation.lab.endtoend import Row, counted, perfect, table
from sniffer.evaluation.lab.months import DAY, Truth

DAYS = 30


def house(seed: int) -> tuple[int, list[Truth]]:
    """A month of one to four speakers: requests, follow-ups, speakers that overheard, and false activations."""
    luck = np.random.default_rng([seed, 0x3A5E])
    macs = [0x0200_0000_0000 + seed * 16 + number for number in range(int(luck.integers(1, 5)))]
    truths: list[Truth] = []
    for mac in macs:
        requests, unasked = luck.lognormal(np.log(12), 0.5), luck.lognormal(np.log(0.5), 0.7)
        follow_up, earshot = luck.uniform(0, 0.3), luck.uniform(0, 0.3)
        for at in luck.uniform(0, DAYS * DAY, luck.poisson(requests * DAYS)):
            asked = float(at) - luck.uniform(0.1, 0.9)
            end = _add(truths, luck, "speech", mac, float(at), asked)
            for other in macs:
                if other != mac and luck.random() < earshot:
                    _add(truths, luck, "overheard", other, float(at) + luck.normal(0, 0.15), asked)
            while luck.random() < follow_up:
                end = _add(truths, luck, "follow_up", mac, end + luck.uniform(1, 7), asked)
        for at in luck.uniform(0, DAYS * DAY, luck.poisson(unasked * DAYS)):
            _add(truths, luck, "false_wake", mac, float(at), None)
    return len(macs), sorted(truths, key=lambda truth: truth.begin)


def _add(truths: list[Truth], luck: np.random.Generator, kind: str, mac: int, at: float, asked: float | None) -> float:
    seconds = float(luck.lognormal(np.log(2.5), 0.5))
    truths.append(Truth(kind, mac, at, at + seconds, seconds=seconds, asked=asked))
    return at + seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="setups whose name holds this")
    chosen = parser.parse_args()
    setups = [setup for setup in SETUPS if chosen.only in setup.name]
    rows = {setup.name: Row() for setup in setups}
    done, seed = 0, chosen.seed * 1000
    while done < chosen.months:
        devices, truths = house(seed)
        uploads = perfect(truths, np.random.default_rng(seed))
        for setup in setups:
            rows[setup.name].add(counted(setup, uploads, truths, DAYS, seed, devices))
        done, seed = done + devices, seed + 1
    print(table(rows))


if __name__ == "__main__":
    main()
