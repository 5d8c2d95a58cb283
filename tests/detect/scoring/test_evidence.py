"""What each kind of evidence adds, and that habits take little from what is unlike them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.detect.features.pacing import Shape
from sniffer.detect.profiles.baseline import Baseline
from sniffer.detect.profiles.profile import DeviceProfile
from sniffer.detect.scoring.evidence import ITEMS, MOST_AGAINST, Curve, Weights, height, score_of, weigh
from sniffer.detect.scoring.observation import Observation
from sniffer.detect.scoring.weights import load_weights
from sniffer.model import Service
from sniffer.resources import shipped

WEIGHTS = load_weights(shipped("rules") / "detect")
SPOKEN = Shape(
    duration=3.5, bytes=45_000, packets=80, begin=0.4, end=3.4, body_bytes=26_000, rate=8_700, writes=60,
    writes_per_second=20.0, gap_regularity=0.98, constancy=0.98, size_spread=0.0, chunk=437,
    head_bytes=18_000, head_ratio=10.0, opening=19_000, opened=0.6,
)  # fmt: skip
CASE = Observation(SPOKEN, Service(), datagrams=False, opened_before=None, down_body=500, down_after=30_000)


def usually(value: float) -> Baseline:
    usual = Baseline()
    for _ in range(10):
        usual.learn(value)
    return usual


def device(rate: float, opening: float, chunk: int) -> DeviceProfile:
    """One that has always spoken so, to its own server."""
    return DeviceProfile(
        speech=40, chunks={chunk: 40}, constant=1.0, rate=usually(rate), opening=usually(opening), begun=40,
        pause=usually(0.05),
        servers={"voice:443": 40},
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=6), st.floats(-20, 20))
def test_a_curve_is_straight_between_its_points_and_level_beyond(points: list[tuple[int, int]], number: float) -> None:
    curve: Curve = tuple((float(x), float(y)) for x, y in sorted(dict(points).items()))
    found = height(curve, number)
    below = [y for x, y in curve if x <= number] or [curve[0][1]]
    above = [y for x, y in curve if x >= number] or [curve[-1][1]]
    assert min(below[-1], above[0]) - 1e-9 <= found <= max(below[-1], above[0]) + 1e-9


def test_a_curve_by_hand() -> None:
    curve = ((-1.0, -2.0), (0.0, 0.0), (1.0, 4.0))
    assert [height(curve, x) for x in (-3, -1, -0.5, 0, 0.25, 1, 7)] == [-2, -2, -1, 0, 1, 4, 4]


def test_every_kind_of_evidence_has_a_curve_and_no_curve_is_for_nothing() -> None:
    assert {item.name for item in ITEMS} == set(WEIGHTS.curves)


def test_the_evidence_adds_up_to_the_score() -> None:
    weighed = weigh(CASE, WEIGHTS)
    assert weighed.score == pytest.approx(score_of(CASE, WEIGHTS))
    assert weighed.score == pytest.approx(WEIGHTS.intercept + sum(e.weight for e in weighed.evidence), abs=0.5)
    assert weighed.alone == weighed.score > 2  # speech, and nothing is known of this device yet


def test_speech_like_this_device_s_is_surer() -> None:
    at_home = replace(CASE, profile=device(8_700, 19_000, 437), server="voice:443", pieces=1.0)
    alike = weigh(at_home, WEIGHTS)
    alone = weigh(CASE, WEIGHTS).score
    assert alike.score > alone + 2


def test_no_habit_teaches_one() -> None:
    """What proves that an upload is speech may not come from what earlier uploads taught."""
    at_home = replace(CASE, profile=device(8_700, 19_000, 437), server="voice:443")
    for pieces in (None, 1.0, -1.0):
        assert weigh(replace(at_home, pieces=pieces), WEIGHTS).alone == pytest.approx(weigh(CASE, WEIGHTS).score)


def test_no_habit_makes_anybody_overlook_a_voice() -> None:
    """Another codec, another server, another opening: all of it together takes `MOST_AGAINST`."""
    elsewhere = replace(CASE, profile=device(33_000, 90_000, 1_062), server="other:443", pieces=-1.0)
    strange = weigh(elsewhere, WEIGHTS)
    assert weigh(CASE, WEIGHTS).score - strange.score <= MOST_AGAINST + 1e-9
    assert strange.score > 0


def test_the_most_that_habits_take_is_shared_among_them() -> None:
    all_against = Weights(0.0, {item.name: ((-1.0, -2.0), (0.0, 0.0), (1.0, 1.0)) for item in ITEMS if item.habit})
    elsewhere = replace(CASE, profile=device(33_000, 90_000, 1_062), server="voice:443", pieces=-1.0)
    weighed = weigh(elsewhere, all_against)
    negative = [e.weight for e in weighed.evidence if e.weight < 0]
    assert len(negative) >= 3
    assert sum(negative) == pytest.approx(-MOST_AGAINST)


def test_every_sentence_can_be_said() -> None:
    for learned, pace in ((device(8_700, 19_000, 437), 1.0), (device(33_000, 90_000, 1_062), -1.0), (None, None)):
        for server in ("voice:443", "other:443"):
            case = replace(CASE, profile=learned, pieces=pace, server=server)
            for item in ITEMS:
                found = item.measure(case)
                if found is not None:
                    assert item.sentence(case, found[1])[0].isupper() or item.sentence(case, found[1])[0].isdigit()


def test_words_follow_whether_it_is_alike() -> None:
    def words(learned: DeviceProfile) -> str:
        case = replace(CASE, profile=learned, server="voice:443", pieces=None)
        return " ".join(e.text for e in weigh(case, WEIGHTS).evidence if e.name.startswith("known"))

    assert "as speech of this device has begun before" in words(device(8_700, 19_000, 437))
    assert "speech of this device begins with about 90 kB" in words(device(33_000, 90_000, 1_062))


def test_a_connection_that_is_always_opened_to_speak_says_nothing() -> None:
    fresh = replace(CASE, opened_before=0.2)
    opener = DeviceProfile(speech=10, opens=1.0, servers={CASE.server: 1})
    assert score_of(fresh, WEIGHTS) < score_of(CASE, WEIGHTS)
    assert score_of(replace(fresh, profile=opener), WEIGHTS) == pytest.approx(score_of(CASE, WEIGHTS))
