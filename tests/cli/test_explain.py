"""`sniffer explain` and `calibrate` over records that are known."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sniffer.cli import analyze, explain
from sniffer.cli.calibrate import Lesson, learned
from sniffer.errors import CaptureError, RecordError, UsageError
from sniffer.model import WakeEvent
from sniffer.model.clock import parse_timestamp
from sniffer.records.build import wake_record
from sniffer.testing import House
from tests.sinks.builders import upload

pytestmark = pytest.mark.slow


def record(**changes: Any) -> dict[str, Any]:
    made = upload()
    bins = {"bins": [18000, 2185, 2185, 2185, 2185, 0], "body": [1, 5]}
    pace = {"name": "pace", "value": 3.0, "weight": 4.0, "text": "For 3.0 s data left at one steady speed"}
    return made | {
        "id": "20261122T180405.120-8f3a19c2", "timestamp": "2026-11-22T18:04:05.120000Z",
        "upload": made["upload"] | bins, "evidence": [pace],
    } | changes  # fmt: skip


def log(tmp_path: Path, *records: dict[str, Any]) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text("not json\n[]\n" + "\n".join(json.dumps(one) for one in records) + "\n")
    return path


def wake(timestamp: str) -> dict[str, Any]:
    return wake_record(WakeEvent(parse_timestamp(timestamp), "ear", device="kitchen")).to_json()


def said(*arguments: str) -> str:
    result = CliRunner().invoke(explain.command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_words_evidence_picture_and_wake_events(tmp_path: Path) -> None:
    path = log(tmp_path, record(), wake("2026-11-22T18:03:55Z"), wake("2026-11-22T10:00:00Z"))
    text = said("20261122T18", "--log", str(path))
    assert "kitchen (Echo Dot) sent 3.4 s of possible speech at 2026-11-22" in text
    assert "\nUpload: 20261122T180405.120-8f3a19c2\n" in text
    assert "+4.0  For 3.0 s data left at one steady speed" in text
    assert "█▃▃▃▃ \n   ~~~~\n" in text
    assert text.count("according to ear") == 1
    assert "10.1 s before the upload began" in text
    assert "What you can do: If you did ask" in text
    assert "+5.5  Starting point" in text  # what is listed adds up to the score
    assert "Without the strongest of these it would still be called speech." in text


def test_a_request_that_explains_it_is_not_denied_where_the_log_has_no_wake_events() -> None:
    asked = record()
    asked["wake"] = asked["wake"] | {"seen": True, "relation": "direct", "source": "ear", "gap_seconds": 1.2}
    assert "No other wake event within 120 s is kept here." in list(explain.in_words(asked, []))
    assert "No wake event within 120 s." in list(explain.in_words(record(), []))


@pytest.mark.parametrize("width", [40, 60, 80])
def test_it_fits_the_terminal(width: int) -> None:
    long = record()
    long["upload"] = long["upload"] | {"bins": [1000] * 300, "body": [10, 200]}
    lines = list(explain.in_words(long, [wake("2026-11-22T18:03:55Z")], width))
    assert max(map(len, lines)) <= width or all("Bytes sent" in line for line in lines if len(line) > width)
    words = " ".join(" ".join(lines).split())
    assert "avs-alexa-4-na.amazon.com, which receives voice recordings" in words


def test_what_is_no_speech_is_not_explained_as_speech(tmp_path: Path) -> None:
    other = record(verdict=None, reason="not_judged")
    other["upload"] = other["upload"] | {"class": "telemetry", "score": -3.0}
    text = said("2026", "--log", str(log(tmp_path, other)))
    assert "Why it is not called speech (score -3.0; from 0 on it is speech):" in text
    assert "What you can do: Nothing to do: only uploads that could hold speech are judged." in text
    other["upload"] |= {"class": "media", "score": 2.0}
    assert "It has the pace of speech (score +2.0" in said("2026", "--log", str(log(tmp_path, other)))


def test_the_newest_revision_is_the_one_that_counts(tmp_path: Path) -> None:
    later = record(revision=1, verdict="expected", reason="wake_event")
    assert "It was asked for" in said("last", "--log", str(log(tmp_path, record(), later)))


def test_an_unknown_or_ambiguous_id_says_so(tmp_path: Path) -> None:
    path = log(tmp_path, record(), record(id="20261122T180405.120-00000000"))
    for wanted, message in (("x", "no upload"), ("2026", "several uploads")):
        with pytest.raises(UsageError, match=message):
            CliRunner().invoke(explain.command, [wanted, "--log", str(path)], catch_exceptions=False)


def test_a_log_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="cannot be read"):
        CliRunner().invoke(explain.command, ["x", "--log", str(tmp_path / "no")], catch_exceptions=False)


def test_a_record_that_is_damaged_is_one_line_that_names_the_field(tmp_path: Path) -> None:
    broken = record()
    broken["upload"] = broken["upload"] | {"score": None}
    with pytest.raises(RecordError, match=r"^upload\.score: "):
        CliRunner().invoke(explain.command, ["last", "--log", str(log(tmp_path, broken))], catch_exceptions=False)


def test_a_log_of_an_earlier_version_is_still_explained(tmp_path: Path) -> None:
    old = {name: value for name, value in record().items() if name != "decided_by"}
    text = said("last", "--log", str(log(tmp_path, old, wake("2026-11-22T18:03:55Z") | {"device": "kitchen"})))
    assert "wake for kitchen" in text


def test_what_was_added_up_over_minutes_has_no_pace(tmp_path: Path) -> None:
    slow = record()
    slow["upload"] = slow["upload"] | {"class": "bulk", "score": 0.0, "packets": 0, "body": None}
    text = said("2026", "--log", str(log(tmp_path, slow)))
    assert "It was sent in small pieces" in text
    assert "Why it is listed:\n  For 3.0 s" in text
    assert "one column for 60 s" in text


def test_a_stranger_s_text_moves_no_cursor(tmp_path: Path) -> None:
    evil = record(service={"host": "\x1b[2Jevil", "role": "voice", "source": "sni"})
    assert "\x1b" not in said("last", "--log", str(log(tmp_path, evil)))


def test_what_was_learned_is_said() -> None:
    lesson = Lesson([[record()], [record()], []], silence=[])
    text = "\n".join(learned("kitchen", lesson))
    assert "2 of 3 spoken commands were heard" in text
    assert "in pieces of 437 bytes (2 of 2 times)" in text
    assert "8.7 kB a second" in text
    assert "in the silence: 0 times speech" in text


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_sees_the_same_pieces(tmp_path: Path) -> None:
    pytest.importorskip("pyshark")
    house = House(seed=3)
    house.host("kitchen", mac="02:00:00:00:00:0a").says(2.0).to("voice.example.com", at=1)
    capture = tmp_path / "x.pcap"
    capture.write_bytes(house.pcap())
    judged = CliRunner().invoke(
        analyze.command, [str(capture), "--device", "02:00:00:00:00:0a=kitchen", "--format", "jsonl"]
    )
    found = tmp_path / "found.jsonl"
    found.write_text(judged.stdout)
    text = said("last", "--log", str(found), "--deep")
    assert "commonest payloads sent: 437 B" in text
    (waited,) = re.findall(r"between two packets sent: median (\d+) ms", text)
    assert 35 <= int(waited) <= 60  # twenty a second
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, "pyshark left its watcher of child processes"

    async def child() -> int:
        return await (await asyncio.create_subprocess_exec("true")).wait()

    assert asyncio.run(child()) == 0
