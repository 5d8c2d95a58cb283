"""The published detectors, on traffic of which it is known what they must say."""

from __future__ import annotations

from sniffer.detect.flows.rows import LocalNetworks
from sniffer.detect.settings import DetectSettings
from sniffer.evaluation.baselines import BASELINES, traffic_of
from sniffer.model import Service
from tests.detect.traffic import DEVICE, Nobody, Wire

LOCAL = LocalNetworks(DetectSettings().local_networks)


def alarms(wire: Wire, vendor: str | None = "Amazon", role: str = "unknown") -> dict[str, int]:
    traffic = traffic_of([wire.batch()], DEVICE, LOCAL, Nobody(Service("host", role, "sni")))  # type: ignore[arg-type]
    return {name: len(baseline.detect(traffic, vendor)) for name, baseline in BASELINES.items()}


def test_one_command_passes_the_echo_s_threshold_and_nothing_that_waits_longer() -> None:
    wire = Wire()
    wire.speech(1.0, 2.5)
    assert alarms(wire) == {"pets20": 1, "leakypick": 0, "firewalla": 0, "voice-host": 0}
    assert alarms(wire, "Apple")["pets20"] == 0
    assert alarms(wire, role="voice")["voice-host"] == 1


def test_a_metrics_flush_passes_it_too() -> None:
    wire = Wire()
    wire.burst(1.0, 150_000)
    assert alarms(wire)["pets20"] == 1


def test_a_minute_of_sound_is_a_sustained_burst() -> None:
    wire = Wire()
    wire.speech(1.0, 60)
    assert alarms(wire)["leakypick"] == 1
    assert alarms(wire)["firewalla"] == 1


def test_nothing_sent_nothing_said() -> None:
    assert set(alarms(Wire()).values()) == {0}
