"""Metrics: every one of the design is really set, counters never go back, and strangers cannot grow them."""

import re
import subprocess
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sniffer.model import Device, Drift, Listening, Service, WakeEvent, WakeKind, mac_key
from sniffer.records.build import device_record, drift_record, listening_record, wake_record
from sniffer.sinks.metrics import Metrics
from tests.sinks.builders import FLOW, KITCHEN, START, upload

DESIGN = """
sniffer_build_info sniffer_device_info{device,vendor,model} sniffer_listening{device}
sniffer_uploads_total{device,class,verdict} sniffer_verdict_changes_total{device,from,to}
sniffer_verdict_changed_speech_seconds_total{device,from,to} sniffer_upload_bytes_total{device,class}
sniffer_speech_seconds_total{device,verdict} sniffer_upload_duration_seconds_bucket{le}
sniffer_wake_events_total{device,source} sniffer_wake_source_up{source} sniffer_alerts_total{device,rule,level}
sniffer_capture_up{interface}
sniffer_capture_fragments_total{interface}
sniffer_capture_merged_packets_total{interface} sniffer_capture_hidden_bytes_total{interface}
sniffer_capture_packets_total{interface} sniffer_capture_dropped_packets_total{interface}
sniffer_decode_errors_total{protocol} sniffer_last_packet_timestamp_seconds{interface} sniffer_flows
sniffer_deliveries_total{sink,outcome} sniffer_outbox_messages{sink} sniffer_config_last_reload_successful
sniffer_service_bytes_total{device,role} sniffer_verdict_reasons_total{device,verdict,reason}
sniffer_explained_uploads_total{device,source,relation} sniffer_drift_total{device,what}
sniffer_speech_chunk_bytes{device} sniffer_speech_chunks_per_second{device}
process_resident_memory_bytes
"""


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3", ["kitchen"])


def values(metrics: Metrics) -> dict[str, float]:
    """`name{label=value,...}`, labels sorted, to value."""
    found = {}
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def fill(metrics: Metrics) -> None:
    """Something of everything."""
    metrics.emit(upload("unexpected"))
    metrics.emit(upload("expected", revision=1))
    asked = upload("expected") | {"id": "asked"}
    asked["wake"] = {"seen": True, "relation": "direct", "source": "ear", "trust": "independent", "gap_seconds": 0.4}
    metrics.emit(asked)
    metrics.emit(drift_record(Drift(KITCHEN.key, START, "chunk_bytes", 437.0, 1062.0), KITCHEN, "br-lan").to_json())
    metrics.emit(device_record(KITCHEN, "br-lan", START).to_json())
    metrics.emit(
        listening_record(Listening(KITCHEN.key, FLOW, Service(), START, START, 3.0), KITCHEN, "br-lan").to_json()
    )
    metrics.emit(wake_record(WakeEvent(START, "ear", device="kitchen")).to_json())
    metrics.emit(wake_record(WakeEvent(START, "ear", WakeKind.SOURCE_UP)).to_json())
    metrics.emit({"event_type": "alert", "device": upload()["device"], "rule": "upload-outside-wake", "level": "high"})
    metrics.packets("br-lan", 10)
    metrics.capturing("br-lan", True)
    metrics.dropped("br-lan", 1)
    metrics.decode_error("ipv4")
    metrics.last_packet("br-lan", START)
    metrics.flows(3)
    metrics.delivery("home", "delivered")
    metrics.outbox("home", 2)
    metrics.config_reload(True)


def test_every_metric_of_the_design_is_set_with_its_labels(metrics: Metrics) -> None:
    fill(metrics)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    for name, labels in re.findall(r"(\w+)(?:\{(.*?)\})?", DESIGN):
        assert name in found, name
        assert not labels or found[name] == set(labels.split(",")), name
    assert not any(name.endswith("_created") for name in found)


def test_a_counter_does_not_go_back_when_a_verdict_changes(metrics: Metrics) -> None:
    metrics.emit(upload("unexpected"))
    metrics.emit(upload("unexpected"))
    metrics.emit(upload("expected", revision=1))
    metrics.emit(upload("expected", revision=1))
    metrics.emit(upload("inconclusive", revision=2))
    found = values(metrics)
    assert found["sniffer_uploads_total{class=speech,device=kitchen,verdict=unexpected}"] == 1
    assert not any(value for name, value in found.items() if "sniffer_uploads_total" in name and "=expected" in name)
    assert found["sniffer_verdict_changes_total{device=kitchen,from=unexpected,to=expected}"] == 1
    assert found["sniffer_verdict_changes_total{device=kitchen,from=expected,to=inconclusive}"] == 1
    assert found["sniffer_verdict_changed_speech_seconds_total{device=kitchen,from=unexpected,to=expected}"] == 3.4
    assert found["sniffer_speech_seconds_total{device=kitchen,verdict=unexpected}"] == 3.4
    assert found["sniffer_upload_bytes_total{class=speech,device=kitchen}"] == 46_012


def test_a_verdict_that_changes_after_a_restart_counts_as_a_change_only(metrics: Metrics) -> None:
    metrics.remember(upload("unexpected"))
    metrics.emit(upload("expected", revision=1))
    metrics.emit(upload("expected", revision=1, port=9))  # nobody remembers this one
    found = values(metrics)
    assert found["sniffer_verdict_changes_total{device=kitchen,from=unexpected,to=expected}"] == 1
    assert not any(value for name, value in found.items() if name.startswith("sniffer_uploads_total"))


