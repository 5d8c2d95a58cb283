"""What `config check` calls OK starts; everything else is one clear line, at the start and at a reload."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config, load_config, parse_config
from sniffer.app.config_lint import remarks
from sniffer.app.service import Service, open_files
from sniffer.app.validation import problems
from sniffer.cli import config as config_command
from sniffer.errors import ConfigError, SnifferError
from sniffer.testing import ManualClock
from tests.app.test_daemon import Source

SCHEMA = Config.model_json_schema()
#: Text that people and programs get wrong, by the kind of setting.
AWKWARD = [
    *("", " ", ".", "/", "..", "folder", "x.db", "missing/x.db", "folder/x.db", "a" * 300, "auto", "lo", "nosuch0"),
    *(
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "host:80",
        "http://",
        "http://x",
        "https://x/y z",
        "http://[::1",
        "192.168.1.0/99",
    ),
    *(
        "fe80::1%eth0",
        "aa:bb:cc:dd:ee:ff",
        "aabb.ccdd.eeff",
        "02:00:00:00:00:0a",
        "kitchen",
        "K\u00fcche \U0001f600",
        "all",
    ),
    *(
        "a\nb",
        "\u202egnp",
        "22:00",
        "25:00",
        "Europe/Berlin",
        "Mars/Base",
        "nobody",
        "nobodyhere",
        "1",
        "#",
        "+/x",
        "a/#/b",
    ),
    *("alarm.bell", "sensor.x", "0001-01-01", "2026-11-27", "whsec_x", "${HOME}", "*", "[", "root", "mqtt", "http"),
]
TEXT = st.sampled_from(AWKWARD)
NUMBERS = st.sampled_from([0, 1, 2, 5, 60, 100, 1000, 65_535, 65_536, 1 << 20, 1 << 40, -1, 0.5, 0.01, 1.5])


def values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Whatever a part of the schema seems to allow, and a little more."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: values(SCHEMA["$defs"][name]))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return st.one_of([values(one) for one in schema[several]])
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        needed = {name: values(one) for name, one in schema["properties"].items() if name in schema.get("required", ())}
        other = {name: values(one) for name, one in schema["properties"].items() if name not in needed}
        return st.fixed_dictionaries(needed, optional=other)
    if kind == "object":
        inner = schema.get("additionalProperties")
        return st.dictionaries(TEXT, values(inner) if isinstance(inner, dict) else TEXT, max_size=2)
    if kind == "array":
        items = schema.get("items") or {}
        return st.lists(values(items), min_size=schema.get("minItems", 0), max_size=2)
    return {
        "string": TEXT,
        "integer": NUMBERS,
        "number": NUMBERS,
        "boolean": st.booleans(),
        "null": st.none(),
    }.get(str(kind), TEXT)


def sections() -> st.SearchStrategy[dict[str, Any]]:
    """One or two parts of a configuration: of more, one would nearly always be wrong."""
    names = st.lists(st.sampled_from(sorted(SCHEMA["properties"])), min_size=1, max_size=2, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({n: values(SCHEMA["properties"][n]) for n in chosen}))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    monkeypatch.setenv("GOOD", "a-token-of-some-length")
    yield tmp_path


def start(config: Config) -> None:
    """Everything that `run` does with a configuration before its first packet."""
    clock = ManualClock()
    with open_files(config) as (store, event_log):
        service = Service(lambda: config, Source(clock), "lo", store, event_log, clock)
        try:
            service.daemon.step()
        finally:
            service.close()


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("SNIFFER_CONFIGS", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(data=sections())
def test_what_the_check_calls_right_starts(place: Path, data: dict[str, Any]) -> None:
    if isinstance(data.get("http"), dict):
        data["http"]["port"] = 0
    text = yaml.safe_dump(data)
    try:
        config = parse_config(text, "sniffer.yaml")
        rulebook = load_rulebook(config)
        found = problems(config)
    except SnifferError as error:
        assert "\n" not in str(error)
        return
    remarks(config, rulebook)
    if found:
        assert all("\n" not in str(one) for one in found)
        return
    if "http" not in data:
        config = config.model_copy(update={"http": config.http.model_copy(update={"enabled": False})})
    start(config)


WRONG = {
    "a network": ("detect: {local_networks: [192.168.1.0/99]}", "not appear to be an IPv4 or IPv6 network"),
    "no network": ("detect: {local_networks: [hello]}", "written like 192.168.1.0/24"),
    "an empty path": ('store: {path: ""}', "the path of a file is needed"),
    "the root as a path": ("store: {path: /}", "the path of a file is needed"),
    "a folder as a path": ("store: {path: folder}", "folder is a folder: give the path of a file"),
    "a folder that is missing": ("store: {path: gone/x.db}", "gone is no folder: create it"),
    "an event log that is a folder": ("sinks: {event_log: {path: folder}}", "folder is a folder"),
    "evidence below a file": ("sinks: {evidence: {folder: file/below}}", "file is no folder"),
    "one path twice": ("store: {path: x}\nsinks: {event_log: {path: ./x}}", "x is store.path too"),
    "an empty host": ('http: {host: ""}', "0.0.0.0 (all)"),
    "a host that is not ours": ("http: {host: 192.0.2.1}", "HTTP cannot listen on 192.0.2.1"),
    "a secret that is missing": (
        "sinks: {notify: [{name: n, url: {env: NOPE}}]}",
        "the environment variable NOPE is empty or not set",
    ),
    "a token that is short": ("http: {tokens: [{source: a, secret: {env: SHORT}}]}", "at least 16 are needed"),
    "a user that does not exist": ("capture: {user: nobodyhere}", "there is no user 'nobodyhere'"),
    "an empty interface": ('capture: {interface: ""}', "no name of an interface"),
    "an interface that does not exist": ("capture: {interface: nosuch0}", "nosuch0: no such interface"),
    "quiet hours of no length": (
        'judge: {quiet_hours: [{start: "22:00", end: "22:00"}]}',
        "start and end are the same",
    ),
    "an apprise URL": ("sinks: {notify: [{name: n, url: {env: GOOD}}]}", "apprise does not understand the URL"),
    "a webhook URL from a secret": ("sinks: {webhooks: [{name: n, url: {env: GOOD}}]}", "does not start with http"),
    "a signing key": (
        "sinks: {webhooks: [{name: n, url: 'http://x/', secret: {env: GOOD}}]}",
        "24 or more random bytes",
    ),
    "a Home Assistant URL": (
        "wake: {sources: [{type: home_assistant, name: h, url: homeassistant.local, token: {env: GOOD}}]}",
        "must start with http:// or https:// and name a host",
    ),
    "an address of one link": ('devices: [{mac: "fe80::1%eth0", name: k}]', "give the MAC address"),
    "a name with a line break": ('devices: [{mac: "02:00:00:00:00:0a", name: "a\\nb"}]', "on one line"),
    "not a number": ("identify: {confidence: .nan}", "a finite number"),
    "half a character": ('http: {host: "\\ud800"}', "a character that is no text"),
}


@pytest.mark.parametrize(("text", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_configuration_is_found_by_check_and_reload(
    place: Path, text: str, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if "apprise" in words:
        pytest.importorskip("apprise")
    monkeypatch.setenv("SHORT", "short")
    (place / "file").touch()
    file = place / "sniffer.yaml"
    file.write_text(text)
    checked = CliRunner().invoke(config_command.command, ["check", str(file)])
    assert isinstance(checked.exception, ConfigError)
    assert words in checked.stderr + str(checked.exception)
    file.write_text("http: {port: 0}\nstore: {path: x.db}\n")
    clock = ManualClock()
    with open_files(load_config(file)) as (store, event_log):
        service = Service(lambda: load_config(file), Source(clock), "lo", store, event_log, clock, config_path=file)
        with closing(service):
            before = service.daemon._pipeline
            file.write_text(text)
            service.daemon.reload()
            assert service.daemon.step()
            assert service.daemon._pipeline is before
            assert any("the new configuration is not used" in message for message in caplog.messages)
            assert service.metrics.registry.get_sample_value("sniffer_config_last_reload_successful") == 0


@pytest.mark.parametrize("content", [b"\xff", b"[", b"\x00", b"- a", b"a: b", b"x" * (2 << 20), b"[" * 5000, None])
def test_a_reload_survives_any_file(place: Path, content: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    file = place / "sniffer.yaml"
    file.write_text("http: {port: 0}\n")
    clock = ManualClock()
    with open_files(load_config(file)) as (store, event_log):
        service = Service(lambda: load_config(file), Source(clock), "lo", store, event_log, clock, config_path=file)
        with closing(service):
            file.unlink()
            if content is not None:
                file.write_bytes(content)
            service.daemon.reload()
            assert service.daemon.step()
            assert any("configuration" in message for message in caplog.messages)


@pytest.mark.parametrize(
    ("mac", "key"),
    [("aabb.ccdd.eeff", 0xAABBCCDDEEFF), ("AA-BB-CC-DD-EE-FF", 0xAABBCCDDEEFF), ("aabbccddeeff", 0xAABBCCDDEEFF)],
)
def test_a_mac_address_in_any_spelling(mac: str, key: int) -> None:
    (device,) = parse_config(f'devices: [{{mac: "{mac}", name: k}}]', "x").devices
    assert device.key == key


@pytest.mark.parametrize("name", ["Mum's room", "Küche 😀", "👨‍👩‍👧", "Salle (1er)", "客厅", "K&K, hall!"])
def test_a_name_in_any_language(name: str) -> None:
    (device,) = parse_config(f'devices: [{{mac: "02:00:00:00:00:0a", name: "{name}"}}]', "x").devices
    assert device.name == name


def test_after_a_reload_names_are_in_force_at_once(place: Path) -> None:
    file = place / "sniffer.yaml"
    text = 'http: {port: 0}\ndevices: [{mac: "02:00:00:00:00:0a", name: NAME}]\n'
    file.write_text(text.replace("NAME", "kitchen"))
    clock = ManualClock()
    with open_files(load_config(file)) as (store, event_log):
        service = Service(lambda: load_config(file), Source(clock), "lo", store, event_log, clock)
        with closing(service):
            daemon = service.daemon
            daemon.step()
            file.write_text(text.replace("NAME", "cuisine"))
            daemon.reload()
            daemon.step()
            assert daemon.mute({"device": "cuisine", "seconds": 60})["device"] == "cuisine"
            with pytest.raises(SnifferError, match="no device is called 'kitchen'"):
                daemon.mute({"device": "kitchen", "seconds": 60})
            names = {
                sample.labels["device"]
                for family in service.metrics.registry.collect()
                for sample in family.samples
                if sample.name in ("sniffer_device_info", "sniffer_listening")
            }
            assert names == {"cuisine"}
