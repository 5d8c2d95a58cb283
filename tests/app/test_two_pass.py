"""One look at a capture file finds what two find."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer import native
from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.app.two_pass import FirstLook
from sniffer.model import Record
from sniffer.settings.base import DeviceSettings
from tests.bench.mix import HOST_MACS, House, write_mix

PACKETS = 12_000


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("looks") / "mix.pcap"
    write_mix(path, House(packets=PACKETS, hosts=12, speakers=3, share=0.4, seconds=300))
    return path


def judge(path: Path, config: Config | None = None) -> list[Record]:
    config = config or Config()
    outcome = Outcome("mix")
    records = list(OfflineJudge(config, load_rulebook(config)).file(path, outcome, lambda done, total: None))
    assert outcome.packets == PACKETS
    return sorted(records, key=str)


def twice(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = FirstLook.finish

    def nothing(self: FirstLook) -> None:
        finish(self)

    monkeypatch.setattr(FirstLook, "finish", nothing)


def test_one_look_finds_what_two_find(mix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = judge(mix)
    assert any(record["event_type"] == "upload" and record["upload"]["class"] == "speech" for record in once)
    twice(monkeypatch)
    assert judge(mix) == once


def test_the_compiled_pieces_change_nothing(mix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = judge(mix)
    monkeypatch.setattr(native, "CAPTURE", None)
    monkeypatch.setattr(native, "DECODE", None)
    assert judge(mix) == compiled


@pytest.mark.parametrize("size", [1 << 16, 300_001, 8 << 20])
def test_the_size_of_the_buffer_changes_nothing(mix: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    from sniffer.capture.files import reader

    as_usual = judge(mix)
    monkeypatch.setattr(reader, "BUFFER_BYTES", size)
    assert judge(mix) == as_usual


def test_a_device_that_only_a_person_knows(mix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mac = ":".join(f"{HOST_MACS + 7:012x}"[i : i + 2] for i in range(0, 12, 2))
    config = Config(devices=(DeviceSettings(mac=mac, name="kitchen"),))
    once = judge(mix, config)
    assert any(record["device"]["name"] == "kitchen" for record in once if "device" in record)
    twice(monkeypatch)
    assert judge(mix, config) == once
