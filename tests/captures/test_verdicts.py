"""The named captures through everything: each is judged as its name says, in whatever file it comes."""

import gzip
import io
from pathlib import Path

import pytest

from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.model import Record
from sniffer.settings.base import DeviceSettings
from sniffer.testing import Frame, House, pcap_bytes, pcapng_bytes
from tests.captures.make import FOLDER, MAC, STORIES

#: What each capture holds of what is judged; everything else in it is nothing that somebody could have said.
JUDGED = {
    "speech_asked": ["speech"],
    "speech_wake_word_only": ["speech"],
    "speech_variable_bit_rate": ["speech"],
    "speech_pcm": ["speech"],
    "speech_quic": ["speech"],
    "speech_ipv6": ["speech"],
    "speech_receive_offload": ["speech"],
    "speech_bad_wifi": ["speech"],
    "two_utterances": ["speech", "speech"],
    "metrics_flush": ["bulk"],  # to a host that nobody knows: it could hold stored audio
    "volume_by_app": [],
    "state_sync": [],
    "connection_opens": [],
    "music": [],
    "lan_sync": [],
    "call": ["media"],
}


@pytest.fixture(scope="module")
def judge() -> OfflineJudge:
    config = Config(devices=(DeviceSettings(mac=MAC, name="kitchen"),))
    return OfflineJudge(config, load_rulebook(config))


def uploads(judge: OfflineJudge, path: Path, outcome: Outcome | None = None) -> list[Record]:
    """The uploads of a capture file that are judged."""
    records = judge.file(path, outcome or Outcome("x"), lambda done, total: None)
    return [r for r in records if r["event_type"] == "upload" and r["verdict"] is not None]


@pytest.mark.parametrize("name", [story.__name__ for story in STORIES])
def test_a_capture_is_judged_as_its_name_says(name: str, judge: OfflineJudge) -> None:
    found = uploads(judge, FOLDER / f"{name}.pcap")
    assert [record["upload"]["class"] for record in found] == JUDGED[name]
    assert {record["verdict"] for record in found} <= {"inconclusive"}


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    house = House(seed=21)
    host = house.host("kitchen", MAC)
    host.says(3).to("voice.example.com", at=5)
    host.flushes(120_000, 0.4).to("logs.example.com", at=15)
    host.says(1.5, spread=0.2, chunk=350).over(jitter=0.01, retransmit=0.03).to("voice.example.com", at=25)
    return house.frames()


def test_the_file_format_changes_nothing(judge: OfflineJudge, frames: list[Frame], tmp_path: Path) -> None:
    files = {
        "nano.pcap": pcap_bytes(frames),
        "big.pcap": pcap_bytes(frames, byte_order=">"),
        "fine.pcapng": pcapng_bytes(frames),
        "big.pcapng": pcapng_bytes(frames, byte_order=">"),
        "packed.pcap.gz": gzip.compress(pcap_bytes(frames)),
    }
    results = []
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        results.append(uploads(judge, tmp_path / name))
    stream = judge.stream(io.BytesIO(files["nano.pcap"]), Outcome("x"))
    results.append([r for r in stream if r["event_type"] == "upload" and r["verdict"] is not None])
    assert [record["upload"]["class"] for record in results[0]] == ["speech", "bulk", "speech"]
    for result in results[1:]:
        assert result == results[0]


def test_a_snap_length_of_96_changes_no_class_and_is_said(
    judge: OfflineJudge, frames: list[Frame], tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.pcap", tmp_path / "cut.pcap"
    whole.write_bytes(pcap_bytes(frames))
    cut.write_bytes(pcap_bytes(frames, snap=96))
    outcome = Outcome("x")
    keys = ("timestamp", "end", "verdict")
    full, snapped = uploads(judge, whole), uploads(judge, cut, outcome)
    assert [[r[k] for k in keys] for r in full] == [[r[k] for k in keys] for r in snapped]
    assert [r["upload"]["bytes"] for r in full] == [r["upload"]["bytes"] for r in snapped]
    assert [r["upload"]["class"] for r in full] == [r["upload"]["class"] for r in snapped]
    assert any("snap length" in problem for problem in outcome.problems)


def test_later_times_give_the_same_classes(judge: OfflineJudge, frames: list[Frame], tmp_path: Path) -> None:
    later = [frame._replace(time_ns=frame.time_ns + 86_400_000_000_000) for frame in frames]
    for name, some in (("now.pcap", frames), ("later.pcap", later)):
        (tmp_path / name).write_bytes(pcap_bytes(some))
    first, second = (uploads(judge, tmp_path / name) for name in ("now.pcap", "later.pcap"))
    assert [r["upload"] for r in first] == [r["upload"] for r in second]
