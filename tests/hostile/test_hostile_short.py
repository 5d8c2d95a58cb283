"""A short run of each hostile target; the long ones are `make hostile`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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


@pytest.mark.slow
@pytest.mark.root
@LIVE
@pytest.mark.timeout(300)
def test_one_attack_of_each_kind_fails() -> None:
    """Side by side, each in a namespace of its own; `python -m tests.hostile.live` runs all of them."""
    from tests.hostile import live
    from tests.hostile.attacks import ATTACKS

    chosen = (
        "hide-17-segments-far-ahead",
        "unwatch-forwarding",
        "invent-answers-of-another-host",
        "split-8-connections",
    )
    with ThreadPoolExecutor(len(chosen)) as pool:
        results = list(pool.map(live.run, (ATTACKS[name] for name in chosen)))
    assert not [str(result) for result in results if result.failed]


@pytest.mark.slow
@pytest.mark.root
@LIVE
@pytest.mark.timeout(300)
def test_callers_that_do_not_behave_change_nothing() -> None:
    from tests.hostile import doors

    with doors.watching() as world:
        wrong = {name: message for name, trick in doors.TRICKS.items() if (message := trick(world))}
        assert not wrong
        assert "Traceback" not in world.daemon.said()
        assert doors.memory_mib(world.daemon._process.pid) < 200
