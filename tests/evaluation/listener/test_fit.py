"""The fit of the testimony table never overstates what speaks against a request: testimonies with known odds."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer import model
from sniffer.evaluation.listener.fit import Z, check, fit, held_out
from sniffer.evaluation.listener.measure import Measured
from sniffer.evaluation.listener.report import about, as_yaml, tables
from sniffer.evaluation.statistics import wilson
from sniffer.judge.testimony import Traces, log_odds_asked
from sniffer.judge.testimony_table import load_table

S = 1_000_000_000


def measured(asked: bool | None, best: float, voice: float, engine: str = "one", snr: float = 30.0) -> Measured:
    said = model.Testimony(0, 8 * S, (("alexa", best),), voice, -60.0 + snr, -60.0, 8.0)
    return Measured("alexa", asked, "quiet", "near" if asked else "", engine, said)


def drawn(count: int, seed: int, faint: float = 0.03) -> list[Measured]:
    """Requests that leave no trace in a share `faint`, and moments of which half are silent and the rest talk."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        engine = ("one", "two", "three")[number % 3]
        found.append(
            measured(True, rng.uniform(0, 0.004) if rng.random() < faint else rng.uniform(0.3, 1), 0.4, engine)
        )
        talk = rng.random() < 0.5
        found.append(
            measured(False, rng.uniform(0, 0.05) if talk else 0.0, 0.6 if talk else 0.0, engine if talk else "")
        )
    return found


def test_what_is_known_weighs_and_what_is_not_known_does_not() -> None:
    table = fit(drawn(1000, 1), "a test")
    proven = Traces(heard=100)
    silent = log_odds_asked(measured(None, 0.0, 0.0).testimony, table, proven)
    talk = log_odds_asked(measured(None, 0.001, 0.6).testimony, table)
    said = log_odds_asked(measured(None, 0.8, 0.5).testimony, table)
    assert silent < -4 < talk < 0 < 3 < said
    assert log_odds_asked(measured(None, 0.001, 0.6, snr=5.0).testimony, table) == 0, "no scene was like that"
    thin = fit(drawn(12, 1), "a test")
    assert silent < log_odds_asked(measured(None, 0.0, 0.0).testimony, thin, proven) <= 0


def test_a_word_that_was_heard_is_one_in_every_room() -> None:
    table = fit(drawn(1000, 2), "a test")
    assert log_odds_asked(measured(None, 0.95, 0.0).testimony, table) > 2


@given(st.integers(0, 1000), st.floats(0.0, 0.3))
def test_the_numbers_rise_with_the_score_and_are_conservative(seed: int, faint: float) -> None:
    some = drawn(100, seed, faint)
    table = fit(some, "a test")
    for row in table.rows:
        values = [y for _, y in row.score]
        assert values == sorted(values)
    asked = [one for one in some if one.asked]
    unasked = [one for one in some if one.asked is False]
    low = [sum(one.testimony.best < 0.01 and one.testimony.voice > 0.05 for one in side) for side in (asked, unasked)]
    weight = table.rows[3].room + table.rows[3].score[0][1]
    (_, most), (least, _) = wilson(low[0], 100, Z) or (0, 1), wilson(low[1], 100, Z) or (0, 1)
    if weight < 0:
        assert weight >= math.log(most / least) - 0.01


def test_it_is_checked_on_engines_that_it_did_not_hear() -> None:
    checks = held_out(drawn(600, 3))
    assert [one.name for one in checks] == ["one", "three", "two"]
    for one in checks:
        assert len(one.asked) == 200
        assert one.excess <= 1.0
        assert one.share_below(-1.0)[1] > one.share_below(-1.0)[0]


def test_an_engine_that_is_heard_worse_shows() -> None:
    some = [one for one in drawn(600, 4) if one.engine != "two" or not one.asked]
    deaf = [measured(True, 0.001, 0.0, "two") for _ in range(200)]
    (two,) = [one for one in held_out([*some, *deaf]) if one.name == "two"]
    assert two.excess > 10


def test_the_table_is_written_as_it_is_read(tmp_path: Path) -> None:
    some = [*drawn(200, 5), measured(None, 0.9, 0.4)]
    table = fit(some, about(some, 1))
    (tmp_path / "testimony.yml").write_text(as_yaml(table))
    assert load_table(tmp_path) == table
    assert "200 requests and 200 other moments" in table.fitted
    lines = "\n".join(tables(some, [check(table, some, "itself")]))
    assert "| model alexa (200) |" in lines
    assert "a word that sounds alike (1)" in lines


@pytest.mark.slow
def test_scenes_through_the_real_listener(tmp_path: Path) -> None:
    pytest.importorskip("pymicro_wakeword")
    import numpy as np

    from sniffer.evaluation.listener.measure import testify
    from sniffer.evaluation.listener.scenes import LENGTH_S, asked_scenes, unasked_scenes
    from sniffer.evaluation.listener.voices import voices

    speakers = [voice for voice in voices(tmp_path) if voice.engine == "espeak-ng"][:3]
    if not speakers:
        pytest.skip("espeak-ng is not installed")
    scenes = [
        *asked_scenes(speakers, 6, np.random.default_rng(1)),
        *unasked_scenes(speakers, 6, np.random.default_rng(1)),
    ]
    assert {len(scene.sound) for scene in scenes} == {round(LENGTH_S * 32000)}
    found = [testify(scene) for scene in scenes]
    assert all(one.testimony.seconds == 8 for one in found)
    silent = [one for one in found if one.kind.startswith("silent")]
    assert silent
    assert max(one.testimony.voice for one in silent) < 0.05
    assert max(one.testimony.voice for one in found if one.asked) > 0.1
    again = [testify(scene) for scene in asked_scenes(speakers, 6, np.random.default_rng(1))]
    assert again == found[:6], "the same seed gives the same"
