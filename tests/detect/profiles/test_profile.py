"""Habits: learned slowly, announced when they move, and never a reason to overlook speech."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sniffer.detect.features.pacing import Shape
from sniffer.detect.features.rows import Rows
from sniffer.detect.profiles.profile import DeviceProfile, profiles_from
from sniffer.detect.profiles.servers import server_of
from sniffer.model import Drift, FlowKey, Service, Upload, UploadClass, address_pair
from tests.detect.traffic import BASE, DEVICE, SECOND

FLOW = FlowKey(address_pair("192.168.1.23"), 40_000, address_pair("52.94.233.109"), 443, 6)


def upload(at: float, kind: UploadClass = UploadClass.SPEECH, size: int = 40_000, chunk: int | None = 437) -> Upload:
    start = BASE + round(at * SECOND)
    return Upload(
        key=DEVICE, flows=(FLOW,), service=Service(), start_ns=start, end_ns=start + 3 * SECOND,
        final_ns=start + 4 * SECOND, upload_class=kind, score=6.0, probability=0.99, bytes=size, bytes_toclient=10_000,
        packets=80, chunk_bytes=chunk, chunks_per_second=20.0, speech_seconds=3.0, answered=True,
    )  # fmt: skip


def learn(learned: DeviceProfile, upload: Upload, rate: float, opening: int = 20_000) -> list[Drift]:
    shape = Shape(
        duration=3.0, bytes=40_000, packets=80, rate=rate, constancy=1.0, opening=opening, writes_per_second=20.0,
    )  # fmt: skip
    return learned.learn(upload, shape, rows([0.0], [400]))


def rows(seconds: list[float], size: list[int]) -> Rows:
    many = np.array(size, dtype=np.int64)
    return Rows(np.array(seconds), many, np.zeros(len(many), dtype=np.bool_), many, np.ones_like(many))


def spoken(size: int, pieces: int = 20) -> Rows:
    return rows([number * 0.05 for number in range(pieces)], [size] * pieces)


def taught(times: int = 5) -> DeviceProfile:
    learned = DeviceProfile()
    for number in range(times):
        assert learn(learned, upload(number * 100), 8_700) == []
    return learned


def test_little_is_known_at_first() -> None:
    learned = taught(1)
    assert learned.known_chunks == []
    assert learned.pieces(spoken(437)) is None
    assert learned.rate.likeness(8_700) is None
    assert learned.opening_odds(20_000) is None


def test_five_commands_teach_chunk_and_rate() -> None:
    learned = taught()
    assert learned.pieces(spoken(437)) == 1
    assert learned.pieces(spoken(1_062)) == -1
    assert (learned.rate.likeness(8_800) or 0) > 0.9
    assert (learned.rate.likeness(33_000) or 0) < -0.9
    assert learned.always_constant


def test_a_few_pieces_at_the_pace_in_which_it_speaks_are_enough() -> None:
    learned = taught()
    few = spoken(437, 4)
    assert learned.pieces(few) == pytest.approx(3 / 5)
    lost = replace(few, seconds=np.array([0.0, 0.05, 0.15, 0.2]))  # one of five was lost
    assert learned.pieces(lost) == pytest.approx(3 / 5)
    by_chance = replace(few, seconds=np.array([0.0, 0.018, 0.4, 0.9]))
    assert learned.pieces(by_chance) == 0
    assert learned.pieces(spoken(437, 1)) == -1  # one piece of any size is chance


def test_what_is_not_sure_by_its_pace_teaches_nothing() -> None:
    learned = taught()
    before = learned.to_dict()
    shape = Shape(duration=1.0, bytes=90_000, packets=80, rate=30_000, constancy=1.0, opening=70_000)
    for number in range(5):
        assert learned.learn(upload(600 + number, chunk=1_062), shape, rows([0.0], [400]), sure=False) == []
    assert {**learned.to_dict(), "lines": {}} == {**before, "lines": {}}
    for number in range(500):  # but for how often what was taken for speech began so, and that is bounded
        learned.learn(upload(700 + number), replace(shape, opening=20_000), rows([0.0], [400]), sure=False)
    assert {**learned.to_dict(), "lines": {}, "begun": 0} == {**before, "lines": {}, "begun": 0}
    assert learned.telling == 6


def test_a_server_that_never_got_speech_is_foreign_only_once_the_device_is_known() -> None:
    assert DeviceProfile().familiarity("there:443") is None
    assert taught(3).familiarity("there:443") is None
    settled = taught(40)
    assert settled.familiarity("there:443") == -1
    assert settled.familiarity(next(iter(settled.servers))) == 1


def test_an_opening_says_the_more_the_seldomer_anything_else_begins_nearly_so() -> None:
    learned = taught(40)
    assert taught(2).telling < 3 < learned.telling
    flush = replace(upload(600, UploadClass.SYNC, 30_000, None), score=-6.0)
    nearly = Shape(duration=0.5, bytes=30_000, packets=5, opening=30_000)
    before = learned.telling
    for other, shape in (
        (replace(flush, score=-1.0), nearly),  # it may have been speech
        (replace(flush, bytes=1_000), nearly),  # a sign of life
        (flush, replace(nearly, opening=20_000)),  # just so: perhaps it was speech
        (flush, replace(nearly, opening=2_000)),  # quite another thing
    ):
        learned.learn(other, shape, rows([0.0], [400]))
    assert learned.telling == before
    for _ in range(50):  # there are many that begin with more; those that begin just so lie between these and none
        learned.learn(flush, nearly, rows([0.0], [400]))
    assert 1 < learned.telling < before
    less = replace(nearly, opening=14_000)
    for number in range(2_000):
        learned.learn(flush, less if number % 2 else nearly, rows([0.0], [400]))
    assert learned.telling == pytest.approx(0.4)
    assert learned.begun + learned.below + learned.above <= 400


def test_an_opening_that_is_larger_than_usual_says_less_against_a_voice_than_a_smaller_one() -> None:
    """Other business of the same connection only adds to it."""
    learned = taught(40)
    usual, larger, smaller = (learned.opening_odds(amount) or 0 for amount in (20_000, 28_000, 14_286))
    assert smaller < larger < usual == learned.telling
    assert learned.opening_odds(200) == -4


def test_many_addresses_of_one_name_push_no_other_name_out() -> None:
    learned = DeviceProfile()
    learn(learned, replace(upload(0), service=Service("b.example", "voice", "sni", 1.0)), 8_700)
    for number in range(40):
        flow = replace(FLOW, dst=address_pair(f"52.94.1.{number}"))
        a = replace(upload(number), service=Service("a.example", "voice", "sni", 1.0), flows=(flow,))
        learn(learned, a, 8_700)
    assert list(learned.servers) == ["b.example:443", "a.example:443"]
    assert len(learned.addresses) == 16


def test_where_speech_went_by_name_it_is_known_without_the_name() -> None:
    named = replace(upload(0), service=Service("voice.example", "voice", "sni", 1.0))
    learned = DeviceProfile()
    learn(learned, named, 8_700)
    assert learned.knows_server("voice.example:443")
    assert learned.knows_server(server_of(Service(), FLOW))
    assert not learned.knows_server("other.example:443")


def test_a_new_chunk_is_announced_and_adopted_only_after_several_times() -> None:
    learned = taught()
    assert learn(learned, upload(600, chunk=1_062), 8_700) == []
    assert learn(learned, upload(700, chunk=1_062), 8_700) == []
    (drift,) = learn(learned, upload(800, chunk=1_062), 8_700)
    assert (drift.what, drift.before, drift.after) == ("chunk_bytes", 437, 1_062)
    assert learned.known_chunks == [437, 1_062]


def test_one_strange_rate_changes_nothing() -> None:
    learned = taught()
    before = learned.rate.value
    learn(learned, upload(600), 90_000)
    assert learned.rate.value == before


@pytest.mark.parametrize(
    ("what", "rate", "opening"), [("bytes_per_second", 33_000, 20_000), ("opening_bytes", 8_700, 90_000)]
)
def test_a_new_rate_or_opening_is_announced_and_adopted_only_after_several_times(
    what: str, rate: float, opening: int
) -> None:
    learned = taught()
    assert learn(learned, upload(600), rate, opening) == []
    assert learn(learned, upload(700), rate, opening) == []
    (drift,) = learn(learned, upload(800), rate, opening)
    assert drift.what == what
    assert drift.after == pytest.approx(max(drift.after, drift.before), rel=0.01)
    assert learn(learned, upload(900), rate, opening) == []


def test_an_upload_by_the_clock_is_announced_before_it_is_expected() -> None:
    learned = DeviceProfile()
    drifts = []
    for number in range(8):
        flush = upload(number * 1_800, UploadClass.BULK, 120_000 + number * 500, None)
        assert learned.expects(flush) == bool(drifts)
        drifts += learn(learned, flush, 0)
    assert [drift.what for drift in drifts] == ["periodic_upload_bytes"]
    assert not learned.expects(upload(8 * 1_800 - 700, UploadClass.BULK, 120_000, None))


def test_a_louder_hour_is_announced() -> None:
    learned = DeviceProfile()
    drifts = []
    for hour in range(10):
        drifts += learn(learned, upload(hour * 3600, UploadClass.TELEMETRY, 20_000), 0)
    assert drifts == []
    drifts += learn(learned, upload(10 * 3600, UploadClass.TELEMETRY, 2_000_000), 0)
    drifts += learn(learned, upload(11 * 3600, UploadClass.TELEMETRY, 20_000), 0)
    assert [drift.what for drift in drifts] == ["idle_bytes_per_hour"]
    assert learned.idle_bytes_per_hour < 60_000


def test_it_can_be_stored_and_bad_state_is_forgotten() -> None:
    learned = taught()
    assert DeviceProfile.from_dict(json.loads(json.dumps(learned.to_dict()))) == learned
    assert DeviceProfile.from_dict({"chunks": {"x": "y"}}) == DeviceProfile()
    assert DeviceProfile.from_dict({"chunks": 3, "speech": "many"}) == DeviceProfile()
    assert DeviceProfile.from_dict({"periodic": {"a": {"evil": 1}}}) == DeviceProfile()


STRANGE = [None, "x", [], {}, [1], {"a": 1}, -1, math.inf, math.nan, 1e308, 1 << 70, True]


@pytest.mark.parametrize("value", STRANGE)
def test_whatever_stands_in_the_store_the_next_uploads_are_learned(value: Any) -> None:
    learned = taught()
    learn(learned, upload(600, UploadClass.BULK), 0)
    stored = learned.to_dict()
    (server,) = stored["periodic"]
    bad: list[Any] = [{**stored, name: value} for name in stored]
    bad += [{**stored, name: {"437": value}} for name in ("chunks", "cuts", "servers", "periodic")]
    bad += [{**stored, name: {str(value): 50}} for name in ("chunks", "cuts")]
    bad += [
        {**stored, habit: {**stored[habit], name: value}}
        for habit in ("rate", "opening", "pause")
        for name in stored["rate"]
    ]
    bad += [
        {**stored, "periodic": {server: {**stored["periodic"][server], name: value}}}
        for name in stored["periodic"][server]
    ]
    for state in [value, *bad]:
        again = DeviceProfile.from_dict(state)
        assert all(size > 0 for size in again.segments)
        for at, kind in ((700, UploadClass.BULK), (800, UploadClass.SPEECH)):
            assert again.expects(upload(at, kind)) in (True, False)
            learn(again, upload(at, kind), 8_700)
        likely = [usual.likeness(8_700) for usual in (again.rate, again.opening, again.pause)]
        likely += [
            again.pieces(spoken(437)),
            again.opening_odds(20_000),
            *again.lines.values(),
            again.rate.value,
            again.telling,
        ]
        assert all(number is None or math.isfinite(number) for number in likely)


def test_what_is_no_list_of_habits_is_none() -> None:
    assert profiles_from({"7": taught().to_dict(), "x": {}}) == {7: taught()}
    assert [profiles_from(state) for state in (None, [], "x", 3)] == [{}] * 4


def test_an_update_adds_to_what_an_older_version_learned() -> None:
    old = {name: value for name, value in taught().to_dict().items() if name not in ("opening", "lines", "cuts")}
    learned = DeviceProfile.from_dict(old)
    assert (learned.speech, learned.chunks) == (5, {437: 5})
    before = {name: value for name, value in taught(40).to_dict().items() if name not in ("below", "above")}
    assert (
        DeviceProfile.from_dict({**before, "beside": 380}).telling < taught(40).telling - 1
    )  # nothing is known of others yet
    assert learned.opening.likeness(20_000) is None


def test_of_0_1_0_it_keeps_the_rate() -> None:
    """There, it was one number."""
    old = DeviceProfile.from_dict({"speech": 5, "rate": 8_700.0, "opening": 0.0, "openings": 3, "strange_rate": 0.0})
    assert (old.speech, old.rate.value) == (5, pytest.approx(8_700))
    assert old.rate.known and not old.opening.known
    assert DeviceProfile.from_dict({"speech": 5, "rate": -8_700.0}) == DeviceProfile()


def test_flushes_at_any_time_become_usual_after_days_but_never_where_speech_goes() -> None:
    learned, taught_server = DeviceProfile(), taught()
    drifts, silent = [], []
    for number, hours in enumerate([0, 7, 9, 20, 31, 42, 55, 60]):
        flush = upload(hours * 3_600 + number * 100, UploadClass.BULK, 100_000 + number * 9_000, None)
        drifts += [d.what for d in learn(learned, flush, 0)]
        silent += [d.what for d in learn(taught_server, flush, 0)]
    assert "usual_upload_bytes" in drifts
    again = upload(70 * 3_600, UploadClass.BULK, 120_000, None)
    assert learned.expects(again)
    assert not learned.expects(upload(70 * 3_600, UploadClass.BULK, 400_000, None))
    assert not taught_server.expects(again)


def test_speech_that_begins_as_it_always_did_is_known() -> None:
    learned = taught()
    assert (learned.opening.likeness(20_500) or 0) > 0.8
    assert learned.opening.likeness(60_000) == -1
    assert taught(1).opening.likeness(20_000) is None


def test_what_the_line_carried_and_where_it_cuts_is_learned_from_any_upload() -> None:
    learned = DeviceProfile()
    flush = rows([i * 0.002 for i in range(60)], [1_380] * 59 + [300])
    shape = Shape(duration=0.12, bytes=81_720, packets=60)
    for number in range(6):
        assert learned.segments == ()  # one upload that a radio has held up teaches nothing
        learned.learn(upload(number, UploadClass.TELEMETRY, 81_720, chunk=None), shape, flush)
    assert learned.segments == (1_380,)
    assert list(learned.lines.values()) == [pytest.approx((81_720 - 30_000) / 0.25)]
    slow = rows([i * 0.1 for i in range(60)], [1_200] * 60)
    for number in range(6):
        learned.learn(upload(60 + number, UploadClass.TELEMETRY, 72_000, chunk=None), shape, slow)
    assert learned.segments == (1_380,)  # what comes one by one is no part of something larger
    assert DeviceProfile.from_dict(json.loads(json.dumps(learned.to_dict()))) == learned


def test_pieces_in_which_a_device_speaks_are_no_segments() -> None:
    learned = DeviceProfile(chunks={1_220: 10}, cuts={1_220: 50, 1_448: 10})
    assert learned.segments == (1_448,)
