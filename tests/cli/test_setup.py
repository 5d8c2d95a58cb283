"""`sniffer setup`: what was found becomes a configuration that is right, whatever strangers called themselves."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result

from sniffer.app.config import Config, load_config, parse_config
from sniffer.cli.main import cli
from sniffer.cli.setup import configuration, try_targets
from sniffer.errors import SnifferError
from sniffer.model import Device, mac_key
from sniffer.model.clock import SystemClock
from sniffer.testing import House

ECHO, OTHER = "68:db:f5:90:19:64", "02:11:22:33:44:55"


def run(*arguments: str | Path, answers: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["setup", *map(str, arguments)], input=answers, catch_exceptions=False)


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    house = House()
    echo, other = house.host("kitchen", mac=ECHO), house.host("other", mac=OTHER)
    echo.looks_up("fireoscaptiveportal.com", at=3)
    other.looks_up("example.com", at=4)
    path = tmp_path / "house.pcap"
    path.write_bytes(house.pcap())
    return path


def test_yes_writes_what_was_recognised(capture: Path, tmp_path: Path) -> None:
    target = tmp_path / "sniffer.yaml"
    result = run("--capture", capture, "--yes", "-o", target)
    assert "1 device." in result.stdout
    (device,) = load_config(target).devices
    assert (device.mac, device.kind, device.vendor, device.watch) == (ECHO, "speaker", "Amazon", True)
    assert OTHER in target.read_text()
    with pytest.raises(SnifferError, match="is there already"):
        run("--capture", capture, "--yes", "-o", target)
    assert run("--capture", capture, "--yes", "-o", target, "--force").exit_code == 0


def test_a_folder_that_is_not_there_is_reported_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(SnifferError, match="no such folder; -o names another"):
        run("--capture", tmp_path / "never-read.pcap", "--yes", "-o", tmp_path / "none" / "sniffer.yaml")


@pytest.mark.parametrize(
    ("word", "meant"), [("check", "config check"), ("analyse", "analyze"), ("status", "doctor"), ("xyzzy", None)]
)
def test_a_command_that_there_is_not_is_answered_with_the_one_that_is_meant(word: str, meant: str | None) -> None:
    from sniffer.cli.main import cli

    result = CliRunner().invoke(cli, [word])
    assert result.exit_code == 2
    assert ("did you mean" in result.output) is (meant is not None)
    assert meant is None or f"did you mean `sniffer {meant}`?" in result.output


def test_it_asks_what_is_what(capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sniffer.cli.setup.has_terminal", lambda: True)
    target = tmp_path / "sniffer.yaml"
    run("--capture", capture, "-o", target, answers="Küche\n2\nbad<name\nbedroom\n\n\n")
    devices = load_config(target).devices
    assert [(device.mac, device.name) for device in devices] == [(ECHO, "Küche"), (OTHER, "bedroom")]


def test_who_is_not_to_be_watched_is_not(capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be recognised, and watched, by what it shows."""
    monkeypatch.setattr("sniffer.cli.setup.has_terminal", lambda: True)
    target = tmp_path / "sniffer.yaml"
    result = run("--capture", capture, "-o", target, answers="All\n-\n\n\n")
    assert "'all' is reserved" in result.stdout
    (device,) = load_config(target).devices
    assert (device.mac, device.watch) == (ECHO, False)


def test_without_a_terminal_it_does_not_hang(capture: Path, tmp_path: Path) -> None:
    with pytest.raises(SnifferError, match="--yes"):
        run("--capture", capture, "-o", tmp_path / "sniffer.yaml")


def test_strangers_text_cannot_leave_its_comment_or_its_quotes() -> None:
    nasty = 'x"\n  evil: true #'
    device = Device(
        mac_key(ECHO), "kitchen", vendor=nasty, model="a\\b", kind="speaker", microphone=True, reasons=(nasty,)
    )
    text = configuration([(device, "kitchen")], [device, Device(mac_key(OTHER), "host", vendor=nasty)], 'br"lan')
    assert parse_config(text, "setup").devices[0].mac == ECHO


class Receiver(http.server.BaseHTTPRequestHandler):
    status = 200
    bodies: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[http.server.HTTPServer]:
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("form", ["standard", "ntfy"])
def test_the_test_notification_says_that_it_is_one(server: http.server.HTTPServer, form: str) -> None:
    url = f"http://127.0.0.1:{server.server_port}/x"
    try_targets(parse_config(f"sinks: {{webhooks: [{{name: x, url: '{url}', format: {form}}}]}}", "t"), SystemClock())
    assert "This is a test from sniffer. It works" in Receiver.bodies[-1]
    assert "Test notification" in Receiver.bodies[-1]


@pytest.mark.parametrize(("status", "exit_status"), [(200, 0), (500, 1)])
def test_a_test_notification_is_sent(
    server: http.server.HTTPServer, status: int, exit_status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Receiver, "status", status)
    text = f"sinks: {{webhooks: [{{name: phone, url: 'http://127.0.0.1:{server.server_port}/'}}]}}"
    assert try_targets(parse_config(text, "test"), SystemClock()) == exit_status


def test_nobody_to_tell_is_no_failure() -> None:
    assert try_targets(Config(), SystemClock()) == 0
