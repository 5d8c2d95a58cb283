"""Captures of one's own: what `labels.csv` says, and what `sniffer evaluate` makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli import evaluate
from sniffer.errors import CaptureError, UsageError
from sniffer.evaluation.datasets import Utterance
from sniffer.evaluation.discover import find
from sniffer.evaluation.labels import read_labels
from sniffer.testing import House

MAC = "02:00:00:00:00:0a"
SECOND = 1_000_000_000


def table(folder: Path, *lines: str, captures: tuple[str, ...] = ("a.pcap",)) -> Path:
    for name in captures:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    path = folder / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def spoken(seed: int, *at: float) -> House:
    """A speaker that is spoken to, and sends its metrics at 40 s. Its first packet is at 0 s."""
    house = House(seed=seed)
    host = house.host("kitchen", mac=MAC)
    host.looks_up("time.example.com", at=0)
    for moment in at:
        host.says(2.5).to("voice.example.com", at=moment)
    host.flushes(60_000).to("metrics.example.com", at=40)
    return house


def test_commands_by_their_number_and_by_their_times(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "capture, device, home, start, end, commands",
        f"a.pcap, {MAC.upper()}, flat, 12.5, 16,",
        f"a.pcap, {MAC}, flat, 60, ,",
        "a.pcap, 192.168.1.9, flat, 2026-11-22T18:00:00+01:00, ,",
        ",,,,,",
        "night/*.pcap, , , , , 0",
        captures=("a.pcap", "night/1.pcap", "night/2.pcap"),
    )
    first, second, *nights = read_labels(path)
    assert (first.device, first.expected, first.host) == ("own/flat", 2, 0x02_00_00_00_00_0A)
    assert first.spoken == (
        Utterance(round(12.5 * SECOND), 16 * SECOND, relative=True),
        Utterance(60 * SECOND, relative=True),
    )
    assert second.spoken == (Utterance(1_795_366_800 * SECOND),)
    assert [(one.path.name, one.device, one.expected, one.host) for one in nights] == [
        ("1.pcap", "own/night", 0, None),
        ("2.pcap", "own/night", 0, None),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a.pcap,,", "labels.csv:2: give either `commands`"),
        ("a.pcap,3,12", "labels.csv:2: give either `commands`"),
        ("a.pcap,many,", "labels.csv:2: commands: 'many'"),
        ("a.pcap,,noon", "labels.csv:2: start: 'noon'"),
        ("a.pcap,,nan", "labels.csv:2: start: 'nan'"),
        ("b.pcap,1,", "labels.csv:2: no such capture: 'b.pcap'"),
        ("a.pcap,1,\na.pcap,,7", "labels.csv:3: a.pcap is labelled twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_labels(table(tmp_path, "capture,commands,start", line))


def test_a_table_from_a_spreadsheet_that_writes_semicolons(tmp_path: Path) -> None:
    path = table(tmp_path, "")
    path.write_bytes("\ufeffCapture;Device;Commands\r\na.pcap;;3\r\n".encode())
    (label,) = read_labels(path)
    assert (label.expected, label.host) == (3, None)


def test_columns_that_are_not_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the first line names the columns"):
        read_labels(table(tmp_path, "a.pcap,3"))
    with pytest.raises(UsageError, match="no such column: 'utterances'"):
        read_labels(table(tmp_path, "capture,utterances", "a.pcap,3"))
    (tmp_path / "labels.csv").write_bytes(b"capture\n\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        read_labels(tmp_path / "labels.csv")


def test_labels_are_found_from_the_folder_the_table_or_the_capture(tmp_path: Path) -> None:
    path = table(tmp_path, "capture,commands", "x/question_5_30s.pcap,2", captures=("x/question_5_30s.pcap", "b.pcap"))
    for given in (tmp_path, path, tmp_path / "x", tmp_path / "x/question_5_30s.pcap"):
        (label,) = find([given]).captures
        assert (label.dataset, label.expected) == ("labels", 2)  # it goes before what the name would say
    assert [one.name for one in find([tmp_path]).unlabelled] == ["b.pcap"]


@pytest.mark.slow
def test_evaluating_captures_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "evening.pcap").write_bytes(spoken(1, 5, 20).pcap())
    (tmp_path / "night.pcap").write_bytes(spoken(2).pcap())
    (tmp_path / "stray.pcap").write_bytes(spoken(3).pcap())
    (tmp_path / "labels.csv").write_text(
        f"capture,device,home,commands,start,end\nevening.pcap,{MAC},flat,,5,8\nevening.pcap,{MAC},flat,,20,\n"
        f"night.pcap,{MAC},flat,0,,\n"
    )
    plot = tmp_path / "plot.png"
    result = CliRunner().invoke(evaluate.command, [str(tmp_path), "--format", "json", "--plot", str(plot)])
    assert result.exit_code == 0, result.output
    assert "left out, as nothing says what was spoken: stray.pcap" in result.stderr
    report = json.loads(result.stdout)
    (device,) = report["devices"]
    assert (device["device"], device["tuning"], device["captures"]) == ("own/flat", "held-out", 2)
    ours = device["detectors"]["sniffer"]
    assert (ours["found"], ours["expected"], ours["more"], ours["false"]) == (2, 2, 0, 0)
    assert ours["auc"] == 1.0
    assert device["detectors"]["pets20"]["false"] == 2  # the metrics, in both
    assert [(b["share"], b["pieces"]) for b in report["reliability"]] == [(0.0, 2), (1.0, 2)]
    assert plot.read_bytes()[:4] == b"\x89PNG"

    said = CliRunner().invoke(evaluate.command, [str(tmp_path)]).stdout
    assert "sniffer: 2 of 2 spoken commands were found (100.0%; 95 %: 34.2% - 100.0%); no false alarms" in said


def test_what_cannot_be_evaluated_is_one_clear_line(tmp_path: Path) -> None:
    def fails(*arguments: Path) -> str:
        result = CliRunner().invoke(evaluate.command, [str(argument) for argument in arguments])
        assert isinstance(result.exception, (UsageError, CaptureError))
        assert "\n" not in str(result.exception)
        return str(result.exception)

    assert "no captures there" in fails(tmp_path)
    assert "does not exist" in fails(tmp_path / "nowhere")
    (tmp_path / "stray.pcap").write_bytes(spoken(3).pcap())
    assert "nothing says what was spoken in the capture there: write a labels.csv" in fails(tmp_path)
    (tmp_path / "labels.csv").write_text("capture,device,commands\nstray.pcap,02:00:00:00:00:0f,1\n")
    assert fails(tmp_path) == "none of the labelled captures could be read"
    (tmp_path / "stray.pcap").write_bytes(b"nonsense")
    assert fails(tmp_path) == "none of the labelled captures could be read"
