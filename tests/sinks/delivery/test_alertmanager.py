"""Against Alertmanager itself: alerts arrive, are resolved, and survive its restart."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from sniffer.alerts.policy import AlertPolicy
from sniffer.model.clock import SECOND, SystemClock
from sniffer.records.codec import from_json
from sniffer.records.types import UploadRecord
from sniffer.sinks.delivery.alertmanager import Alertmanager
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.delivery.queue import Messages
from sniffer.sinks.settings import AlertmanagerSettings, StoreSettings
from sniffer.sinks.storage.store import Store
from tests.sinks.builders import START, bare_notice, upload
from tests.sinks.programs import free_port, running
from tests.sinks.receiver import receiver

CONFIG = "route: {receiver: none}\nreceivers: [{name: none}]\n"


def alertmanager(tool, folder: Path, port: int):
    (folder / "alertmanager.yml").write_text(CONFIG)
    command = [
        tool("prometheus-alertmanager"),
        "--config.file=alertmanager.yml",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--storage.path=data",
    ]
    return running(command, port, folder)


def active(port: int) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts?active=true") as answer:
        return json.load(answer)


class Told:
    """An outbox with Alertmanager as its target, and a policy that feeds it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.store = Store(StoreSettings(path=folder / "sniffer.db"))
        self.target = Alertmanager(
            AlertmanagerSettings(url=url, resend_seconds=5),
            lambda secret: "",
            bare_notice,
            Messages(self.store).recent,
        )
        self.box = Outbox(self.store, SystemClock(), [self.target])
        self.policy = AlertPolicy()

    def upload(self, record: dict[str, Any], second: int) -> None:
        for alert in self.policy.process(from_json(UploadRecord, record), START + second * SECOND):
            self.box.emit(alert.to_json())
        self.box.step(self.target)

    def close(self) -> None:
        self.box.close()
        self.store.close()


@pytest.mark.timeout(120)
def test_with_alertmanager(tool, tmp_path: Path) -> None:
    port = free_port()
    with alertmanager(tool, tmp_path, port):
        told = Told(tmp_path, f"http://127.0.0.1:{port}/")
        told.upload(upload(), 10)
        (alert,) = active(port)
        assert alert["labels"] == {
            "alertname": "upload-outside-wake", "device": "kitchen", "severity": "high", "job": "sniffer",
        }  # fmt: skip
        assert "no wake word was heard" in alert["annotations"]["summary"]
        told.upload(upload(at=4000), 4010)  # after the cooldown: the same alert goes on
        assert len(active(port)) == 1
        told.upload(upload("expected", revision=1), 4020)  # the first is explained; the second is not
        assert len(active(port)) == 1
    with alertmanager(tool, tmp_path, port):  # it forgets when it restarts
        assert active(port) == []
        assert told.box.step(told.target) == 5
        assert len(active(port)) == 1
        told.upload(upload("expected", at=4000, revision=1), 4030)
        assert active(port) == []
        assert told.box.step(told.target) is None
    told.close()


def test_what_is_active_is_sent_again_with_its_end(tmp_path: Path) -> None:
    with receiver() as web:
        told = Told(tmp_path, web.url)
        told.upload(upload(), 10)
        told.box.step(told.target)
        first, again = (json.loads(request.body) for request in web.requests)
        assert web.requests[0].path == "/hook/api/v2/alerts"
        assert first == again
        assert first[0]["endsAt"] > first[0]["startsAt"]
        told.close()
