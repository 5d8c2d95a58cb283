"""A collector of many houses gets each record once in the end, in batches, and no more of it than was agreed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sniffer.errors import ConfigError, DeliveryError
from sniffer.records.redact import pseudonym, redacted
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.collector import Collector
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.settings import CollectorSettings, StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import ManualClock
from tests.captures.golden import GOLDEN
from tests.sinks.receiver import Received, receiver

KEY = "0123456789abcdef0123"
RECORDS = [
    record
    for path in sorted(GOLDEN.glob("*.json"))
    for record in json.loads(path.read_text())
    if record["event_type"] in ("upload", "alert")
]


def collector(url: str, key: str = KEY, **more: Any) -> Collector:
    settings = CollectorSettings(url=url, house="anna", house_key=Secret(env="KEY"), **more)
    return Collector(settings, lambda secret: key, "1.2.3")


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    return [text for item in value for text in strings(item)] if isinstance(value, list) else [str(value)]


@pytest.mark.parametrize("level", ["no_names", "counts"])
def test_no_name_and_no_address_leaves_the_house(level: Any) -> None:
    assert RECORDS
    for record in RECORDS:
        secret = (
            {record["device"][name] for name in ("mac", "ip", "name")} if isinstance(record["device"], dict) else set()
        )
        secret |= {record.get("src_ip"), record.get("dest_ip"), record.get("capture"), record["id"]}
        secret |= {(record.get("service") or {}).get("host")}
        told = " ".join(strings(redacted(record, level, KEY.encode())))
        assert not [text for text in secret if text and str(text) in told]
    assert redacted(RECORDS[0], "full", b"") == RECORDS[0]


def test_a_pseudonym_needs_the_key() -> None:
    assert pseudonym(b"one key of a house", "anna") == pseudonym(b"one key of a house", "anna")
    assert len({pseudonym(key, name) for key in (b"one", b"two") for name in ("anna", "bert")}) == 4
    with pytest.raises(ConfigError, match="at least 16"):
        collector("http://127.0.0.1/", key="short")


def drained(tmp_path: Path, target: Collector, records: list[dict[str, Any]]) -> Outbox:
    store, clock = Store(StoreSettings(path=tmp_path / "sniffer.db")), ManualClock()
    outbox = Outbox(store, clock, [target])
    for record in records:
        outbox.emit(record)
    for _ in range(200):
        if outbox.step(target) is None:
            break
        clock.advance(60)
    left = outbox.waiting()
    outbox.close()
    store.close()
    assert left == {"collector": 0}
    return outbox


def test_records_arrive_in_batches(tmp_path: Path) -> None:
    records = [{**RECORDS[0], "id": f"u{number}"} for number in range(25)]
    with receiver() as told:
        drained(tmp_path, collector(told.url, batch=10), records)
    bodies = [[json.loads(line) for line in request.body.splitlines()] for request in told.requests]
    assert [len(body) for body in bodies] == [10, 10, 5]
    rows = [row for body in bodies for row in body]
    assert len({row["message_id"] for row in rows}) == 25
    assert {(row["house"], row["version"]) for row in rows} == {(pseudonym(KEY.encode(), "house anna"), "1.2.3")}


def test_one_record_that_is_refused_holds_up_no_other(tmp_path: Path) -> None:
    records = [{**RECORDS[0], "id": f"u{number}"} for number in range(8)]
    bad = pseudonym(KEY.encode(), "id u3")
    seen: list[bool] = []

    def answer(request: Received) -> int:
        refused = bad.encode() in request.body and len(seen) < 6
        seen.append(refused)
        return 400 if refused else 200

    with receiver() as told:
        told.answer = answer
        drained(tmp_path, collector(told.url, batch=5), records)
    taken = [json.loads(line)["id"] for request, no in zip(told.requests, seen, strict=True) if not no
             for line in request.body.splitlines()]  # fmt: skip
    assert sorted(taken) == sorted(pseudonym(KEY.encode(), f"id u{number}") for number in range(8))


def test_opensearch_replaces_what_arrives_twice(tmp_path: Path) -> None:
    with receiver() as told:
        target = collector(told.url, format="opensearch", user="writer", password=Secret(env="KEY"))
        message = Message(1, "collector", "msg_1", dict(RECORDS[0]), 0, 0, 0, 0)
        target.send_all([message, message], 0)
        target.close()
    lines = [json.loads(line) for line in told.requests[0].body.splitlines()]
    assert lines[0] == lines[2] == {"index": {"_id": lines[1]["message_id"]}}
    assert told.requests[0].headers["content-type"] == "application/x-ndjson"
    assert told.requests[0].headers["authorization"].startswith("Basic ")


def test_the_page_about_collectors_is_what_clickhouse_reads(tmp_path: Path) -> None:
    chdb = pytest.importorskip("chdb.session")
    page = (Path(__file__).parents[3] / "docs" / "collector.md").read_text()
    table = re.search(r"```sql\n(CREATE TABLE.*?)```", page, re.S)
    query = re.search(r"\?query=INSERT\+INTO\+records\+FORMAT\+JSONEachRow\n(.*?)```", page, re.S)
    assert table and query
    options = dict(part.split("=") for part in "".join(query[1].split()).strip("&").split("&"))
    with receiver() as told:
        target = collector(told.url)
        messages = [Message(n, "collector", f"msg_{n}", record, 0, 0, 0, 0) for n, record in enumerate(RECORDS)]
        target.send_all([*messages, messages[0]], 0)
        target.close()
    session = chdb.Session(str(tmp_path / "clickhouse"))
    session.query(table[1])
    settings = ", ".join(f"{name}='{value}'" for name, value in options.items())
    session.query(f"INSERT INTO records SETTINGS {settings} FORMAT JSONEachRow\n" + told.requests[0].body.decode())
    counted = session.query("SELECT count(), countIf(verdict != '') FROM records FINAL", "JSONCompactEachRow")
    uploads = [record for record in RECORDS if record.get("verdict")]
    assert json.loads(str(counted)) == [len(RECORDS), len(uploads)] or json.loads(str(counted)) == [
        str(len(RECORDS)),
        str(len(uploads)),
    ]
    first = session.query("SELECT toUnixTimestamp64Micro(min(timestamp)) > 0, any(house) FROM records", "CSV")
    assert pseudonym(KEY.encode(), "house anna") in str(first)
    session.close()


def test_a_receiver_that_is_away_keeps_all_of_them(tmp_path: Path) -> None:
    target = collector("http://127.0.0.1:9/")
    with pytest.raises(DeliveryError):
        target.send_all([Message(1, "collector", "msg_1", dict(RECORDS[0]), 0, 0, 0, 0)], 0)
    target.close()
