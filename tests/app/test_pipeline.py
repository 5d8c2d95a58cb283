"""All stages together: the same packets and events give the same records, however they are cut and delivered."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.app.build import Rulebook, build_pipeline, load_rulebook
from sniffer.app.config import Config
from sniffer.app.pipeline import EVERYTHING, Pipeline
from sniffer.capture.files.open import open_capture
from sniffer.decode import decode
from sniffer.demo import CAPTURE, DEVICES, WAKE_EVENTS
from sniffer.model import PacketBatch, Record
from sniffer.settings.base import DeviceSettings
from sniffer.wake.adapters.file import read_events
from sniffer.wake.file_sources import file_sources

EVENTS = read_events(WAKE_EVENTS)


@pytest.fixture(scope="module")
def config() -> Config:
    return Config(devices=tuple(DeviceSettings(**d) for d in yaml.safe_load(DEVICES.read_text())))


@pytest.fixture(scope="module")
def rulebook(config: Config) -> Rulebook:
    return load_rulebook(config)


@pytest.fixture(scope="module")
def packets() -> PacketBatch:
    with open_capture(CAPTURE) as reader:
        (block,) = list(reader)
        batch, _ = decode(block, EVERYTHING)
        data = memoryview(bytes(batch.data))
    return PacketBatch(**{f: getattr(batch, f) for f in PacketBatch.__slots__} | {"data": data})


def pipeline(config: Config, rulebook: Rulebook, state: Any = None) -> Pipeline:
    return build_pipeline(config, rulebook, file_sources(EVENTS), "demo.pcap", offline=True, state=state)


def uploads(records: Sequence[Record]) -> dict[str, Record]:
    """The last revision of each."""
    return {r["id"]: {**r, "revision": None} for r in records if r["event_type"] == "upload"}


def run(pipeline: Pipeline, batches: Sequence[PacketBatch]) -> list[Record]:
    records = [record for event in EVENTS for record in pipeline.wake(event)]
    for batch in batches:
        records += pipeline.packets(batch)
    return [*records, *pipeline.finish()]


@pytest.fixture(scope="module")
def whole(config: Config, rulebook: Rulebook, packets: PacketBatch) -> dict[str, Record]:
    return uploads(run(pipeline(config, rulebook), [packets]))


def test_the_story_is_told_right(whole: dict[str, Record]) -> None:
    told = [(r["device"]["name"], r["upload"]["class"], r["verdict"]) for r in whole.values()]
    assert sorted(told, key=str) == [
        ("bedroom", "speech", "expected"),
        ("kitchen", "speech", "expected"),
        ("kitchen", "speech", "unexpected"),
        ("kitchen", "sync", None),
        ("kitchen", "telemetry", None),
    ]


@given(cuts=st.lists(st.integers(0, 1616), max_size=40))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cutting_packets_into_batches_changes_nothing(
    config: Config, rulebook: Rulebook, packets: PacketBatch, whole: dict[str, Record], cuts: list[int]
) -> None:
    edges = sorted({0, len(packets), *(cut for cut in cuts if cut < len(packets))})
    batches = [packets.take(slice(a, b)) for a, b in pairwise(edges)]
    assert uploads(run(pipeline(config, rulebook), batches)) == whole


def test_a_restart_in_the_middle_loses_no_verdict(
    config: Config, rulebook: Rulebook, packets: PacketBatch, whole: dict[str, Record]
) -> None:
    """Right after the unasked upload ended, before its verdict was due."""
    last = max(whole.values(), key=lambda record: str(record["timestamp"]))
    end_ns = int(np.datetime64(last["end"].rstrip("Z"), "ns").astype(np.int64))
    cut = int(np.searchsorted(packets.time_ns, end_ns, side="right"))
    first = pipeline(config, rulebook)
    records = [record for event in EVENTS for record in first.wake(event)]
    records += first.packets(packets.take(slice(0, cut)))
    records += first.finish(judge=False)
    assert last["id"] not in uploads(records)
    second = pipeline(config, rulebook, first.state())
    records += second.packets(packets.take(slice(cut, None)))
    records += second.finish()
    found = uploads(records)
    assert {(i, r["verdict"], r["reason"]) for i, r in found.items()} == {
        (i, r["verdict"], r["reason"]) for i, r in whole.items()
    }


@pytest.mark.parametrize("stage", ["identify", "detect", "judge", "alerts", "history"])
@pytest.mark.parametrize("found", [3, ["a"], {"a": 1, "version": 1}])
def test_what_no_version_wrote_is_forgotten_and_the_rest_kept(
    config: Config,
    rulebook: Rulebook,
    packets: PacketBatch,
    whole: dict[str, Record],
    stage: str,
    found: Any,
) -> None:
    state = {**pipeline(config, rulebook).state(), stage: found}
    assert uploads(run(pipeline(config, rulebook, state), [packets])).keys() == whole.keys()


def test_a_case_that_another_version_wrote_is_told(
    config: Config, rulebook: Rulebook, packets: PacketBatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits = pipeline(config, rulebook)
    list(waits.packets(packets))
    state = waits.state()
    del state["judge"]["cases"][0]["upload"]["start_ns"]
    again = pipeline(config, rulebook, state)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["judge"]
    assert again.state("detect", "history") == waits.state("detect", "history")


def test_a_wake_event_that_comes_late_takes_the_accusation_back(
    config: Config, rulebook: Rulebook, packets: PacketBatch
) -> None:
    late = pipeline(config, rulebook)
    records = list(late.packets(packets))
    for event in EVENTS:
        records += late.wake(event)
    records += late.advance(late.time_ns + 60_000_000_000)
    revised = [r for r in records if r["event_type"] == "upload" and r["revision"] == 1]
    assert [r["verdict"] for r in revised] == ["expected", "expected"]
    resolved = [r for r in records if r["event_type"] == "resolved"]
    assert len(resolved) == len({r["id"] for r in resolved})
