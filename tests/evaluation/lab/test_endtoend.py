"""Detector, wake sources and judge together; the long run fills the table in docs/wake.md."""

import numpy as np
import pytest

from sniffer.evaluation.lab.ears import EAR, Ear, Setup
from sniffer.evaluation.lab.endtoend import counted, main, simulate, uploads_of
from sniffer.evaluation.lab.months import DAY, House
from sniffer.model import WakeKind

pytestmark = pytest.mark.slow


def test_without_a_source_nobody_is_accused() -> None:
    rows = simulate(0.2, 3, days=3, ideal=True, setups=(Setup("no source"),))
    row = rows["no source"]
    assert row.asked and row.asked_inconclusive == row.asked and row.false == 0


def test_an_ear_that_hears_everything_explains_everything_and_finds_the_rest() -> None:
    house, uploads, truths = uploads_of(4, 4, ideal=True)
    sharp = Setup("sharp", (Ear("ear", miss=0.0, jitter=0.0, false_per_day=0),))
    row = counted(sharp, uploads, truths, 4, 4, len(house.residents) * 4 / 30)
    assert row.asked_accused == 0
    assert row.asked_inconclusive <= 0.1 * row.asked


def test_an_ear_says_what_was_asked_and_no_more() -> None:
    truths = [truth for _, happened in House(4).days(2) for truth in happened]
    asked = {truth.asked for truth in truths if truth.kind == "speech"}
    events = Ear("ear", miss=0.0, false_per_day=0).events(np.random.default_rng(1), truths, 2, [1])
    assert len(events) == len(asked) > 0
    assert all(event.received_ns >= event.time_ns for event in events)


def test_outages_are_silent() -> None:
    truths = [truth for _, happened in House(4).days(2) for truth in happened]

    def words(ear: Ear) -> int:
        return sum(e.kind is WakeKind.WAKE for e in ear.events(np.random.default_rng(1), truths, 2, [1]))

    assert words(Ear("ear", outages_per_day=9, outage=50 * DAY)) < words(EAR)


def test_the_command_prints_the_table(capsys: object) -> None:
    main(["--months", "0.1", "--days", "1", "--perfect"])
    assert "| two ears |" in capsys.readouterr().out  # type: ignore[attr-defined]
