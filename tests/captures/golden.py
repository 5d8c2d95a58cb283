"""Golden records: everything that the named captures give, in full.

`python -m tests.captures.golden` writes them anew; the diff then shows every change of behaviour. Commit it only where
the change is meant, and say why in the commit.
"""

from __future__ import annotations

import json
from typing import Any

from sniffer.app.batch_job import OfflineJudge, Outcome
from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.judge.settings import AlertSettings
from sniffer.model import WakeEvent
from sniffer.settings.base import DeviceSettings
from sniffer.wake.events import parse_event
from tests.captures.make import FOLDER, MAC, STORIES

GOLDEN = FOLDER / "golden"
NAMES = tuple(story.__name__ for story in STORIES)
#: An ear that misses next to nothing and was up from the beginning.
UP = {"timestamp": "2023-11-14T22:13:00Z", "source": "ear", "kind": "source_up", "miss_rate": 0.001}
#: When the ear heard a wake word; in the other captures it heard none.
HEARD = {
    "speech_asked": "2023-11-14T22:13:24Z",
    "speech_quic": "2023-11-14T22:13:21Z",
    "two_utterances": "2023-11-14T22:13:21Z",
}
#: Captures of a house without an ear.
NO_EAR = frozenset({"speech_pcm", "speech_bad_wifi"})


def events_of(name: str) -> list[WakeEvent]:
    """The wake events that belong to a capture."""
    if name in NO_EAR:
        return []
    words = [{"timestamp": HEARD[name], "source": "ear", "device": "kitchen"}] if name in HEARD else []
    return [parse_event(event) for event in (UP, *words)]


def golden(name: str) -> list[dict[str, Any]]:
    """The records of a named capture, as the program writes them."""
    path = FOLDER / f"{name}.pcap"
    config = Config(devices=(DeviceSettings(mac=MAC, name="kitchen"),), alerts=AlertSettings(time_zone="UTC"))
    judge = OfflineJudge(config, load_rulebook(config), events_of(name))
    return [dict(record) for record in judge.file(path, Outcome(path.name), lambda done, total: None)]


def text_of(records: list[dict[str, Any]]) -> str:
    """Records as they are kept: one line a field at the top, so that a diff is short."""
    lines = []
    for record in records:
        fields = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in record.items()]
        lines.append("{\n" + ",\n".join(fields) + "\n}")
    return "[\n" + ",\n".join(lines) + "\n]\n"


def main() -> None:
    """Write all golden records."""
    GOLDEN.mkdir(exist_ok=True)
    for name in NAMES:
        (GOLDEN / f"{name}.json").write_text(text_of(golden(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
