"""From settings to targets; and what a restart shows at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from sniffer.app.config import parse_config
from sniffer.errors import ConfigError
from sniffer.model.clock import SECOND
from sniffer.records.build import device_record
from sniffer.sinks.delivery.targets import build_targets
from sniffer.sinks.settings import SinkSettings, StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import ManualClock
from tests.sinks.builders import KITCHEN, START, upload

ALL = """
sinks:
  webhooks: [{name: hook, url: "https://example.org/hook"}]
  alertmanager: [{url: "http://127.0.0.1:9093"}]
  notify: [{name: phone, url: {env: NOTIFY}}]
  mqtt: {host: broker}
"""


@pytest.fixture
def store(tmp_path: Path):
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as opened:
        yield opened


def build(settings: SinkSettings, store: Store, clock: ManualClock | None = None):
    return build_targets(settings, lambda secret: "json://localhost", str, store, clock or ManualClock(START))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of apprise's, when it is imported
def test_one_of_each(store: Store) -> None:
    targets = build(parse_config(ALL, "x").sinks, store)
    assert [target.name for target in targets] == ["hook", "alertmanager", "phone", "mqtt"]
    assert all("example.org" not in repr(target) and "json:" not in repr(target) for target in targets)
    for target in targets:
        target.close()


def test_a_restart_goes_on_with_the_day(store: Store) -> None:
    store.emit(device_record(KITCHEN, "br-lan", START - 5 * 86_400 * SECOND).to_json())
    store.emit(upload(at=-100_000))  # yesterday
    store.emit(upload(at=0))
    clock = ManualClock(START + 60 * SECOND)
    (link,) = build(parse_config("sinks: {mqtt: {host: broker}}", "x").sinks, store, clock)
    (state,) = link._devices.values()
    assert state.state() | {"last_reason": None} == {
        "listening": "OFF", "problem": "OFF", "last_upload": upload()["timestamp"], "last_verdict": "unexpected",
        "last_reason": None, "last_id": upload()["id"], "speech_today": 3.4, "unexpected_today": 1,
        "expected_today": 0, "inconclusive_today": 0, "open_questions": 0, "muted": "OFF",
    }  # fmt: skip
    link.close()


def test_what_is_not_configured_is_not_imported() -> None:
    program = "import sys, sniffer.sinks.delivery.targets, sniffer.sinks.delivery.outbox; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"httpx", "apprise", "paho", "ssl"} & set(loaded)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{name: a, url: "ftp://x"}', "must start with http"),
        ('{name: a, url: "https://me:pw@x/"}', "give `token` instead"),
        ('{name: a, url: "http://x:99999/"}', "not a URL"),
        ('{name: a b, url: "http://x"}', "pattern"),
        ('{name: a, url: "https://hooks.slack.com/x", format: slack}', "a slack URL is a secret"),
        ("{name: a, url: {file: x, env: y}}", "give either `file`"),
        ('{name: a, url: "http://x", format: xml}', "'standard'"),
        ('{name: a, url: "http://x"}, {name: a, url: "http://y"}', "two targets have the name 'a'"),
    ],
)
def test_a_mistake_is_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(f"sinks:\n  webhooks: [{text}]\n", "sniffer.yaml")
    assert str(caught.value).startswith("sniffer.yaml:2:")
    assert "\n" not in str(caught.value)


def test_a_secret_url_that_is_none(store: Store) -> None:
    settings = parse_config("sinks: {webhooks: [{name: a, url: {env: X}}]}", "x").sinks
    with pytest.raises(ConfigError, match="does not start with http") as caught:
        build(settings, store)
    assert "json:" not in str(caught.value)
