"""The captures in this folder are what the stories say, byte for byte."""

import pytest

from tests.captures.make import FOLDER, STORIES, Story, capture


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_capture_is_what_its_story_says(story: Story) -> None:
    assert (FOLDER / f"{story.__name__}.pcap").read_bytes() == capture(story)


def test_every_capture_has_its_story() -> None:
    named = {f"{story.__name__}.pcap" for story in STORIES}
    assert {path.name for path in FOLDER.glob("*.pcap")} == named
    assert all(name in (FOLDER / "README.md").read_text() for name in named)
