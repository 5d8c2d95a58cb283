"""Mutated frames, captures, wake events and requests through the real code: nothing may raise, memory stays bounded.

    python -m tests.hostile.mutate [--inputs 1000000] [--seed 1]

About a million inputs an hour on one slow core. Ends with 1 and the seed of the input at the first surprise.
"""

from __future__ import annotations

import argparse
import io
import random
import resource
import struct
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from sniffer.app.build import build_pipeline, load_rulebook
from sniffer.app.config import Config, parse_config
from sniffer.app.pipeline import EVERYTHING
from sniffer.capture.files.reader import CaptureReader
from sniffer.decode import decode
from sniffer.demo import CAPTURE
from sniffer.errors import SnifferError
from sniffer.model.clock import SECOND
from sniffer.settings.base import DeviceSettings
from sniffer.testing import Frame, House, frame_block
from sniffer.wake.events import parse_event

#: Frames of one batch that goes through the whole pipeline.
BATCH = 64


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat, or overwrite a few bytes."""
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        if not changed:
            break
        at = chance.randrange(len(changed))
        kind = chance.randrange(5)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at : at + chance.randrange(1, 9)] = chance.randbytes(chance.randrange(9))
        elif kind == 2:
            del changed[at:]
        elif kind == 3:
            changed[at:at] = changed[at : at + chance.randrange(1, 64)]
        else:
            value = chance.choice((0, 1, 0x7F, 0xFF, 0xFFFF, 0x8000, 0x7FFF_FFFF, 0xFFFF_FFFF))
            changed[at : at + 4] = struct.pack(">I", value)[: len(changed) - at]
    return bytes(changed[:65_535])


class Frames:
    """Frames of a house, mutated, through decoding, identity, detection and judgement."""

    def __init__(self) -> None:
        house = House()
        speaker = house.host("kitchen", mac="68:db:f5:90:19:64")
        speaker.joins(at=0.5, hostname="amazon-123")
        speaker.advertises("_amzn-wplay._tcp.local", at=1)
        speaker.announces("urn:dial", "Linux UPnP/1.0", at=1.5)
        for transport in ("tcp", "quic"):
            speaker.says(2.0, transport=transport).to("avs-alexa-4-na.amazon.com", at=2.0)
        self._whole = [frame.data for frame in house.frames()]
        config = Config(devices=(DeviceSettings(mac="68:db:f5:90:19:64", name="kitchen"),))
        self._config, self._rules = config, load_rulebook(config)
        self._left = 0

    def __call__(self, chance: random.Random) -> None:
        if self._left == 0:
            self._pipeline = build_pipeline(self._config, self._rules, [], "x", offline=False)
            self._now, self._left = 1_700_000_000 * SECOND, 200
        self._left -= 1
        frames = []
        for _ in range(BATCH):
            self._now += chance.randrange(200_000_000)
            data = chance.choice(self._whole)
            content = mutated(data, chance) if chance.random() < 0.8 else data
            frames.append(Frame(self._now, content, len(content)))
        batch, _ = decode(frame_block(frames, interface="x"), EVERYTHING)
        for record in self._pipeline.packets(batch):
            assert record["event_type"]
        for _ in self._pipeline.advance(self._now):
            pass


def captures(chance: random.Random) -> None:
    """A capture file with flipped bytes: read as far as it goes, or refused in one line."""
    data = mutated(_CAPTURE, chance) if chance.random() < 0.9 else _CAPTURE[: chance.randrange(len(_CAPTURE))]
    try:
        reader = CaptureReader(io.BytesIO(data), "x")
        reader.detect()
        for block in reader:
            decode(block, EVERYTHING)
    except SnifferError as error:
        assert "\n" not in str(error)


def wake_events(chance: random.Random) -> None:
    """Wake events with odd values."""
    odd: list[Any] = [
        None,
        True,
        -1,
        1e308,
        float("nan"),
        "",
        "x" * 100,
        "\u202e",
        [],
        {},
        "2026-11-27T00:00:00Z",
        10**30,
    ]
    names = ("timestamp", "device", "source", "kind", "trust", "miss_rate", "vendor", "testimony", "extra")
    event = {name: chance.choice(odd) for name in names if chance.random() < 0.5}
    try:
        parse_event(event, 1_795_000_000 * SECOND)
    except SnifferError as error:
        assert "\n" not in str(error)


def configurations(chance: random.Random) -> None:
    """A configuration with flipped bytes."""
    data = mutated(_CONFIG, chance).decode(errors="replace")
    try:
        parse_config(data, "x")
    except SnifferError as error:
        assert "\n" not in str(error)


_CAPTURE = CAPTURE.read_bytes()[:20_000]
_CONFIG = b"""capture: {interface: br-lan}
devices: [{mac: "68:db:f5:90:19:64", name: kitchen}]
http: {host: 192.168.1.1, tokens: [{source: ear, secret: {env: X}}]}
judge: {quiet_hours: [{start: "23:00", end: "06:00"}], time_zone: Europe/Berlin}
sinks: {webhooks: [{name: a, url: "https://example.com/hook"}]}
"""


def kinds() -> Mapping[str, tuple[Callable[[random.Random], None], int]]:
    """By name: what takes one call, and how many inputs that is."""
    return {
        "frames": (Frames(), BATCH),
        "captures": (captures, 1),
        "wake events": (wake_events, 1),
        "configurations": (configurations, 1),
    }


def run(inputs: int, seed: int, say: Callable[[str], None] = lambda text: None) -> dict[str, int]:
    """Feed so many inputs; return how many of each kind. Raises whatever an input raises."""
    counts: dict[str, int] = {}
    table = kinds()
    weights = {"frames": 3, "captures": 6, "wake events": 20, "configurations": 2}
    chance = random.Random(seed)
    began = time.monotonic()
    done = 0
    while done < inputs:
        name = chance.choices(list(weights), list(weights.values()))[0]
        act, size = table[name]
        own = chance.getrandbits(64)
        try:
            act(random.Random(own))
        except Exception:
            say(f"{name}: seed {own}")
            raise
        counts[name] = counts.get(name, 0) + size
        before, done = done, done + size
        if done // 100_000 > before // 100_000:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            say(f"{done} inputs, {time.monotonic() - began:.0f} s, peak {peak:.0f} MiB")
    return counts


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    counts = run(arguments.inputs, arguments.seed, lambda text: print(text, flush=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{counts}: no surprise in {time.monotonic() - began:.0f} s, peak {peak:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
