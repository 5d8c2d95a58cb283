"""Trials: one new speaker, and every kind of thing that it may do the same number of times, minutes apart.

A month has ten thousand signs of life for one view; a trial asks the same questions in a hundredth of the packets. It
says what is found of each kind, and nothing of how often a kind comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sniffer.evaluation.lab.columns import Names
from sniffer.evaluation.lab.months import House, Truth
from sniffer.evaluation.lab.speakers import Family
from sniffer.model import PacketBatch

#: What happens, as often as asked for.
KINDS = (
    "speech", "speech", "false_wake", "view", "short_call", "short_game", "plain_rows", "headed_rows", "answered_rows",
    "report_rows", "even_rows", "app_state", "metrics_flush", "volume", "relayed", "opening", "boot", "log_sink",
)  # fmt: skip
#: What a trial of everything has none of: long streams, and uploads whose pace is that of a line or of a server.
RARE_KINDS = (
    "speech", "speech", "long_view", "clip", "slow_file", "slow_file", "fetch", "fetch", "tcp_game", "tcp_game",
)  # fmt: skip
KINDS_OF = {"everyday": KINDS, "rare": RARE_KINDS}
#: Seconds from one to the next: longer than what was a view is remembered.
_APART_S = 240.0


@dataclass(frozen=True)
class Trial:
    """Packets of one speaker, and what happened."""

    seed: int
    mac: int
    names: Names
    batch: PacketBatch
    truths: list[Truth]


def trial(seed: int, family: Family, times: int, kinds: Sequence[str] = KINDS) -> Trial:
    """One speaker that sends speech so, and does everything so many times, in any order."""
    house = House(seed, residents=1, family=family)
    order = np.random.default_rng([seed, 0x7121A1]).permutation(len(kinds) * times)
    plan = [(60.0 + _APART_S * place, kinds[number % len(kinds)]) for place, number in enumerate(order.tolist())]
    batch, truths = house.planned(plan)
    return Trial(seed, house.residents[0].mac, house.names, batch, truths)
