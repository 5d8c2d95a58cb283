"""A daemon over an empty interface with its page, asked without a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from sniffer.app.config import Config
from sniffer.app.service import Service
from sniffer.model import Record
from sniffer.model.clock import SECOND
from sniffer.records.build import timestamp
from sniffer.sinks.storage.store import Store
from sniffer.testing import ManualClock
from tests.app.test_daemon import START, Source

BASE = "http://127.0.0.1:9877"
SAME = {"Origin": BASE}


class PageHouse:
    """`client()` is a browser on this machine, `client("192.168.1.50")` one elsewhere."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.clock = folder, ManualClock(START)
        self.store_path = folder / "store.db"
        own = {
            "http": {"port": 0},
            "store": {"path": str(self.store_path)},
            "sinks": {"event_log": None, "evidence": {"folder": str(folder / "evidence")}},
        }
        self.config = Config.model_validate({**own, **settings})
        self.store = Store(self.config.store)
        self.service = Service(lambda: self.config, Source(self.clock), "br-lan", self.store, None, self.clock)
        self.daemon = self.service.daemon
        self.daemon.step()

    def client(self, address: str = "127.0.0.1", language: str = "en") -> TestClient:
        assert self.service._server is not None
        app = self.service._server._server.config.app
        headers = {"Accept": "text/html", "Accept-Language": language}
        return TestClient(app, base_url=BASE, client=(address, 50_000), headers=headers, follow_redirects=False)

    def close(self) -> None:
        self.service.close()
        self.store.close()


Make = Callable[..., PageHouse]


def upload(number: int, verdict: str | None = "unexpected", reason: str = "no_wake_event", **more: Any) -> Record:
    """An upload that began `number` minutes before START."""
    start = START - number * 60 * SECOND
    mac = more.pop("mac", "68:db:f5:90:19:64")
    name = more.pop("name", "kitchen")
    kind = more.pop("upload_class", "speech" if verdict else "telemetry")
    record = {
        "event_type": "upload", "id": f"20261122T180405.{number:03d}-8f3a19c2", "revision": 0, "capture": "br-lan",
        "timestamp": timestamp(start), "end": timestamp(start + 3 * SECOND),
        "device": {"mac": mac, "ip": "192.168.1.23", "name": name, "vendor": "Amazon", "model": "Echo Dot",
                   "kind": "speaker", "confidence": 0.97},
        "src_ip": "192.168.1.23", "src_port": 40412, "dest_ip": "52.94.233.109", "dest_port": 443, "proto": "TCP",
        "community_id": "1:x=", "service": {"host": "avs-alexa-4-na.amazon.com", "role": "voice", "source": "sni"},
        "upload": {"class": kind, "score": 9.5, "probability": 0.99, "bytes": 46012, "bytes_toclient": 39121,
                   "packets": 71, "duration": 3.35, "bytes_per_second": 13700.0, "chunk_bytes": 437,
                   "chunks_per_second": 20.0, "speech_seconds": 3.4, "answered": True,
                   "bins": [20000, 4000, 3900, 4100, 4000, 3900, 4100, 500], "body": [1, 7]},
        "evidence": [{"name": "chunk_constancy", "value": 0.98, "weight": 4.0, "text": "98 % carry 437 bytes"},
                     {"name": "new_connection", "value": 0.1, "weight": -1.2, "text": "It had just been opened"}],
        "flows": ["192.168.1.23:40412 > 52.94.233.109:443 TCP"],
        "wake": {"seen": verdict == "expected", "relation": "direct" if verdict == "expected" else "none",
                 "source": "kitchen-ear" if verdict == "expected" else None, "trust": None, "gap_seconds": None},
        "verdict": verdict, "confidence": 0.97, "reason": reason, "listened": ["kitchen-ear"],
        "history": {"speech_uploads": 1, "destination_uploads": 1, "unexpected_in_24h": 1},
        "level": "high" if verdict == "unexpected" else None,
        "rules": ["upload-outside-wake"] if verdict == "unexpected" else [],
    }  # fmt: skip
    return {**record, **more}
