"""The development captures: what is found there must stay found."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.evaluation.discover import find
from sniffer.evaluation.run import play
from sniffer.evaluation.score import Counts, score, together

pytestmark = [pytest.mark.data, pytest.mark.slow]


def ours(*paths: Path) -> Counts:
    config = Config()
    rulebook = load_rulebook(config)
    return together(score(play(capture, config, rulebook) for capture in find(paths).captures))["sniffer"]


def test_each_spoken_command_of_cic_and_nothing_else(shared_data: Path) -> None:
    counts = ours(shared_data / "cic")
    assert (counts.found, counts.expected, counts.false) == (17, 17, 0)
    assert sorted(counts.delays)[len(counts.delays) // 2] <= 1.5


def test_commands_to_an_older_echo(shared_data: Path) -> None:
    folder = shared_data / "vcf/haipeng_li"
    some = [path for letter in "ahs" for path in sorted(folder.glob(f"{letter}*"))[:4]]
    counts = ours(*some)
    assert counts.found == counts.expected == 5 * len(some)


def test_the_study_s_activation(shared_data: Path) -> None:
    counts = ours(shared_data / "speakers-study")
    assert (counts.found, counts.expected) == (1, 1)


def test_phones_apps_and_a_smoke_detector_say_nothing(shared_data: Path) -> None:
    assert ours(shared_data / "ndpi").false == 0
