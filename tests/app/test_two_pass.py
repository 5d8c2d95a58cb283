"""One look at a capture file finds what two find."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer import native
from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.app.two_pass import FirstLook
from sniffer.model import Device, Record
from sniffer.settings.base import DeviceSettings
from tests.bench.browsing import Household, write
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


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house in which people browse: most suspects turn out to be phones."""
    path = tmp_path_factory.mktemp("looks") / "street.pcap"
    write(path, Household(connections=250, seconds=150))
    return path


def judged(path: Path) -> tuple[list[Record], list[Device]]:
    outcome = Outcome("street")
    config = Config()
    records = list(OfflineJudge(config, load_rulebook(config)).file(path, outcome, lambda done, total: None))
    return sorted(records, key=str), sorted(outcome.hosts, key=lambda device: device.key)


def told(records: list[Record]) -> list[Record]:
    """The records but those of hosts that are not watched: these are not looked at any further once they are known."""
    return [record for record in records if record["event_type"] != "device" or record["microphone"]]


@pytest.mark.slow
def test_hosts_that_are_something_else_change_nothing(street: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = judged(street)
    assert sum(device.microphone for device in once[1]) == 8
    assert any(record["event_type"] == "upload" and record["upload"]["class"] == "speech" for record in once[0])
    with monkeypatch.context() as all_suspects:
        all_suspects.setattr(FirstLook, "_acquit", lambda self: None)
        assert told(judged(street)[0]) == told(once[0])
    with monkeypatch.context() as pure:
        pure.setattr(native, "CAPTURE", None)
        pure.setattr(native, "DECODE", None)
        pure.setattr(native, "DETECT", None)
        assert judged(street) == once
    monkeypatch.setattr("sniffer.capture.files.reader.BUFFER_BYTES", 1 << 17)
    assert judged(street) == once


@pytest.mark.slow
def test_a_speaker_that_is_not_measured_for_a_while_is_judged_all_the_same(
    street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = judged(street)

    def acquit_all(self: FirstLook) -> None:
        for key in self._suspects:
            self._news.forget(key)
        self._innocent |= self._suspects
        self._suspects = set()

    def spoken(records: list[Record]) -> list[object]:
        """When something was sent. (A second look knows no names that only other hosts asked for.)"""
        uploads = (record for record in records if record["event_type"] == "upload")
        return sorted((r["id"], r["timestamp"], r["end"], r["upload"]["class"], str(r["verdict"])) for r in uploads)

    monkeypatch.setattr(FirstLook, "_acquit", acquit_all)
    assert spoken(judged(street)[0]) == spoken(once[0])
