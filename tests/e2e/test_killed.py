"""The whole daemon is killed while speakers send. More: `python -m tests.e2e.killed --kills 300`."""

from pathlib import Path

import pytest

from tests.e2e.killed import torture

pytestmark = pytest.mark.slow


@pytest.mark.timeout(200)
def test_what_passed_in_one_life_is_told_once_whatever_is_killed(tmp_path: Path) -> None:
    outcome = torture(tmp_path, kills=8, seed=3)
    assert len(outcome.whole()) >= 1  # busy machines give short lives
    assert outcome.lost() == []
    assert outcome.doubled() == []
    assert max(outcome.answered.values()) <= 2