def test_listening_is_one_while_any_run_lasts(metrics: Metrics) -> None:
    def listens(start: int, *, ended: bool = False) -> None:
        listening = Listening(KITCHEN.key, FLOW, Service(), start, start, 3.0, ended=ended)
        metrics.emit(listening_record(listening, KITCHEN, "br-lan").to_json())

    name = "sniffer_listening{device=kitchen}"
    listens(START)
    listens(START + 10**9)
    assert values(metrics)[name] == 1
    listens(START, ended=True)
    assert values(metrics)[name] == 1
    listens(START + 10**9, ended=True)
    assert values(metrics)[name] == 0
    listens(START)
    metrics.emit(upload())
    assert values(metrics)[name] == 0


def test_invented_devices_end_in_one_series(metrics: Metrics) -> None:
    for number in range(1000):
        device = Device(key=number, name=f"echo-{number:x}", microphone=True, vendor="Amazon")
        metrics.emit(upload(device=device, port=number))
        metrics.emit(device_record(device, "br-lan", START).to_json())
        metrics.emit(
            listening_record(Listening(number, FLOW, Service(), START, START, 3.0), device, "br-lan").to_json()
        )
        metrics.emit(wake_record(WakeEvent(START, f"source-{number}", device=f"echo-{number}")).to_json())
        metrics.packets(f"if{number}", 1)
        metrics.decode_error(f"p{number}")
        metrics.delivery(f"t{number}", "delivered")
    metrics.emit(upload())
    found = values(metrics)
    assert len(found) < 3000
    assert len(metrics._runs) <= 66
    assert found["sniffer_uploads_total{class=speech,device=other,verdict=unexpected}"] == 1000 - 64
    assert found["sniffer_uploads_total{class=speech,device=kitchen,verdict=unexpected}"] == 1


def test_no_address_and_no_host_name_is_a_label(metrics: Metrics) -> None:
    fill(metrics)
    text = metrics.render()[0].decode()
    assert "192.168" not in text
    assert "amazon.com" not in text
    assert "68:db" not in text


def test_a_label_cannot_break_the_format(metrics: Metrics) -> None:
    device = Device(key=mac_key("02:00:00:00:00:01"), name='x"} 1\nevil{a="\\', microphone=True)
    metrics.emit(upload(device=device))
    assert any(
        device.name in sample.labels.values()
        for family in text_string_to_metric_families(metrics.render()[0].decode())
        for sample in family.samples
    )


def test_a_device_that_is_renamed_or_known_better_has_one_info(metrics: Metrics) -> None:
    metrics.emit(device_record(KITCHEN, "br-lan", START).to_json())
    better = Device(key=KITCHEN.key, name="kitchen", vendor="Amazon", model="Echo Dot 3", microphone=True)
    metrics.emit(device_record(better, "br-lan", START).to_json())
    infos = [name for name in values(metrics) if name.startswith("sniffer_device_info")]
    assert infos == ["sniffer_device_info{device=kitchen,model=Echo Dot 3,vendor=Amazon}"]


def test_open_metrics_carries_the_upload_as_exemplar(metrics: Metrics) -> None:
    metrics.emit(upload())
    body, content_type = metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert f'# {{upload="{upload()["id"]}"}}' in body.decode()


def test_promtool_finds_nothing_to_say(metrics: Metrics, tool) -> None:
    fill(metrics)
    checked = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=metrics.render()[0], capture_output=True, timeout=60
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_a_wake_event_for_an_address_is_counted_under_the_name(metrics: Metrics) -> None:
    metrics.emit(device_record(KITCHEN, "br-lan", START).to_json())
    for device in ("68:DB:F5:90:19:64", "kitchen", "02:00:00:00:00:01", None):
        metrics.emit(wake_record(WakeEvent(START, "ear", device=device)).to_json())
    counted = {name: value for name, value in values(metrics).items() if name.startswith("sniffer_wake_events")}
    assert counted == {
        "sniffer_wake_events_total{device=kitchen,source=ear}": 2,
        "sniffer_wake_events_total{device=other,source=ear}": 1,
        "sniffer_wake_events_total{device=all,source=ear}": 1,
    }


def test_a_source_that_speaks_is_up_until_it_is_said_to_be_down(metrics: Metrics) -> None:
    metrics.emit(wake_record(WakeEvent(START, "ear")).to_json())
    assert values(metrics)["sniffer_wake_source_up{source=ear}"] == 1
    metrics.source_up("ear", False)
    metrics.emit(wake_record(WakeEvent(START, "ear")).to_json())
    assert values(metrics)["sniffer_wake_source_up{source=ear}"] == 0


def test_a_device_that_is_called_otherwise_listens_under_one_name_only(metrics: Metrics) -> None:
    before = replace(KITCHEN, name="speaker-1", key=7)
    after = replace(before, name="echo-1")
    metrics.emit(device_record(before, "br-lan", START).to_json())
    metrics.emit(listening_record(Listening(7, FLOW, Service(), START, START, 3.0), before, "br-lan").to_json())
    metrics.emit(device_record(after, "br-lan", START).to_json())
    found = values(metrics)
    assert (found["sniffer_listening{device=speaker-1}"], found["sniffer_listening{device=echo-1}"]) == (0, 1)
    assert len([name for name in found if name.startswith("sniffer_device_info")]) == 1
    metrics.emit(
        listening_record(Listening(7, FLOW, Service(), START, START, 3.0, ended=True), after, "br-lan").to_json()
    )
    assert values(metrics)["sniffer_listening{device=echo-1}"] == 0
