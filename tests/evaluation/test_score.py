"""Counting, and the intervals around counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer.detect.baselines import Alarm
from sniffer.evaluation.datasets import LabelledCapture, find_captures
from sniffer.evaluation.play import Played
from sniffer.evaluation.score import at_most, score, together, wilson


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
        ("google-mini/google-quiet.json", "nemea/google-mini", 0),
        ("ndpi/nest_log_sink.pcap", "ndpi", 0),
    ],
)
def test_sets_are_known_by_their_file_names(tmp_path: Path, name: str, device: str, expected: int) -> None:
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).touch()
    (tmp_path / "README.md").touch()
    (found,) = find_captures([tmp_path])
    assert (found.device, found.expected) == (device, expected)
