"""Counting, and the intervals around counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sniffer.evaluation import trained
from sniffer.evaluation.baselines import Alarm
from sniffer.evaluation.baselines.lsh import Stretch, fingerprint
from sniffer.evaluation.datasets import LabelledCapture
from sniffer.evaluation.discover import find
from sniffer.evaluation.run import Played
from sniffer.evaluation.score import score, together
from sniffer.evaluation.statistics import at_most, reliability, wilson
from sniffer.evaluation.windows import Piece, auc


def played(expected: int, alarms: int, *, exact: bool = True) -> Played:
    capture = LabelledCapture(Path("x"), "set", "set/device", expected, exact=exact)
    return Played(capture, alarms={"other": [Alarm(i, i + 1) for i in range(alarms)]}, hours=0.5)


def test_the_first_alarms_are_found_the_others_false() -> None:
    (device,) = score([played(1, 3), played(0, 1), played(2, 1)])
    counts = device.counts["other"]
    assert (counts.expected, counts.found, counts.false, counts.more, counts.hours) == (3, 2, 3, 0, 1.5)
    assert device.counts["sniffer"].found == 0
    assert together([device])["other"].recall == pytest.approx(2 / 3)


def test_more_alarms_than_commands_are_no_error_where_questions_are_asked_again() -> None:
    (device,) = score([played(5, 8, exact=False)])
    assert (device.counts["other"].more, device.counts["other"].false) == (3, 0)


def test_where_times_are_known_an_alarm_finds_the_command_that_it_overlaps_with() -> None:
    capture = LabelledCapture(Path("x"), "set", "set/device", 3)
    said = [Alarm(90, 95), Alarm(11, 12), Alarm(14, 15), Alarm(18, 31), Alarm(500, 501)]
    one = Played(capture, alarms={"other": said}, hours=1, spoken=((10, 20), (30, 40), (60, 70)))
    counts = score([one])[0].counts["other"]
    assert (counts.expected, counts.found, counts.more, counts.false) == (3, 2, 1, 2)


def test_auc_is_the_chance_to_rank_speech_higher() -> None:
    given = [(True, 3.0), (True, 1.0), (False, 1.0), (False, 0.0), (False, float("-inf"))]
    pieces = [Piece(spoken, {"x": value}, None) for spoken, value in given]
    assert auc(pieces, "x") == pytest.approx(5.5 / 6)  # one tie among six pairs
    assert auc(pieces[:2], "x") is None
    assert auc(pieces, "another") is None


def test_reliability_is_what_was_said_beside_what_was_so() -> None:
    low, high = reliability([(0.01, False), (0.015, True), (1.0, True), (0.99, True), (0.99, False)])
    assert (low.count, low.share, low.said) == (2, 0.5, pytest.approx(0.0125))
    assert (high.count, high.true) == (3, 2)
    assert high.interval == wilson(2, 3)


def test_the_trained_detector_knows_what_it_was_shown_and_is_not_judged_on_it() -> None:
    """Two devices with sizes of their own: each is recognised by its own captures, and not by the other's."""
    luck = np.random.default_rng(1)

    def of(sizes: tuple[int, int], at: int) -> Stretch:
        tokens = luck.choice(np.array(sizes, dtype=np.uint8), 200)
        return Stretch(1, at, at + 1, 1000, fingerprint(tokens))

    played = [
        Played(LabelledCapture(Path(f"{device}{i}"), "set", device, int(speech)), hours=1, stretches=[of(sizes, i)])
        for device, speech_sizes, other_sizes in (("a", (200, 7), (130, 20)), ("b", (150, 60), (200, 8)))
        for speech, sizes in ((True, speech_sizes), (False, other_sizes))
        for i in range(4)
    ]
    trained.judge(played)
    a = score(played)[0]
    assert (a.counts["lsh-home"].found, a.counts["lsh-home"].false) == (4, 0)
    assert a.counts["lsh-new"].found < 4 or a.counts["lsh-new"].false > 0
    alone = Played(LabelledCapture(Path("x"), "set", "c", 1), stretches=[of((1, 2), 0)])
    trained.judge([alone])
    assert not alone.alarms


def test_intervals() -> None:
    # Newcombe 1998, table I: 81 of 263.
    low, high = wilson(81, 263) or (0, 0)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 0) is None
    assert at_most(0, 1) == pytest.approx(2.996, abs=0.01)  # the rule of three
    assert at_most(3, 1) == pytest.approx(7.754, abs=0.01)
    assert at_most(3, 0) is None


@pytest.mark.parametrize(
    ("name", "device", "expected"),
    [
        ("home/what_time_is_it_5_30s.pcap", "vcf/home", 5),
        ("echodot/echodot2VOICEVOLUMEON_1.pcap", "cic/echodot", 1),
        ("echospot/echospotLANVOLUMEON_1.pcap", "cic/echospot", 0),
        ("sonos/sonosoneALEXAPLAY_1.pcap", "cic/sonosone", 0),
        ("s/echodot3a_active_2019-11-16.pcap", "study/echodot3a", 1),
        ("echodot/local_voice/2019-04-25_19:28:50.30s.pcap", "moniotr/echodot", 1),
        ("echodot/android_lan_volume/2019-04-25_19:28:50.30s.pcap", "moniotr/echodot", 0),
        ("google-mini/google-quiet.json", "nemea/google-mini", 0),
        ("ndpi/nest_log_sink.pcap", "ndpi", 0),
    ],
)
def test_sets_are_known_by_their_file_names(tmp_path: Path, name: str, device: str, expected: int) -> None:
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).touch()
    (tmp_path / "README.md").touch()
    (found,) = find([tmp_path]).captures
    assert (found.device, found.expected) == (device, expected)
