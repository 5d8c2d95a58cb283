"""Rows removed, shifted, doubled and merged: what is kept is found, what is removed is called missing, and nothing
else."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.model.clock import SECOND
from sniffer.vendor.comparison import Comparison, Scope, Seen, compare
from sniffer.vendor.rows import Meaning, VendorRow
from tests.vendor.writing import START, times

DAY = 86_400 * SECOND


def seen(at: float, device: str = "kitchen", name: str | None = None) -> Seen:
    start = START + round(at * SECOND)
    return Seen(name or f"{device}-{at}", device, start, start + 3 * SECOND, "speech", 3.0, "expected", "ear")


def row(at: float, device: str = "Kitchen Echo") -> VendorRow:
    return VendorRow(START + round(at * SECOND), Meaning.REQUEST, "GENERAL", device=device, clock="x")


def scope(*, named: dict[str, str] | None = None) -> Scope:
    span = (START - DAY, START + 400 * DAY)
    return Scope([span], {"x": span}, named or {})


def total(found: Comparison) -> tuple[int, int]:
    """How many uploads and rows are in a list."""
    uploads = len(found.both) + len(found.apart) + len(found.continued) + len(found.only_seen) + len(found.beyond)
    rows = sum(len(pair.rows) for pair in (*found.both, *found.apart, *found.unrecognised)) + sum(
        map(len, (found.only_recorded, found.not_watched, found.without_sound, found.unlinked))
    )
    return uploads + sum(found.not_compared.values()), rows


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(-80, 80), st.floats(0, 0.4), st.floats(0.01, 2.0))
def test_removed_rows_are_missing_and_kept_rows_are_not(
    seed: int, offset: float, removed: float, jitter: float
) -> None:
    chance = random.Random(seed)
    at = [3 * time for time in times(50, seed, apart=600)]  # no two closer than three minutes
    kept = [time for time in at if chance.random() >= removed]
    rows = [row(time + offset + chance.uniform(0, jitter)) for time in kept]
    rows += [row(time + offset + 2) for time in kept[::7]]  # a second row of the same upload
    strangers = [time + 90 for time in at[::11]]  # a recording, and nothing left
    rows += [row(time + offset) for time in strangers]
    found = compare([seen(time) for time in at], rows, scope())
    assert {pair.upload.id for pair in found.both} == {f"kitchen-{time}" for time in kept}
    assert {upload.id for upload in found.only_seen} == {f"kitchen-{time}" for time in at if time not in kept}
    assert len(found.only_recorded) == len(strangers)
    assert total(found) == (len(at), len(rows))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([-55, -25, -11, 12, 30, 58]))
def test_a_single_row_with_a_wrong_time_accuses_of_nothing(seed: int, wrong: int) -> None:
    at = [3 * time for time in times(40, seed, apart=600)]
    rows = [row(time + 1 + (wrong if place % 13 == 5 else 0)) for place, time in enumerate(at)]
    found = compare([seen(time) for time in at], rows, scope())
    assert (found.only_seen, found.only_recorded) == ([], [])
    assert [pair.upload.id for pair in found.apart] == [f"kitchen-{time}" for time in at[5::13]]
    assert all(abs(pair.gap_seconds - wrong) < 2 for pair in found.apart)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_rows_that_stand_for_a_whole_dialogue(seed: int) -> None:
    """Dialogues of one to three uploads, 8 s apart; the record has one row for each, at its beginning."""
    chance = random.Random(seed)
    uploads, rows = [], []
    for at in times(40, seed):
        rows.append(row(at + 1.2))
        uploads += [seen(at + 11 * part) for part in range(chance.randint(1, 3))]
    found = compare(uploads, rows, scope())
    assert not found.only_seen
    assert not found.only_recorded
    assert len(found.both) == 40
    assert len(found.continued) == len(uploads) - 40


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 3000), st.sampled_from(["kitchen", "hall"])), max_size=25),
    st.lists(st.tuples(st.floats(0, 3000), st.sampled_from(["Kitchen Echo", "Hall Echo", "App"])), max_size=25),
)
def test_every_upload_and_every_row_is_in_exactly_one_list(
    uploads: list[tuple[float, str]], rows: list[tuple[float, str]]
) -> None:
    values = [seen(at, device, f"{place}") for place, (at, device) in enumerate(uploads)]
    vendor = [row(at, device) for at, device in rows]
    found = compare(values, vendor, scope(named={"Kitchen Echo": "kitchen"}))
    assert total(found) == (len(values), len(vendor))
    # The order in which files are given makes no difference.
    again = compare(values[::-1], vendor[::-1], scope(named={"Kitchen Echo": "kitchen"}))
    assert [pair.upload.id for pair in found.both] == [pair.upload.id for pair in again.both]


def test_a_row_each_second_and_an_upload_each_six() -> None:
    uploads = [seen(at * 6.0) for at in range(900)]
    rows = [row(at * 0.9) for at in range(6_000)]
    found = compare(uploads, rows, scope(named={"Kitchen Echo": "kitchen"}))
    assert total(found) == (900, 6_000)
    assert len(found.both) > 870
