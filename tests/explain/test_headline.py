from sniffer.explain.headline import explained, headline
from sniffer.model import Drift, Listening, Loss, Service, WakeEvent
from sniffer.model.clock import SECOND
from sniffer.records.build import device_record, drift_record, listening_record, loss_record, wake_record
from tests.sinks.builders import FLOW, KITCHEN, START, upload


def test_every_record_is_a_sentence_without_host_names() -> None:
    listening = Listening(KITCHEN.key, FLOW, Service("evil.example"), START, START, 3.0)
    for record, text in (
        ({"event_type": "alert", "summary": "What it says"}, "What it says"),
        (listening_record(listening, KITCHEN, "br-lan"), "kitchen is sending what looks like live speech"),
        (drift_record(Drift(KITCHEN.key, START, "chunk_bytes", 437, 900), KITCHEN, ""),
         "kitchen has changed its habits: chunk_bytes was 437 and is 900"),
        (loss_record(Loss("br-lan", START, START, 7)), "7 packets were lost on br-lan"),
        (loss_record(Loss("br-lan", START, START + 90 * SECOND, 0)), "nothing was seen on br-lan for 90 s"),
        (wake_record(WakeEvent(START, "ear")), "ear: wake (every speaker)"),
        (device_record(KITCHEN, "br-lan", START), "kitchen is on the network"),
        ({"event_type": "stats"}, "stats"),
    ):  # fmt: skip
        assert headline(record) == text
    assert "evil" not in headline(upload(host="evil.example"))


def test_it_tells_the_time_on_the_readers_wall() -> None:
    assert "at 11:06;" in explained(upload(), "UTC").headline
    assert "at 00:06;" in explained(upload(), "Pacific/Auckland").headline
