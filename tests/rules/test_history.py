"""What was known of a device before an upload."""

import dataclasses
import json

from sniffer.model import (
    FlowKey,
    Judged,
    Service,
    Upload,
    UploadClass,
    Verdict,
    VerdictKind,
    address_pair,
)
from sniffer.model.clock import SECOND
from sniffer.rules.history import MAX_DESTINATIONS, MAX_DEVICES, MAX_REMEMBERED, History
from tests.sinks.builders import START, measured

HOUR = 3600 * SECOND
Named = tuple[str, Judged]


def record(
    number: int,
    hour: float = 0,
    *,
    verdict: str | None = "expected",
    key: int = 0xAA,
    host: str | None = "a.example",
    dest: str = "52.94.1.1",
    kind: UploadClass = UploadClass.SPEECH,
) -> Named:
    """A judged upload and its id."""
    flow = FlowKey(address_pair("192.168.1.9"), 40412, address_pair(dest), 443, 6)
    start = START + round(hour * HOUR)
    upload: Upload = dataclasses.replace(
        measured(), key=key, flows=(flow,), service=Service(host), start_ns=start, upload_class=kind
    )
    judged = Judged(upload, Verdict(VerdictKind(verdict) if verdict else None, "", 0.9))
    return f"upload-{key}-{number}", judged


def fill(history: History, made: Named) -> tuple[int | None, int | None, int | None]:
    past = history.before(*made)
    return past.speech_uploads, past.destination_uploads, past.unexpected_in_24h


def test_uploads_and_destinations_are_counted_for_each_device() -> None:
    history = History()
    assert fill(history, record(1)) == (0, 0, 0)
    assert fill(history, record(2)) == (1, 1, 0)
    assert fill(history, record(3, host="b.example")) == (2, 0, 0)
    assert fill(history, record(4)) == (3, 2, 0)
    assert fill(history, record(5, key=0xBB)) == (0, 0, 0)


def test_without_a_name_a_destination_is_a_network() -> None:
    history = History()
    fill(history, record(1, host=None, dest="52.94.1.1"))
    assert fill(history, record(2, host=None, dest="52.94.200.9"))[1] == 1
    assert fill(history, record(3, host=None, dest="2001:db8::1"))[1] == 0
    assert fill(history, record(4, host=None, dest="2001:db8:1::1"))[1] == 1


def test_unexpected_uploads_are_counted_over_24_hours_and_taken_back() -> None:
    history = History()
    assert [fill(history, record(n, n * 6, verdict="unexpected"))[2] for n in range(6)] == [1, 2, 3, 4, 4, 4]
    assert fill(history, record(5, 30, verdict="expected"))[2] == 3  # a late wake event explained it


def test_judging_again_changes_no_count() -> None:
    history = History()
    first = fill(history, record(1, verdict="unexpected"))
    fill(history, record(2, host="b.example"))
    assert fill(history, record(1, verdict="unexpected")) == first


def test_a_restart_forgets_nothing() -> None:
    whole, before = History(), History()
    made = [record(n, n / 2, verdict="unexpected" if n % 3 else "expected", host=f"h{n % 4}") for n in range(40)]
    for one in made[:20]:
        fill(whole, one)
        fill(before, one)
    after = History(json.loads(json.dumps(before.state())))
    assert [fill(whole, one) for one in made[20:]] == [fill(after, one) for one in made[20:]]


def test_a_flood_does_not_grow_it() -> None:
    history = History()
    for number in range(2 * MAX_DEVICES):
        fill(history, record(number, key=number + 1))
    for number in range(3 * MAX_REMEMBERED):
        fill(history, record(number, key=0xFF0000, host=f"h{number}", verdict="unexpected"))
    state = history.state()
    assert len(state) == MAX_DEVICES
    flood = state["00:00:00:ff:00:00"]
    assert len(flood["destinations"]) == MAX_DESTINATIONS
    assert len(flood["remembered"]) == len(flood["unexpected"]) == MAX_REMEMBERED


def test_what_is_not_judged_takes_no_place() -> None:
    history = History()
    first = fill(history, record(0, verdict="unexpected"))
    for number in range(1, 1000):
        made = record(number, verdict=None, kind=UploadClass.TELEMETRY)
        assert fill(history, made) == (1, 1, 1)
    assert fill(history, record(0, verdict="unexpected")) == first
