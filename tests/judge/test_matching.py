"""Pairing uploads with events, against trying every pairing."""

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.judge.matching import LEAST_FIT, fit, pair

S = 1_000_000_000


def best_sum(uploads: int, events: int, value: list[list[float]]) -> float:
    """The oracle: all order-keeping pairings."""
    best = 0.0
    for size in range(1, min(uploads, events) + 1):
        for chosen in combinations(range(uploads), size):
            for taken in combinations(range(events), size):
                values = [value[u][e] for u, e in zip(chosen, taken, strict=True)]
                if min(values) > LEAST_FIT:
                    best = max(best, sum(values))
    return best


@settings(deadline=None)
@given(st.lists(st.integers(0, 60), max_size=5), st.lists(st.integers(0, 60), max_size=5), st.integers(-5, 5))
def test_the_sum_is_the_best_there_is(starts: list[int], times: list[int], skew: int) -> None:
    starts, times = sorted(starts), sorted(times)
    value = [[fit((start - time) * S, skew * S, 16 * S, 14 * S) for time in times] for start in starts]
    candidates = [[e for e in range(len(times)) if row[e] > 0] for row in value]
    pairs = pair(candidates, lambda u, e: value[u][e])
    assert sorted(set(pairs)) == pairs
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(pairs))
    assert abs(sum(value[u][e] for u, e in pairs) - best_sum(len(starts), len(times), value)) < 1e-9


def test_the_fit_falls_from_the_middle_to_the_edges() -> None:
    assert fit(2 * S, 2 * S, 6 * S, 4 * S) == 1.0
    assert fit(5 * S, 2 * S, 6 * S, 4 * S) == 0.5
    assert fit(0, 2 * S, 6 * S, 4 * S) == 0.5
    assert fit(8 * S, 2 * S, 6 * S, 4 * S) == fit(-2 * S, 2 * S, 6 * S, 4 * S) == 0.0


def test_the_nearest_is_not_always_the_right_one() -> None:
    """Every event 8 s late, uploads 12 s apart: each event lies nearer to the next upload than to its own."""
    starts, times = [0, 12, 24], [8, 20, 32]
    value = [[fit((start - time) * S, -8 * S, 3 * S, 3 * S) for time in times] for start in starts]
    assert pair([[0, 1, 2]] * 3, lambda u, e: value[u][e]) == [(0, 0), (1, 1), (2, 2)]


def test_nothing_to_pair() -> None:
    assert pair([], lambda u, e: 1.0) == []
    assert pair([[], []], lambda u, e: 1.0) == []
