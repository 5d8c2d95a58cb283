"""A Linux cooked capture (`tcpdump -i any`) knows senders only: the same device, the same uploads."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli.main import cli
from sniffer.testing import Frame, House, pcap_bytes

ECHO = "68:db:f5:90:19:64"
COOKED = 113


def cooked(frame: Frame, router: bytes) -> Frame:
    """The frame as the router's kernel shows it on `any`: what it sends itself has its own address as the sender."""
    outgoing = frame.data[6:12] == router
    kind = b"\x00\x04" if outgoing else b"\x00\x00"
    head = kind + b"\x00\x01\x00\x06" + frame.data[6:12] + b"\x00\x00" + frame.data[12:14]
    return Frame(frame.time_ns, head + frame.data[14:], frame.wire + 2)


def uploads(path: Path, frames: list[Frame], link_type: int) -> list[dict[str, object]]:
    path.write_bytes(pcap_bytes(frames, link_type=link_type))
    out = CliRunner().invoke(cli, ["analyze", "--format", "jsonl", "-q", str(path)], catch_exceptions=False).stdout
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.slow
def test_the_same_uploads(tmp_path: Path) -> None:
    house = House()
    echo = house.host("kitchen", mac=ECHO)
    echo.joins(at=0)
    echo.looks_up("fireoscaptiveportal.com", at=1)
    echo.says(3.2).to("avs-alexa-4-na.amazon.com", at=5)
    frames = house.frames()
    router = bytes.fromhex("02005e000001")
    (plain,) = uploads(tmp_path / "plain.pcap", frames, 1)
    (other,) = uploads(tmp_path / "cooked.pcap", [cooked(frame, router) for frame in frames], COOKED)
    assert plain["device"]["mac"] == ECHO
    for key in ("device", "service", "flows", "evidence", "verdict"):
        assert other[key] == plain[key], key
    for key in ("class", "bytes", "bytes_toclient", "speech_seconds"):
        assert other["upload"][key] == plain["upload"][key], key
