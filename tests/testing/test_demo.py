"""The bundled demonstration is what its story says, byte for byte, and small."""

from pathlib import Path

import pytest

from sniffer.demo import CAPTURE, WAKE_EVENTS
from sniffer.testing.demo import make, tell


def test_the_demo_is_what_its_story_says(tmp_path: Path) -> None:
    make(tmp_path)
    assert (tmp_path / CAPTURE.name).read_bytes() == CAPTURE.read_bytes()
    assert (tmp_path / WAKE_EVENTS.name).read_text() == WAKE_EVENTS.read_text()


def test_the_demo_is_small() -> None:
    assert CAPTURE.stat().st_size < 400_000


def test_what_nobody_can_do_is_refused() -> None:
    from datetime import UTC, datetime

    scene = {"at": 1, "who": "kitchen", "does": "flies"}
    story = {
        "start": datetime(2026, 1, 1, tzinfo=UTC),
        "seed": 1,
        "hosts": {"kitchen": "02:00:00:00:00:0a"},
        "story": [scene],
    }
    with pytest.raises(ValueError, match="nobody can 'flies'"):
        tell(story)
