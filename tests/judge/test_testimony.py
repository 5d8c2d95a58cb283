"""What a testimony weighs: properties of the function, and of the numbers that ship."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer import model
from sniffer.errors import RuleError
from sniffer.judge.testimony import (
    LEAST_UNHEARD,
    MEMORY,
    MEMORY_UNTRACED,
    SILENT_IF_UNASKED,
    Row,
    Table,
    Traces,
    Untraced,
    find_row,
    log_odds_asked,
)
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


uploads = st.lists(st.tuples(st.booleans(), st.floats(0, 1e12), st.booleans()), max_size=40)


def learned(uploads: list[tuple[bool, float, bool]], heard: int = 0) -> Traces:
    """Return what a listener shows that heard requests, then uploads: (traced, evidence, silent)."""
    traces = Traces(heard)
    for number, (traced, evidence, silent) in enumerate(uploads):
        traces = traces.plus(None if traced else Untraced(number, silent, evidence))
    return traces


@given(shares, shares, shares, st.floats(-90, 0), st.floats(-90, 0), uploads)
def test_a_higher_score_never_speaks_less_for_a_request_whatever_was_learned(
    one: float, other: float, voice: float, level: float, noise: float, shown: list[tuple[bool, float, bool]]
) -> None:
    low, high = sorted((one, other))
    weights = [log_odds_asked(witness(best, voice, level, noise), SHIPPED, learned(shown)) for best in (low, high)]
    assert weights[0] <= weights[1] + 1e-9


@given(shares, shares, st.floats(-90, 0), st.floats(-90, 0), uploads, st.integers(0, 10_000))
def test_no_testimony_weighs_more_than_what_every_listener_misses(
    best: float, voice: float, level: float, noise: float, shown: list[tuple[bool, float, bool]], heard: int
) -> None:
    weight = log_odds_asked(witness(best, voice, level, noise), SHIPPED, learned(shown, heard))
    assert math.log(LEAST_UNHEARD / SILENT_IF_UNASKED) - 1e-9 <= weight < 12


def test_what_a_listener_shows_replaces_the_guess_of_the_table() -> None:
    silent, talk = witness(0.0), witness(0.0, voice=0.6, level=-30)
    hears = Traces(heard=400)
    assert log_odds_asked(talk, SHIPPED, hears) < -4.0 < log_odds_asked(talk, SHIPPED)
    misses = learned([(False, 1e9, False)] * 20, heard=100)  # one request in six leaves none beside voices
    assert log_odds_asked(talk, SHIPPED, misses) > -1.0
    assert log_odds_asked(silent, SHIPPED, misses) < -4.0, "in a silent room it was never wrong"


def test_uploads_that_were_probably_not_asked_for_are_no_requests_that_left_no_trace() -> None:
    unanswered = learned([(False, 0.3, False)] * 10, heard=400)
    requests = learned([(False, 1e9, False)] * 10, heard=400)
    talk = witness(0.0, voice=0.6, level=-30)
    assert log_odds_asked(talk, SHIPPED, unanswered, 14.0) < log_odds_asked(talk, SHIPPED, requests, 14.0) - 1.0


@pytest.mark.parametrize("silent", [True, False])
def test_a_listener_in_another_room_is_found_by_the_answers(silent: bool) -> None:
    """Uploads without a trace that are answered as requests are: its silence says little, however many it heard."""
    said = witness(0.0) if silent else witness(0.0, voice=0.6, level=-30)
    answered = learned([(False, 2.2, silent)] * 9 + [(False, 0.2, silent)], heard=400)
    mixed = learned([(False, 2.2, silent)] * 3 + [(False, 0.3, silent)] * 7, heard=400)
    base_odds = 14.0
    odds = [math.exp(log_odds_asked(said, SHIPPED, traces, base_odds)) * base_odds for traces in (answered, mixed)]
    assert odds[0] > 1.0
    assert odds[1] < 0.2


def test_only_the_last_requests_are_remembered() -> None:
    traces = learned([(False, 1e9, True)] * 100)
    assert len(traces.untraced) == MEMORY_UNTRACED
    for _ in range(MEMORY + 1):
        traces = traces.plus()
    assert (traces.requests, traces.untraced) == (MEMORY, ())


def test_a_silent_room_weighs_most() -> None:
    silent = log_odds_asked(witness(0.0), SHIPPED)
    talk = log_odds_asked(witness(0.0, voice=0.6, level=-30), SHIPPED)
    assert silent < talk < 0
    assert silent <= -3.2, "of a new listener, of which little is known: one to twenty-five"
    assert log_odds_asked(witness(0.0), SHIPPED, Traces(400)) < -4.4, "of one that is known to hear: one to a hundred"


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
        ("[", "expected the node content"),
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
