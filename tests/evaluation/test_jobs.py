"""`sniffer evaluate` says the same however many processes play the captures."""

from pathlib import Path

import pytest

from sniffer.cli.main import main
from sniffer.testing import House


def test_several_processes_give_the_same_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["capture,device,commands,start,end"]
    for number in range(3):
        house = House(seed=number)
        house.host("echo", mac="68:db:f5:90:19:64").says(3.0).to("avs-alexa-4-na.amazon.com", at=2.0)
        (tmp_path / f"{number}.pcap").write_bytes(house.pcap())
        lines.append(f"{number}.pcap,68:db:f5:90:19:64,1,,")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "2.pcap").write_bytes(b"no capture")
    told = []
    for jobs in ("1", "2"):
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", str(tmp_path), "--format", "json", "--jobs", jobs])
        assert not ended.value.code
        out, err = capsys.readouterr()
        assert err.count("2.pcap") == 1
        told.append(out)
    assert told[0] == told[1]
