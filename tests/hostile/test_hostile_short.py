"""A short run of each hostile target; the long ones are `make hostile`."""

from __future__ import annotations

import pytest

from tests.capture.net import why_not
from tests.hostile import mutate

REASON = why_not()
LIVE = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.mark.slow
def test_mutated_inputs_raise_nothing() -> None:
    counts = mutate.run(6_000, seed=20_261_127)
    assert set(counts) == set(mutate.kinds())


@pytest.mark.slow
@pytest.mark.root
@LIVE
@pytest.mark.timeout(200)
@pytest.mark.parametrize("flood", ["invented-macs", "idle-http"])
def test_the_utterance_is_found_in_a_flood(flood: str) -> None:
    from tests.hostile import floods

    result = floods.measure(flood, 4_000, 1_000)
    assert result.alive, result
    assert result.found, result
    assert result.resident_mib < 200, result


@pytest.mark.slow
@pytest.mark.root
@LIVE
@pytest.mark.timeout(400)
@pytest.mark.parametrize("fault", ["full", "removed", "forbidden"])
def test_the_watch_goes_on_while_nothing_can_be_kept(fault: str) -> None:
    from tests.hostile import storage

    outcome = storage.measure(fault)
    assert outcome.held, outcome
    assert outcome.said, outcome
