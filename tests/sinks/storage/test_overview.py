"""Overviews agree with the records that they summarize."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.model.clock import SECOND
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.overview import counts, summaries
from sniffer.sinks.storage.store import Store
from tests.app.test_daemon import START
from tests.web.house import upload

VERDICTS = (("expected", "wake_event"), ("unexpected", "no_wake_event"), (None, "not_judged"))
MACS = ("68:db:f5:00:00:01", "68:db:f5:00:00:02", None)
EVER = (-(1 << 62), 1 << 62)

Made = list[tuple[int, int, int]]
UPLOADS = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 2), st.integers(0, 2)), max_size=30)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(StoreSettings(path=tmp_path / "store.db")) as opened:
        yield opened


def fill(store: Store, made: Made) -> None:
    with store.transaction() as db:
        db.execute("DELETE FROM records")
        for number, (minutes, verdict, mac) in enumerate(made):
            record = upload(minutes, *VERDICTS[verdict], name=f"d{mac}")
            record["device"] = {**record["device"], "mac": MACS[mac], "ip": None}
            store.emit({**record, "id": f"u{number}"})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(UPLOADS)
def test_counts_are_the_number_of_uploads_by_device_and_verdict(store: Store, made: Made) -> None:
    fill(store, made)
    expected = Counter((MACS[mac] or f"d{mac}", VERDICTS[verdict][0]) for _, verdict, mac in made)
    assert {(one.key, one.verdict): one.uploads for one in counts(store, *EVER)} == dict(expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(UPLOADS, st.integers(1, 7))
def test_pages_of_the_newest_are_all_uploads_once(store: Store, made: Made, size: int) -> None:
    fill(store, made)
    pages = [summaries(store, *EVER, newest=size, skip=skip) for skip in range(0, len(made) + size, size)]
    listed = [one for page in pages for one in page]
    assert listed == list(reversed(summaries(store, *EVER)))
    assert len(listed) == len(made)


def test_a_selection_by_key_verdict_and_time(store: Store) -> None:
    fill(store, [(1, 0, 0), (2, 1, 0), (3, 2, 1), (4, 1, 2)])
    assert {one.id for one in summaries(store, *EVER, keys=[str(MACS[0]), "d2"])} == {"u0", "u1", "u3"}
    assert summaries(store, *EVER, keys=[]) == []
    assert [one.id for one in summaries(store, *EVER, verdicts=("none",))] == ["u2"]
    assert [one.id for one in summaries(store, *EVER, verdicts=("unexpected",), newest=1)] == ["u1"]
    assert [one.id for one in summaries(store, START - 150 * SECOND, START)] == ["u1", "u0"]
    assert [one.id for one in summaries(store, *EVER, "D1")] == ["u2"]
