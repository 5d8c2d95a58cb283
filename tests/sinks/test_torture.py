"""Nothing is lost, nothing is repeated beyond what a kill makes unavoidable. More: `python -m tests.sinks.torture`."""

from pathlib import Path

import pytest

from tests.sinks.torture import torture


@pytest.mark.timeout(120)
def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    count = torture(tmp_path, kills=40, seed=7)
    assert count.arrived == set(range(1, count.made + 1))
    assert len(count.answered) == count.made  # one id each, over all lives
    assert count.repeated <= count.kills  # at most the one that was on its way when the kill came
    assert count.refused + count.unanswered > 0  # which of them, and how often, the load of the machine decides
