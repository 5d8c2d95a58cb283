"""Write demo.pcap and demo.wake.jsonl from story.yaml: `python -m sniffer.testing.demo [FOLDER]`."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from sniffer.testing import Act, Frame, House, pcap_bytes

FOLDER = Path(__file__).parents[1] / "demo"

#: Frames that can carry a name are short and stay whole; of the longer ones so much is kept.
WHOLE, KEPT = 400, 128

ACTS = ("says", "flushes", "plays", "calls", "writes")
EVENTS = ("joins", "advertises", "asks_for", "announces", "looks_up", "opens")


def tell(story: dict[str, Any]) -> tuple[list[Frame], list[dict[str, Any]]]:
    """The frames of a story, and its wake events. Raises ValueError where somebody does what nobody can."""
    start: datetime = story["start"]
    house = House(story["seed"], start_ns=round(start.timestamp()) * 1_000_000_000)
    hosts = {name: house.host(name, mac) for name, mac in story["hosts"].items()}
    wakes = []
    for scene in story["story"]:
        step = dict(scene)
        at, who, what = step.pop("at"), step.pop("who"), step.pop("does")
        asked, peer = step.pop("asked", None), step.pop("to", None)
        if what in ACTS:
            act: Act = getattr(hosts[who], what)(**step)
            act.to(peer, at=at)
        elif what == "opens":
            hosts[who].opens(peer, at)
        elif what in EVENTS:
            getattr(hosts[who], what)(at=at, **step)
        else:
            raise ValueError(f"nobody can {what!r}; known: {', '.join(ACTS + EVENTS)}")
        if asked is not None:
            when = start + timedelta(seconds=at - asked)
            wakes.append({"timestamp": when.isoformat(), "device": story["hosts"][who], "source": "demo-ear"})
    frames = [frame if frame.wire <= WHOLE else frame.snapped(KEPT) for frame in house.frames()]
    return frames, wakes


def make(folder: Path) -> None:
    """Tell the story in story.yaml into a folder."""
    frames, wakes = tell(yaml.safe_load((FOLDER / "story.yaml").read_text()))
    (folder / "demo.pcap").write_bytes(pcap_bytes(frames, nanoseconds=False))
    (folder / "demo.wake.jsonl").write_text("".join(json.dumps(wake) + "\n" for wake in wakes))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
