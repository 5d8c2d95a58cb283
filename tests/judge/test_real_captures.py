"""Real uploads, spoilt wake files: who was asked is never accused. All captures: `python -m tests.bench.wake_files`."""

import random
import shutil
from pathlib import Path

import pytest

from tests.bench.wake_files import SPOILT, Story, measure, stories

pytestmark = [pytest.mark.data, pytest.mark.slow]

CAPTURES = (
    "flip_a_coin_5_30s",
    "how_many_days_in_a_year_5_30s",
    "what_are_the_most_popular_boos_this_week_5_50s",
    "what_movies_are_playing_5_30s",
    "alexa_5_30s",
)


@pytest.fixture(scope="module")
def found(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Story]:
    folder = tmp_path_factory.mktemp("captures")
    for name in CAPTURES:
        shutil.copy(shared_data / "vcf" / "haipeng_li" / f"{name}.pcap", folder)
    return stories([folder], ["c4:95:00:e3:93:2f=echo"], random.Random(1))


def test_there_is_something_to_judge(found: list[Story]) -> None:
    assert sum(len(story.uploads) for story in found) > 30


@pytest.mark.parametrize("spoilt", SPOILT)
def test_who_was_asked_is_not_accused(found: list[Story], spoilt: str) -> None:
    result = measure(found, SPOILT[spoilt], random.Random(7))
    assert result.accused_finally == 0
    if "reported" not in spoilt:
        assert result.accused == 0, "not even for a moment"
    if "down" not in spoilt:
        assert result.explained >= 0.9 * result.uploads


@pytest.mark.parametrize("spoilt", ["one event removed", "half of the events removed", "all events removed"])
def test_who_was_not_asked_is_accused(found: list[Story], spoilt: str) -> None:
    removed = measure(found, SPOILT[spoilt], random.Random(7)).removed
    assert removed["no_wake_event"] >= 0.6 * removed.total()
    assert set(removed) <= {"no_wake_event", "follow_up", "wake_event_off_time"}
