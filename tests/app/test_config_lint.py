"""Configurations that are valid and hardly meant: who is told what, and where it stands in the file."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config, load_config
from sniffer.app.config_lint import remarks
from sniffer.cli import config, doctor

DEVICES = 'devices: [{mac: "02:00:00:00:00:0a", name: kitchen}]\n'
RULES = load_rulebook(Config())
SECRET = "{file: /nowhere}"
HA = "{type: home_assistant, name: ha, url: 'http://ha', token: {file: /nowhere},"

TYPING_ERRORS = {
    "wake source": "wake:\n  sources:\n    - {type: wyoming, name: ear, host: ear,\n       devices: [kitchn]}\n",
    "button": "wake:\n  sources:\n    - {type: mqtt, name: e, host: a, topics: [\n   {topic: a, device: kitchn}]}\n",
    "satellite": f"wake:\n  sources:\n    - {HA}\n       satellites: {{assist_satellite.a: kitchn}}}}\n",
    "entity": f"wake:\n  sources:\n    - {HA} entities:\n"
    "       [{entity: switch.a, to: 'on', kind: mute, device: kitchn}]}\n",
    "vendor's name": f"wake:\n  sources:\n    - {HA}\n       devices_by_name: {{Kitchen Echo: kitchn}}}}\n",
    "quiet hours": "judge:\n  time_zone: UTC\n  quiet_hours:\n    - {start: '23:00', end: '06:00',\n"
    "   devices: [kitchn]}\n",
    "exception": "judge: {rules: {exceptions: [\n  {rule: upload-outside-wake, reason: r,\n   expires: never,\n"
    "   device: kitchn}]}}\n",
}


def said(tmp_path: Path, text: str, *seen: str) -> list[str]:
    file = tmp_path / "sniffer.yaml"
    file.write_text(text)
    return [str(remark).removeprefix(f"{tmp_path}/") for remark in remarks(load_config(file), RULES, file, seen)]


@pytest.mark.parametrize("where", TYPING_ERRORS)
def test_a_name_that_no_device_has_is_told_with_its_place(tmp_path: Path, where: str) -> None:
    text = DEVICES + TYPING_ERRORS[where]
    (line,) = said(tmp_path, text)
    assert re.match(r"sniffer\.yaml:[56]:\d+: no device is called 'kitchn'; did you mean 'kitchen'\?$", line), line
    assert said(tmp_path, text.replace("kitchn", "Kitchen")) == []
    assert said(tmp_path, text.replace("kitchn", "'02:00:00:00:00:0b'")) == [], "it may be found later"
    assert said(tmp_path, text, "kitchn") == [], "recognised, and called so"


def test_tokens_and_sources_must_find_each_other(tmp_path: Path) -> None:
    text = f"http: {{tokens: [{{source: phon, secret: {SECRET}}}, {{source: me, secret: {SECRET}, scopes: [read]}}]}}\n"
    (line,) = said(tmp_path, text)
    assert line.startswith("sniffer.yaml:1:26: no wake source is called 'phon': ")
    assert line.endswith("add {type: http, name: phon} to wake.sources")
    lines = said(tmp_path, text + "wake: {sources: [{type: http, name: phone}]}\n")
    assert lines[0].endswith("did you mean 'phone'?")
    assert lines[1].startswith("sniffer.yaml:2:37: no token may report for 'phone'")
    assert said(tmp_path, text.replace("phon,", "phone,") + "wake: {sources: [{type: http, name: phone}]}\n") == []


@pytest.mark.parametrize(
    ("http", "clear"),
    [
        ("host: 192.168.1.1", True),
        ("host: '::'", True),
        ("host: router.lan", True),
        ("host: 127.0.0.1", False),
        ("host: '::1'", False),
        ("host: localhost", False),
        ("host: 192.168.1.1, enabled: false", False),
        ("host: 192.168.1.1, tls: {certificate: a.pem, key: a.key}", False),
    ],
)
def test_tokens_that_cross_the_network_in_clear_are_told(tmp_path: Path, http: str, clear: bool) -> None:
    lines = said(tmp_path, f"http: {{{http}, tokens: [{{source: me, secret: {SECRET}, scopes: [mute]}}]}}\n")
    assert [line.split("; ")[0] for line in lines] == [
        "sniffer.yaml:1:14: tokens cross the network in clear, and who reads one can explain uploads away"
    ] * clear
    assert said(tmp_path, f"http: {{{http}}}\n") == []


def test_config_check_and_doctor_tell_it_and_do_not_fail(tmp_path: Path) -> None:
    file = tmp_path / "sniffer.yaml"
    file.write_text(DEVICES + TYPING_ERRORS["quiet hours"])
    checked = CliRunner().invoke(config.command, ["check", str(file)])
    assert checked.exit_code == 0
    assert checked.stdout.startswith(f"{file}: OK")
    assert "sniffer.yaml:6:14: no device is called 'kitchn'; did you mean 'kitchen'?" in checked.stderr
    looked = CliRunner().invoke(doctor.command, ["-c", str(file), "--seconds", "0"])
    (line,) = (line for line in looked.stdout.splitlines() if "kitchn" in line)
    assert line.startswith("warning")
    assert line.endswith("-> did you mean 'kitchen'?")


def test_config_check_reads_the_rules_too(tmp_path: Path) -> None:
    file = tmp_path / "sniffer.yaml"
    file.write_text("judge: {rules: {levels: {no-such-rule: high}}}\n")
    assert "no-such-rule" in str(CliRunner().invoke(config.command, ["check", str(file)]).exception)


def test_words_that_no_rule_knows(tmp_path: Path) -> None:
    device = 'devices: [{{mac: "02:00:00:00:00:0a", name: kitchen, kind: {}}}]\n'
    (line,) = said(tmp_path, device.format("camra"))
    assert line == "sniffer.yaml:1:59: no rule knows the kind 'camra'; did you mean 'camera'?"
    assert said(tmp_path, device.format("doorbell")) == []
    ear = "wake: {{sources: [{{type: wyoming, name: ear, host: ear, vendor: {}}}]}}\n"
    maker = next(rule.vendor for rule in RULES.devices.rules if rule.vendor)
    assert said(tmp_path, ear.format(maker.upper())) == []
    (line,) = said(tmp_path, ear.format(f"x{maker}"))
    assert line.endswith(f"no device is made by 'x{maker}'; did you mean '{maker}'?")


def test_what_is_kept_elsewhere_must_be_readable(tmp_path: Path) -> None:
    file = tmp_path / "sniffer.yaml"
    file.write_text(
        "http: {tls: {certificate: /no.pem, key: /no.key}}\n"
        "sinks: {webhooks: [{name: phone, url: {file: /nowhere}}], "
        "mqtt: {host: a, username: u, password: {env: NO_SUCH}}}\n"
    )
    checked = CliRunner().invoke(config.command, ["check", str(file)])
    assert "the daemon would not start here: 3 problems" in str(checked.exception)
    told = [line.removeprefix(f"sniffer: {file}:") for line in checked.stderr.splitlines()]
    assert [line.split("; ")[0] for line in told] == [
        "2:39: /nowhere: the secret cannot be read: No such file or directory",
        "2:98: the environment variable NO_SUCH is empty or not set",
        "1:13: /no.pem: cannot be read: No such file or directory (http.tls)",
    ]
    looked = CliRunner().invoke(doctor.command, ["-c", str(file), "--seconds", "0"])
    assert sum(line.startswith("fail     start") for line in looked.stdout.splitlines()) == 3


def test_hours_without_a_time_zone_are_told(tmp_path: Path) -> None:
    text = "judge: {{quiet_hours: [{{start: '23:00', end: '06:00'}}]{}}}\n"
    assert said(tmp_path, text.format("")) == [
        "sniffer.yaml:1:22: these hours are read in UTC; set judge.time_zone, such as Europe/Berlin, or UTC"
    ]
    assert said(tmp_path, text.format(", time_zone: UTC")) == []


@pytest.mark.parametrize(
    ("http", "told"),
    [("host: 0.0.0.0", 0), ("host: 0.0.0.0, read_token: false", 1), ("read_token: false", 0), ("enabled: false", 0)],
)
def test_reading_that_is_open_to_a_network_is_told(http: str, told: int, tmp_path: Path) -> None:
    lines = said(tmp_path, f"http: {{{http}}}\n")
    assert sum("can read what was sent" in line for line in lines) == told
