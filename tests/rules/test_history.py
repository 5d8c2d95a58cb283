"""What was known of a device before an upload."""

import json
from typing import Any

from sniffer.rules.history import MAX_DESTINATIONS, MAX_DEVICES, MAX_REMEMBERED, History


def record(
    number: int,
    hour: float = 0,
    *,
    verdict: str = "expected",
    mac: str = "aa",
    host: str | None = "a.example",
    dest: str = "52.94.1.1",
) -> dict[str, Any]:
    minute = int(hour * 60) % 60
    return {
        "id": f"upload-{mac}-{number}",
        "timestamp": f"2026-11-{22 + int(hour) // 24:02d}T{int(hour) % 24:02d}:{minute:02d}:00.000000Z",
        "device": {"mac": mac},
        "src_ip": "192.168.1.9",
        "dest_ip": dest,
        "service": {"host": host},
        "upload": {"class": "speech"},
        "verdict": verdict,
    }


def fill(history: History, made: dict[str, Any]) -> tuple[int, int, int]:
    history.fill(made)
    past = made["history"]
    return past["speech_uploads"], past["destination_uploads"], past["unexpected_in_24h"]


def test_uploads_and_destinations_are_counted_for_each_device() -> None:
    history = History()
    assert fill(history, record(1)) == (0, 0, 0)
    assert fill(history, record(2)) == (1, 1, 0)
    assert fill(history, record(3, host="b.example")) == (2, 0, 0)
    assert fill(history, record(4)) == (3, 2, 0)
    assert fill(history, record(5, mac="bb")) == (0, 0, 0)


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
        fill(whole, dict(one))
        fill(before, dict(one))
    after = History(json.loads(json.dumps(before.state())))
    assert [fill(whole, dict(one)) for one in made[20:]] == [fill(after, dict(one)) for one in made[20:]]


def test_a_flood_does_not_grow_it() -> None:
    history = History()
    for number in range(2 * MAX_DEVICES):
        fill(history, record(number, mac=f"m{number}"))
    for number in range(3 * MAX_REMEMBERED):
        fill(history, record(number, mac="flood", host=f"h{number}", verdict="unexpected"))
    state = history.state()
    assert len(state) == MAX_DEVICES
    assert len(state["flood"]["destinations"]) == MAX_DESTINATIONS
    assert len(state["flood"]["remembered"]) == len(state["flood"]["unexpected"]) == MAX_REMEMBERED


def test_what_is_not_judged_takes_no_place() -> None:
    history = History()
    first = fill(history, record(0, verdict="unexpected"))
    for number in range(1, 1000):
        made = record(number) | {"verdict": None, "upload": {"class": "telemetry"}}
        assert fill(history, made) == (1, 1, 1)
    assert fill(history, record(0, verdict="unexpected")) == first
