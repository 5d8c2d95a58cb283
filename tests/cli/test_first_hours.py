"""What a newcomer meets: full disks, closed pipes, locales, mistyped names, and a wizard that asks again."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli.export import command as export
from sniffer.cli.main import cli
from sniffer.cli.setup import receiver_of
from sniffer.cli.wake import command as wake
from sniffer.errors import UsageError
from sniffer.records.alerts import setup_test_record
from sniffer.sinks.delivery.formats import title_of
from sniffer.testing import pcap_bytes
from tests.captures.make import MAC
from tests.cli.test_unreadable import frames
from tests.sinks.receiver import Receiver, receiver

RUN = [sys.executable, "-m", "sniffer"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*RUN, *arguments], capture_output=True, timeout=100, check=False, env={**os.environ, **environment}
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", [["demo"], ["rules", "list"], ["demo", "--format", "jsonl"], ["config", "schema"]])
def test_a_full_disk_is_one_line_and_status_3(command: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*RUN, *command], stdout=full, stderr=subprocess.PIPE, timeout=100, check=False)
    assert done.returncode == 3
    assert done.stderr.decode().splitlines() == ["sniffer: No space left on device"]


@pytest.mark.slow
def test_a_closed_pipe_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m sniffer config schema | head -1; echo ${{PIPESTATUS[0]}}"],
        capture_output=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.stdout.split()[-1] == b"0"
    assert done.stderr == b""


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}, {"PYTHONIOENCODING": "ascii"}]
)
def test_any_locale_shows_something(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "sniffer.yaml"
    file.write_text('devices: [{mac: "02:00:00:00:00:0a", name: "Küche 😀", kind: camra}]\n')
    for command in (["config", "check", str(file)], ["demo"], ["rules", "list"]):
        done = run(*command, **environment)
        assert b"Traceback" not in done.stderr
        assert done.returncode in (0, 2), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_can_be_switched_off(environment: dict[str, str], coloured: bool) -> None:
    ours, theirs = pty.openpty()
    base = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run([*RUN, "demo"], stdout=theirs, timeout=100, check=True, env={**base, "TERM": "xterm", **environment})
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 1 << 16)
        except OSError:
            break
    os.close(ours)
    assert (b"\x1b[" in shown) is coloured


def test_a_table_of_a_program_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    for arguments, words in (
        (["-o", str(tmp_path / "x.xlsx")], "no format is called 'xlsx'"),
        (["-o", str(tmp_path / "noend")], "use .csv, .jsonl or .parquet"),
        (["--from", "2026-11-02", "--to", "2026-11-01"], "--from is not before --to"),
    ):
        done = CliRunner().invoke(export, [*arguments, "--store", str(tmp_path / "none.db")])
        assert isinstance(done.exception, UsageError)
        assert words in str(done.exception)
        assert not list(tmp_path.iterdir())


@pytest.fixture
def web():
    with receiver() as told:
        yield told


def asked(web: Receiver, *arguments: str, warnings: list[str]):
    record = {"timestamp": "t", "kind": "wake", "device": {"name": "kitchen", "mac": None}, "source": "me"}
    body = json.dumps({"accepted": [record], "warnings": warnings}).encode()
    web.answer = lambda request: (202, {"content-type": "application/json"}, body)
    url = web.url.removesuffix("/hook")
    return CliRunner().invoke(wake, [*arguments, "--url", url], env={"SNIFFER_TOKEN": "t" * 16})


def test_a_mistyped_device_is_an_error_also_for_wake(web: Receiver) -> None:
    warning = "no device is called 'kitchn'; did you mean 'kitchen'?"
    done = asked(web, "kitchn", warnings=[warning])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == f"{warning}; the event explains nothing"
    assert done.stdout == ""
    assert asked(web, "kitchen", warnings=[]).exit_code == 0


@pytest.mark.parametrize(
    ("word", "kind", "said"), [("mic_off", "mute", 0), ("mute", "mute", 1), ("mic_on", "unmute", 0)]
)
def test_the_two_mutes_have_two_words(web: Receiver, word: str, kind: str, said: int) -> None:
    done = asked(web, "kitchen", "--kind", word, warnings=[])
    assert done.exit_code == 0
    assert json.loads(web.requests[0].body)[0]["kind"] == kind
    assert done.stderr.count("is now called") == said


@pytest.mark.parametrize(
    ("address", "format", "secret"),
    [
        ("https://ntfy.sh/mytopic", "ntfy", False),
        ("ntfy.sh/mytopic", "ntfy", False),
        ("https://ntfy.home.example/mytopic", "ntfy", False),
        ("https://hooks.slack.com/services/T/B/x", "slack", True),
        ("https://discord.com/api/webhooks/1/x", "discord", True),
        ("http://homeassistant.local:8123/api/webhook/abc", "standard", True),
        ("https://example.com/hook", "standard", False),
    ],
)
def test_a_service_is_recognised_by_its_address(address: str, format: str, secret: bool) -> None:
    found = receiver_of(address)
    assert (found.format, found.secret) == (format, secret)
    assert found.url.startswith("http")


@pytest.mark.parametrize(
    "address", ["ntfy.sh", "https://ntfy.sh/a/b", "mytopic", "ftp://x/y", "http://", "http://u:p@x/"]
)
def test_what_is_no_address_is_asked_again(address: str) -> None:
    with pytest.raises(ValueError):
        receiver_of(address)


def test_the_wizard_loses_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sniffer.testing import House

    house = House()
    house.host("kitchen", mac="68:db:f5:90:19:64").looks_up("fireoscaptiveportal.com", at=3)
    (tmp_path / "house.pcap").write_bytes(house.pcap())
    monkeypatch.setattr("sniffer.cli.setup.has_terminal", lambda: True)
    monkeypatch.setattr("sniffer.cli.setup.try_targets", lambda config, clock: 0)
    target = tmp_path / "home.yaml"
    answers = "Küche\nmytopic\nhttps://hooks.slack.com/services/T/B/x\n"
    done = CliRunner().invoke(
        cli,
        ["setup", "--capture", str(tmp_path / "house.pcap"), "-o", str(target)],
        input=answers,
        catch_exceptions=False,
    )
    assert "please try again" in done.output
    secret = tmp_path / "home-webhook.secret"
    assert secret.read_text() == "https://hooks.slack.com/services/T/B/x\n"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert f'url: {{file: "{secret}"}}' in target.read_text()
    assert "format: slack" in target.read_text()
    assert "Küche" in target.read_text()
    assert f"run -c {target}" in done.output
    assert "sudo sniffer" not in done.output


def test_the_test_notification_says_so() -> None:
    record = setup_test_record(0).to_json()
    assert title_of(record) == "Test notification"
    assert "This is a test from sniffer" in str(record["text"])


@pytest.mark.slow
def test_a_reader_that_leaves_amid_a_table_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "speech.pcap"
    path.write_bytes(pcap_bytes(frames()))
    command = f"{sys.executable} -m sniffer analyze {path} --device {MAC}=kitchen --format jsonl --all"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | head -c 5; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1][-1] == "0"
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", ">&- 2>&- <&-"])
def test_standard_streams_that_are_closed_are_as_good_as_the_null_device(tmp_path: Path, closed: str) -> None:
    path = tmp_path / "speech.pcap"
    path.write_bytes(pcap_bytes(frames()))
    command = f"{sys.executable} -m sniffer analyze {path} --device {MAC}=kitchen {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert ("kitchen" in done.stdout) == (">&-" not in closed.split())


def test_a_zone_that_is_not_known_is_called_utc() -> None:
    code = "from sniffer.model.clock import local_zone; print(local_zone())"
    found = {
        zone: subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "TZ": zone}
        ).stdout.strip()
        for zone in ("Nowhere/City", "Europe/Berlin", "Asia/Kathmandu", "UTC", "")
    }
    assert found["Europe/Berlin"] in ("CET", "CEST")
    assert (found["Nowhere/City"], found["Asia/Kathmandu"], found["UTC"]) == ("UTC", "UTC+0545", "UTC")
