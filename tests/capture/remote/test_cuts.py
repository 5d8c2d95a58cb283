"""Hours through a source on another machine whose connection is cut again and again: nothing that was said outside the
cuts is lost, and nothing inside them is an accusation."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from sniffer.app.build import build_pipeline, load_rulebook
from sniffer.app.config import Config
from sniffer.app.daemon import Daemon, Edges
from sniffer.capture.remote.feed import empty_block
from sniffer.capture.remote.source import RemoteSource
from sniffer.errors import CaptureError
from sniffer.model import Record, WakeEvent, WakeKind, WakeSource
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.settings.base import DeviceSettings
from sniffer.sinks.metrics import Metrics
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import Frame, House, ManualClock, RecordingSink, frame_block
from tests.capture.remote.senders import FakeConnection, FakeFeed

START = 1_700_000_000 * SECOND
MAC = "02:00:00:00:00:0a"
EAR = WakeSource("ear", miss_rate=0.0, measured=False, assumed_up=True)
CONFIG = Config(devices=(DeviceSettings(mac=MAC, name="kitchen"),))
HOUR = 3600.0
STEP_SECONDS = 0.5
#: The router's clock is ahead of ours by this (seconds), and packets are on their way for this long.
AHEAD, TRANSIT = 60.0, 0.05
#: Seconds around a cut of which nothing can be expected: what the sender had buffered, and an upload's whole length.
MARGIN = 20.0


class World:
    """A house, its router that cuts the line, and a daemon at the other end of it."""

    def __init__(self, folder: Path, hours: float, cuts: list[tuple[float, float]], seed: int) -> None:
        luck = random.Random(seed)
        self.clock, self.feed, self.cuts = ManualClock(START), FakeFeed(filters=False), cuts
        self.spoken: list[tuple[float, float, bool]] = []
        house = House(seed=seed, start_ns=START)
        speaker = house.host("kitchen", mac=MAC)
        at = 60.0
        while at < hours * HOUR - 60:
            seconds, asked = luck.uniform(2.0, 6.0), luck.random() < 0.5
            speaker.says(seconds).to("voice.example.com", at=at)
            self.spoken.append((at, at + seconds, asked))
            at += luck.uniform(180, 420)
        self.frames: list[Frame] = sorted(house.frames(), key=lambda frame: frame.time_ns)
        self.source = RemoteSource(self.feed, clock=self.clock, wait=lambda condition, seconds: None)
        self.store = Store(StoreSettings(path=folder / "store.db"))
        self.sink = RecordingSink()
        self.daemon = Daemon(
            source=self.source,
            edges=Edges(build_pipeline(CONFIG, load_rulebook(CONFIG), [EAR], "router", offline=False), [self.sink]),
            store=self.store,
            metrics=Metrics("test", ["kitchen"], process=False),
            clock=self.clock,
            poll_timeout=0.0,
        )
        self.hours = hours

    def run(self) -> None:
        """Let the day pass, in small steps where something happens."""
        wakes = [begin for begin, _, asked in self.spoken if asked]
        sent = 0
        connection: FakeConnection | None = None
        while (now := self._now()) < self.hours * HOUR:
            cut = any(start <= now < end for start, end in self.cuts)
            if cut and connection is not None:
                self._say(connection, CaptureError("the line was cut"))
                connection = None
            self.feed.refuse = ["the line is cut"] * 4 if cut else []
            while wakes and wakes[0] - 1.0 <= now:
                wake_ns = START + round((wakes.pop(0) - 1.0) * SECOND)
                self.daemon.deliver(WakeEvent(wake_ns, "ear", WakeKind.WAKE, None, received_ns=wake_ns))
            if connection is None and not cut and self.source._active is not None:
                connection = self._connected()
            due_ns = self.clock.now_ns() - round(TRANSIT * SECOND)
            first = sent
            while sent < len(self.frames) and self.frames[sent].time_ns <= due_ns:
                sent += 1
            if sent > first and connection is not None:
                late = [f._replace(time_ns=f.time_ns + round(AHEAD * SECOND)) for f in self.frames[first:sent]]
                self._say(connection, frame_block(late))
            self.daemon.step()
            self._settled()
            self.clock.advance(self._step(now, sent))
        self.daemon.stop()
        self.daemon.run()

    def _step(self, now: float, sent: int) -> float:
        near = [self.frames[sent].time_ns] if sent < len(self.frames) else []
        near += [START + round(edge * SECOND) for cut in self.cuts for edge in cut if edge > now]
        gap = (min(near) - self.clock.now_ns()) / SECOND if near else 1.0
        recent = sent and self.clock.now_ns() - self.frames[sent - 1].time_ns < 20 * SECOND
        waiting = self.source._gone_ns is not None
        return STEP_SECONDS if gap < 2 or recent or waiting else min(gap - 1.0, 20.0)

    def _now(self) -> float:
        return (self.clock.now_ns() - START) / SECOND

    def _connected(self) -> FakeConnection | None:
        """The connection that was just made, or None while there is none."""
        self._settled()
        active = self.source._active
        if active is None or active.ended or not self.feed.connections:
            return None
        connection = self.feed.connections[-1]
        if connection.closed:
            return None
        self._say(connection, empty_block("sender"))
        return connection

    def _settled(self) -> None:
        """Wait until an attempt to connect has come to something."""
        active = self.source._active
        if active is not None:
            _until(lambda: active.ended or active._connection is not None)

    def _say(self, connection: FakeConnection, act: object) -> None:
        active = self.source._active
        assert active is not None
        before = active.heard_count
        connection.acts.put(act)  # type: ignore[arg-type]
        _until(lambda: active.heard_count > before or active.ended)

    def uploads(self) -> list[Record]:
        """The last revision of each speech, in the order of time."""
        found = {r["id"]: r for r in self.sink.records if r["event_type"] == "upload"}
        return [r for r in found.values() if r["upload"]["class"] == "speech"]

    def verdict(self, begin: float, end: float) -> str | None:
        """What was said of speech between these times; None where nothing was found."""
        for record in self.uploads():
            first = (parse_timestamp(record["timestamp"]) - START) / SECOND
            last = (parse_timestamp(record["end"]) - START) / SECOND
            if first < end + 1 and last > begin - 1:
                return str(record["verdict"])
        return None


def _until(condition: object) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "our thread does not get there"
        time.sleep(0.0002)


@pytest.mark.slow
def test_speech_outside_the_cuts_is_found_and_none_inside_is_an_accusation(tmp_path: Path) -> None:
    """Two hours with eight cuts; SNIFFER_HOURS=24 is the whole day with a hundred of them (ten minutes and more)."""
    hours = float(os.environ.get("SNIFFER_HOURS", "2"))
    luck = random.Random(7)
    idle, spoken = round(hours * 70 / 24), round(hours * 30 / 24)
    cuts = [(start := luck.uniform(30, hours * HOUR - 300), start + luck.uniform(3, 120)) for _ in range(idle)]
    world = World(tmp_path, hours, cuts, seed=5)
    for begin, end, _ in luck.sample(world.spoken, spoken):  # and some that fall into speech
        start = luck.uniform(begin - 3, end + 1)
        cuts.append((start, start + luck.uniform(0.5, 30)))
    world.cuts.sort()
    world.run()
    lost, accused, outside, inside, wrong = [], [], 0, 0, []
    for begin, end, asked in world.spoken:
        touched = any(start - MARGIN < end and begin < stop + MARGIN + 15 for start, stop in world.cuts)
        cut = any(start - 2 < end + 1 and begin - 1 < stop + 2 for start, stop in world.cuts)
        found = world.verdict(begin, end)
        if not touched:
            outside += 1
            if found is None:
                lost.append(begin)
            elif found != ("expected" if asked else "unexpected"):
                wrong.append((begin, asked, found))
        elif cut:
            inside += 1
            if found == "unexpected" and asked:
                accused.append((begin, found))
    world.store.close()
    assert outside > 6 * hours and inside >= spoken / 2, (outside, inside)
    assert not lost, f"speech outside the cuts that was not found: {lost}"
    assert not wrong, f"verdicts outside the cuts that differ: {wrong}"
    assert not accused, f"accusations inside the cuts: {accused}"
