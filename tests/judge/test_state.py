"""The judge's memory: read back as written, also that of the version before; a loss is logged."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings
from sniffer.model import WakeSource
from tests.judge.story import DEVICES, START, S, ear, hand, hears, history, judge, says

SOURCES = (WakeSource("ear", assumed_up=True), WakeSource("beats", expires=600.0), history("vendor", hold_off=75.0))


def test_a_state_of_version_4_goes_on_as_it_would_have() -> None:
    saved = json.loads((Path(__file__).parent / "state_of_version_4.json").read_text())
    court = Judge(JudgeSettings(), SOURCES, DEVICES.__getitem__, saved["state"])
    assert [
        [(j.upload.start_ns - START) / S, DEVICES[j.upload.key].name, j.verdict.reason, j.verdict.revision]
        for j in court.finish()
    ] == saved["then"]
    assert [[q.name, q.events, q.explained, q.unused, q.miss_rate, q.skew_seconds] for q in court.sources()] == saved[
        "quality"
    ]


def test_the_loss_of_a_state_of_another_version_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    court = judge(ear())
    hand(court, [hears(0), says(0.4)])
    state = court.state() | {"version": 99}
    with caplog.at_level(logging.WARNING):
        other = Judge(JudgeSettings(), (ear(),), DEVICES.__getitem__, state)
    assert other.finish() == []
    assert "version 99" in caplog.text
    assert "lost" in caplog.text


def test_a_damaged_state_raises_an_error_that_the_caller_reports() -> None:
    state = judge(ear()).state()
    for damage in ({"cases": [{"number": "x"}]}, {"learned": 5}, {"queue": [{}]}):
        with pytest.raises((ValueError, LookupError, TypeError)):
            Judge(JudgeSettings(), (ear(),), DEVICES.__getitem__, state | damage)
    with pytest.raises((ValueError, LookupError, TypeError)):
        Judge(JudgeSettings(), (ear(),), DEVICES.__getitem__, {"version": 4})


def test_the_verdict_names_the_policy_that_decided_it() -> None:
    court = judge(ear())
    hand(court, [hears(0), says(0.4), says(60)])
    assert [judged.verdict.decided_by for judged in court.finish()] == ["explained", "silence"]
