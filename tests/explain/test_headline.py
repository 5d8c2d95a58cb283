import pytest

from sniffer.explain.headline import headline
from sniffer.explain.sentences import explain
from sniffer.explain.times import zone_named
from sniffer.model import Drift, Listening, Loss, Record, Service, StreamKind, WakeEvent
from sniffer.model.clock import SECOND
from sniffer.records.build import device_record, drift_record, listening_record, loss_record, wake_record
from tests.sinks.builders import FLOW, KITCHEN, START, upload, upload_value

LISTENING = Listening(KITCHEN.key, FLOW, Service("evil.example"), START, START, 3.0)


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (listening_record(LISTENING, KITCHEN, "br-lan").to_json(), "kitchen is sending what looks like live speech"),
        (drift_record(Drift(KITCHEN.key, START, "chunk_bytes", 437, 900), KITCHEN, "").to_json(),
         "kitchen changed its behaviour: chunk_bytes was 437 and is 900"),
        (loss_record(Loss("br-lan", START, START, 7)).to_json(), "7 packets were lost on br-lan"),
        (loss_record(Loss("br-lan", START, START + 90 * SECOND, 0)).to_json(), "Nothing was seen on br-lan for 2 min"),
        (wake_record(WakeEvent(START, "ear")).to_json(), "ear reported wake (every speaker)"),
        (wake_record(WakeEvent(START, "ear", device="bath")).to_json(), "ear reported wake (bath)"),
        (device_record(KITCHEN, "br-lan", START).to_json(), "kitchen is on the network"),
    ],
)  # fmt: skip
def test_every_record_is_a_dated_sentence(record: Record, text: str) -> None:
    assert headline(record, "UTC") == f"{text} at 2026-11-18 11:06 UTC"


def test_an_alert_has_its_own_sentence_and_an_unknown_type_its_name() -> None:
    assert headline({"event_type": "alert", "summary": "What it says"}) == "What it says"
    assert headline({"event_type": "stats"}) == "Stats"


def test_host_names_are_not_in_it() -> None:
    assert "evil" not in headline(upload(host="evil.example"))


def test_a_record_that_was_shortened_still_has_a_headline() -> None:
    assert headline({"event_type": "upload", "device": {"name": "kitchen"}, "verdict": "unexpected"}) == (
        "kitchen sent data (unexpected)"
    )


@pytest.mark.parametrize(
    ("zone", "time"),
    [
        ("UTC", "2026-11-18 11:06 UTC"),
        ("Europe/Berlin", "2026-11-18 12:06 CET"),
        ("Pacific/Auckland", "2026-11-19 00:06 NZDT"),
        ("Asia/Riyadh", "2026-11-18 14:06 UTC+03"),
    ],
)
def test_the_time_is_the_reader_s_with_date_and_zone(zone: str, time: str) -> None:
    assert f"at {time};" in explain(upload_value(), zone_named(zone)).headline


def test_a_view_and_a_call_are_said_to_be_such() -> None:
    for kind, words in ((StreamKind.VIEW, "somebody may be watching"), (StreamKind.CALL, "is in a call")):
        live = Listening(KITCHEN.key, FLOW, Service(), START, START, 0.0, kind=kind)
        assert words in headline(listening_record(live, KITCHEN, "").to_json(), "UTC")
        over = Listening(KITCHEN.key, FLOW, Service(), START, START, 0.0, ended=True, kind=kind)
        assert headline(listening_record(over, KITCHEN, "").to_json(), "UTC").startswith("kitchen stopped sending at")
