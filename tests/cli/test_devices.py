"""`sniffer devices`: who is in a capture, as a table and as records; and the table of prefixes, refreshed."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from sniffer.app.build import load_rulebook
from sniffer.app.config import load_config
from sniffer.cli._who import Observer
from sniffer.cli.main import cli
from sniffer.errors import SnifferError
from sniffer.identify.rules import read_oui
from sniffer.model import mac_key
from sniffer.records.schemas import schema
from sniffer.sinks.storage.store import Store
from sniffer.testing import House

ECHO, PHONE = "68:db:f5:90:19:64", "02:11:22:33:44:55"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["devices", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    house = House()
    echo, phone = house.host("kitchen", mac=ECHO), house.host("phone", mac=PHONE)
    phone.asks_for("_googlecast._tcp", at=0)
    phone.asks_for("_ipp._tcp", at=1)
    echo.looks_up("fireoscaptiveportal.com", at=3)
    echo.looks_up("avs-alexa-4-na.amazon.com", at=5)
    path = tmp_path / "house.pcap"
    path.write_bytes(house.pcap())
    return path


def test_a_table_says_who_and_why(capture: Path) -> None:
    out = run(capture).stdout
    echo = next(line for line in out.splitlines() if line.startswith(ECHO))
    assert "Amazon Echo, speaker" in echo
    assert " yes " in echo
    assert "made for Amazon" in echo
    phone = next(line for line in out.splitlines() if line.startswith(PHONE))
    assert "phone" in phone
    assert " no " in phone
    assert " B " in phone


def test_records_are_devices_with_their_facts(capture: Path) -> None:
    records = [json.loads(line) for line in run(capture, "--format", "jsonl").stdout.splitlines()]
    echo = next(record for record in records if record["host"] == ECHO)
    assert echo["event_type"] == "device"
    assert echo["device"]["vendor"] == "Amazon"
    assert echo["microphone"]
    assert {"kind": "oui", "value": "Amazon Technologies Inc."} in echo["facts"]
    traffic = echo["traffic"]
    assert traffic["packets_sent"] == traffic["packets_received"] == traffic["connections"] == 2
    assert traffic["bytes_sent"] > 100
    assert traffic["first"] < traffic["last"]
    assert records[0] == echo, "those with a microphone come first"
    for record in records:
        jsonschema.validate(record, schema("device"))


def test_a_person_is_right(capture: Path) -> None:
    out = run(capture, "--device", f"{PHONE}=bedroom").stdout
    assert any("bedroom" in line and " yes " in line for line in out.splitlines())


def test_one_bad_file_is_told_and_the_rest_is_read(capture: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pcap"
    bad.write_bytes(b"nonsense that is no capture")
    result = run(bad, capture)
    assert ECHO in result.stdout
    assert "bad.pcap" in result.stderr
    with pytest.raises(SnifferError) as caught:
        run(bad)
    assert caught.value.exit_status == 3


def test_without_a_daemon_there_is_nobody_to_remember(tmp_path: Path) -> None:
    config = tmp_path / "sniffer.yaml"
    config.write_text(f"store: {{path: {tmp_path}/no.db}}\n")
    with pytest.raises(SnifferError, match="no daemon has run here"):
        run("-c", config)


def test_whom_the_daemon_has_seen(capture: Path, tmp_path: Path) -> None:
    config_file = tmp_path / "sniffer.yaml"
    config_file.write_text(f"store: {{path: {tmp_path}/sniffer.db}}\n")
    config = load_config(config_file)
    observer = Observer(config, load_rulebook(config))
    observer.captures([capture], print)
    store = Store(config.store)
    store.state_set("stage.identify", observer.identifier.state())
    store.close()
    out = run("-c", config_file).stdout
    assert any(line.startswith(ECHO) and " yes " in line for line in out.splitlines())


@pytest.mark.parametrize(
    "text",
    [
        "Registry,Assignment,Organization Name,Organization Address\nMA-L,AABBCC,New Maker,Somewhere\n",
        "OUI/MA-L  Organization\nAABBCC     (base 16)\t\tNew Maker\n",
        "# manuf\nAA:BB:CC\tNewMaker\tNew Maker\n",
    ],
)
def test_prefixes_are_refreshed_from_a_file(tmp_path: Path, text: str) -> None:
    listed, table = tmp_path / "list", tmp_path / "oui.tsv"
    listed.write_text(text)
    table.write_text("Old Maker\t001122 445566\n")
    assert "1 new" in run("--refresh-oui", listed, "--oui-output", table).stdout
    new = read_oui(table)
    # aa has the locally administered bit: written, and never looked up
    assert len(new) == 3
    assert dict(new.items())["aabbcc"] == "New Maker"
    assert new.lookup(mac_key("00:11:22:00:00:01")) == "Old Maker"


def test_what_is_no_list_of_prefixes_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text("hello\n")
    with pytest.raises(SnifferError, match="no prefixes in there"):
        run("--refresh-oui", listed, "--oui-output", tmp_path / "oui.tsv")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_gets_lines_that_can_be_read(capture: Path, width: int) -> None:
    """Each field whole, whatever the width: no column is squeezed to a letter."""
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "sniffer", "devices", str(capture)]
    with subprocess.Popen(command, stdout=terminal, env={**environment, "TERM": "xterm"}) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):
            while data := os.read(master, 65_536):
                shown += data
    os.close(master)
    assert process.returncode == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    assert [line for line in text.splitlines() if len(line.rstrip()) > width] == []
    assert "Amazon Echo, speaker" in text
    assert "68:db:f5:90:19:64" in text
    assert "judged" in text
