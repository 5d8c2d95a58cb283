"""What each part is worth is counted on the same packets for all, and a row that is worse is named."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sniffer.detect.scoring.streams import RULES
from sniffer.detect.scoring.weights import load_weights
from sniffer.evaluation.ablate import Row, choices, line, simulated, without
from sniffer.evaluation.lab.speakers import FAMILIES, HELD_OUT, draw_voice
from sniffer.evaluation.lab.trials import KINDS, KINDS_OF, trial
from sniffer.resources import shipped


def row(**good: int) -> Row:
    counted = Row()
    for name, number in good.items():
        counted.count(name.replace("_", " "), number, 1_000)
    return counted


def test_a_row_defends_a_part_from_three_in_a_thousand_on_and_a_real_capture_from_one() -> None:
    base = row(real_commands=500, spoken=900, short=800)
    off = row(real_commands=499, spoken=898, short=797)
    assert list(off.worse(base)) == [("real commands", 1, 0.1), ("short", 3, pytest.approx(0.3))]
    assert list(row(real_commands=500, spoken=950, short=800).worse(base)) == []
    assert "real commands 1 (0.1); short 3 (0.3)" in line("part", off, base)


def test_what_is_switched_off_says_nothing() -> None:
    weights = load_weights(shipped("rules") / "detect")
    assert "pace" not in without(weights, frozenset({"pace"})).curves
    assert without(weights, frozenset()).curves == weights.curves
    names = [name for name, _ in choices()]
    assert len(names) == len(set(names)) and names[0] == "nothing"


def test_a_trial_is_the_same_each_time_and_holds_every_kind() -> None:
    one, other = trial(7, "opus_cbr", 1), trial(7, "opus_cbr", 1)
    assert one.truths == other.truths and np.array_equal(one.batch.time_ns, other.batch.time_ns)
    happened = Counter(truth.kind for truth in one.truths)
    assert happened["speech"] == KINDS.count("speech") == 2
    expected = {kind.removeprefix("short_") for kind in KINDS} - {"boot"}
    assert expected | {"state_sync", "log_dump"} <= set(happened)


def test_a_trial_of_rare_things_holds_each_of_them() -> None:
    truths = trial(7, "opus_cbr", 1, KINDS_OF["rare"]).truths
    happened = Counter(truth.kind for truth in truths)
    assert happened["slow_file"] == happened["fetch"] == happened["game"] == 2
    assert happened["clip"] == happened["view"] == 1
    assert max(truth.end - truth.begin for truth in truths if truth.kind == "view") > 35


@pytest.mark.parametrize("family", HELD_OUT)
def test_held_out_families_are_drawn_in_trials_alone(family: str) -> None:
    assert family not in FAMILIES
    luck = np.random.default_rng(5)
    rates = [voice.bytes_per_second for voice in (draw_voice(luck, family) for _ in range(200))]  # type: ignore[arg-type]
    assert min(rates) > 1_000 and max(rates) < 20_000


@pytest.mark.slow
def test_without_rules_for_streams_a_view_falls_apart() -> None:
    base, off = simulated((7, "opus_cbr"), [("nothing", frozenset()), ("rules", frozenset(RULES))], 1)
    assert base.of == off.of and base.of["spoken"] >= 3
    assert ("one upload: view", 1, 100.0) in off.worse(base)
