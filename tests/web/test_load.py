"""A day of 5,000 uploads of 200 devices: every view stays small. `python -m tests.bench page` measures the time."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.house import PageHouse, upload

pytestmark = pytest.mark.slow

VERDICTS = (("expected", "wake_event"), ("inconclusive", "source_may_have_missed"), ("unexpected", "no_wake_event"),
            (None, "not_judged"))  # fmt: skip
VIEWS = ("/", "/timeline", "/timeline?page=2", "/questions", "/devices", "/rules", "/health")
#: Characters of a page: what a phone loads from a router in a second or so.
MOST = 400_000


def busy(folder: Path, uploads: int = 5_000, devices: int = 200) -> PageHouse:
    """A house with many uploads in a day."""
    named = [{"mac": f"68:db:f5:00:00:{number:02x}", "name": f"speaker-{number}"} for number in range(devices)]
    made = PageHouse(folder, devices=named)
    chance = random.Random(3)
    with made.store.transaction():
        for number in range(uploads):
            device = named[chance.randrange(devices)]
            verdict, reason = chance.choices(VERDICTS, [60, 15, 3, 22])[0]
            record = upload(chance.randrange(1, 20 * 60), verdict, reason, **device)
            made.store.emit({**record, "id": f"20231114T000000.{number:05d}-00000000"})
    return made


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageHouse]:
    made = busy(tmp_path_factory.mktemp("house"))
    yield made
    made.close()


@pytest.mark.parametrize("path", VIEWS)
def test_a_view_of_a_busy_day_is_small_and_bounded(house: PageHouse, path: str) -> None:
    answer = house.client().get(path)
    assert answer.status_code == 200
    assert len(answer.text) < MOST
