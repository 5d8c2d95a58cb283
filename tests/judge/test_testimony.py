"""What a testimony weighs: properties of the function, and of the numbers that ship."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer import model
from sniffer.errors import RuleError
from sniffer.judge.testimony import Row, Table, find_row, log_odds_asked
from sniffer.judge.testimony_table import load_table
from sniffer.resources import shipped

S = 1_000_000_000
SHIPPED = load_table(shipped("rules") / "judge")
shares = st.floats(0, 1)


def witness(
    best: float | None = 0.0, voice: float = 0.0, level: float = -55.0, noise: float = -60.0, seconds: float = 8.0
) -> model.Testimony:
    scores = () if best is None else (("alexa", best),)
    return model.Testimony(0, 8 * S, scores, voice, level, noise, seconds)


@given(shares, shares, shares, st.floats(-90, 0), st.floats(-90, 0), st.floats(0, 8))
def test_a_higher_score_never_speaks_less_for_a_request(
    one: float, other: float, voice: float, level: float, noise: float, seconds: float
) -> None:
    low, high = sorted((one, other))
    weights = [log_odds_asked(witness(best, voice, level, noise, seconds), SHIPPED) for best in (low, high)]
    assert weights[0] <= weights[1]


@given(shares, shares, st.floats(-90, 0), st.floats(-90, 0), shares, shares)
def test_hearing_less_never_accuses_more(
    best: float, voice: float, level: float, noise: float, one: float, other: float
) -> None:
    less, more = sorted((one, other))
    weights = [log_odds_asked(witness(best, voice, level, noise, 8 * share), SHIPPED) for share in (less, more)]
    assert min(0.0, weights[1]) <= min(0.0, weights[0])


@given(shares, shares, st.floats(-90, 0), st.floats(-90, 0), st.floats(0.001, 1))
def test_no_testimony_weighs_more_than_what_a_listener_misses(
    best: float, voice: float, level: float, noise: float, unheard: float
) -> None:
    weight = log_odds_asked(witness(best, voice, level, noise), SHIPPED, unheard)
    assert math.log(unheard) - 1e-9 <= weight < 12


def test_a_silent_room_weighs_most() -> None:
    silent = log_odds_asked(witness(0.0), SHIPPED)
    talk = log_odds_asked(witness(0.0, voice=0.6, level=-30), SHIPPED)
    assert silent < talk < 0
    assert silent <= -3.2, "of a new listener, of which little is known: one to twenty-five"
    assert log_odds_asked(witness(0.0), SHIPPED, unheard=0.003) < -4.4, "of one that is known to hear: one to a hundred"


def test_a_faint_wake_word_speaks_for_a_request() -> None:
    assert log_odds_asked(witness(0.5, voice=0.4, level=-30), SHIPPED) > 1
    assert log_odds_asked(witness(0.95, voice=0.4, level=-30), SHIPPED) > 3


@pytest.mark.parametrize("seconds", [0.0, 2.0, 4.0, math.nan])
def test_half_of_a_span_says_nothing_against_a_request(seconds: float) -> None:
    assert log_odds_asked(witness(0.0, seconds=seconds), SHIPPED) == 0
    if seconds > 0:
        assert log_odds_asked(witness(0.95, voice=0.4, level=-30, seconds=seconds), SHIPPED) > 3


def test_without_a_model_only_the_room_counts() -> None:
    table = Table(0.01, (Row(0, 0, -3.0, ((0.0, -2.0), (1.0, 2.0))),))
    assert log_odds_asked(witness(None), table) == pytest.approx(math.log(0.99 * math.exp(-3) + 0.01))
    assert log_odds_asked(witness(0.0), table) == pytest.approx(math.log(0.99 * math.exp(-5) + 0.01))


def test_the_class_of_a_room() -> None:
    rows = tuple(Row(voice, snr, 0, ((0, 0), (1, 1))) for voice, snr in ((0, 0), (0, 20), (0.1, 5), (0.1, 15)))
    table = Table(0.01, rows)
    for voice, snr, number in ((0, -5, 0), (0, 0, 0), (0.05, 25, 1), (0.1, 0, 2), (0.1, 14, 2), (0.9, 99, 3)):
        assert find_row(table, voice, snr) is rows[number]


GOOD = "unheard: 0.01\nrows:\n  - {voice: 0, snr_db: 0, room: -3, score: [[0, -1], [1, 2]]}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("rows: []", "needs the keys"),
        ("[", "not YAML"),
        (GOOD.replace("0.01", "2"), "'unheard' is not"),
        (GOOD.replace("room: -3", "room: .nan"), "row 1: voice, snr_db and room"),
        (GOOD.replace("[1, 2]", "[1, -2]"), "do not rise"),
        (GOOD.replace("[1, 2]", "[1, 99]"), "out of range"),
        (GOOD.replace("[1, 2]", "[1]"), "not a list of points"),
        (GOOD.replace("room: -3, ", ""), "exactly the keys"),
        (GOOD + GOOD.splitlines()[-1], "not in order"),
    ],
)
def test_a_table_that_is_none(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "testimony.yml").write_text(text)
    with pytest.raises(RuleError, match=reason):
        load_table(tmp_path)


def test_a_table_that_is_one(tmp_path: Path) -> None:
    (tmp_path / "testimony.yml").write_text(GOOD)
    assert load_table(tmp_path) == Table(0.01, (Row(0, 0, -3, ((0, -1), (1, 2))),))
    with pytest.raises(RuleError, match="cannot be read"):
        load_table(tmp_path / "none.yml")
