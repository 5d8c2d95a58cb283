"""What speakers there are: parameters drawn from their seed, wider than in any real set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sniffer.evaluation.lab.network import Network

Family = Literal["opus_cbr", "constant", "pcm", "variable", "flac", "datagrams", "narrow", "slabs", "pauses", "padded"]
FAMILIES: tuple[Family, ...] = ("opus_cbr", "constant", "pcm", "variable", "flac", "datagrams")
SHARES = (0.28, 0.2, 0.14, 0.18, 0.08, 0.12)
#: Drawn in trials alone: no house of the fit has them.
HELD_OUT: tuple[Family, ...] = ("narrow", "slabs", "pauses", "padded")


@dataclass(frozen=True)
class Voice:
    """How a model sends audio. `chunk` bytes `rate` times a second, spread by `spread`; for `datagrams` each tick sends
    `chunk` bytes in full datagrams. `head` bytes first, in `head_seconds`. `pauses` is the share of time in which the
    speaker is silent and a chunk is a tenth as large; chunks are padded to a multiple of `padding` bytes."""

    family: Family
    chunk: int
    rate: float
    spread: float
    head: tuple[int, int]
    head_seconds: float
    quic: bool
    tick_jitter: float
    tail: int
    shared_record: int
    pauses: float = 0.0
    padding: int = 1

    @property
    def bytes_per_second(self) -> float:
        return self.chunk * self.rate


@dataclass(frozen=True)
class Speaker:
    """One speaker of one home: its model's habits and its place on the network."""

    voice: Voice
    network: Network
    ipv6: bool
    captured: int
    voice_role: str
    named: float
    full_segments: int
    requests_per_day: float
    false_wakes_per_day: float
    answer: tuple[int, int]
    unanswered: float
    replies_per_second: float
    follow_up: float
    switches_flow: float
    telemetry_with_voice: float
    background: float
    keepalives_per_hour: float
    keepalive_size: tuple[int, int]
    reconnects_per_day: float
    boots_per_month: float
    flushes_per_day: float
    flush_size: tuple[int, int]
    volume_per_day: float
    state_per_day: float
    relayed_per_day: float
    music_per_day: float
    calls_per_week: float
    views_per_day: float
    log_sink: bool
    lan_rate: float
    firmware_per_month: float


def log_uniform(luck: np.random.Generator, low: float, high: float) -> float:
    """Each order of magnitude as likely as the next."""
    return float(np.exp(luck.uniform(np.log(low), np.log(high))))


def draw_voice(luck: np.random.Generator, family: Family | None = None) -> Voice:
    """A model's way to send audio."""
    family = family or FAMILIES[int(luck.choice(len(FAMILIES), p=SHARES))]
    spread, quic = 0.0, bool(luck.random() < 0.1)
    if family == "opus_cbr":
        frames = int(luck.integers(1, 9))
        per_frame = int(luck.choice([40, 60, 80, 80, 80, 120, 160]))
        chunk, rate = frames * per_frame + int(luck.integers(22, 60)), 50 / frames
    elif family == "constant":
        chunk = int(luck.integers(150, 1380))
        rate = float(np.clip(log_uniform(luck, 3_500, 20_000) / chunk, 5, 50))
    elif family == "pcm":
        samples = int(luck.choice([160, 256, 320, 480, 512, 640, 1024, 2048]))
        chunk, rate = 2 * samples + int(luck.integers(22, 60)), 16_000 / samples
    elif family == "variable":
        chunk, rate, spread = int(luck.integers(120, 620)), luck.uniform(8, 28), luck.uniform(0.1, 0.35)
    elif family == "flac":
        chunk, rate, spread = int(luck.integers(600, 3200)), 0.0, luck.uniform(0.12, 0.3)
        rate = luck.uniform(14_000, 22_000) / chunk
    elif family == "narrow":  # AMR wideband, 12.65 to 23.85 kbit/s
        frames = int(luck.integers(2, 13))
        chunk, rate = frames * int(luck.choice([33, 37, 41, 47, 51, 59, 61])) + int(luck.integers(22, 60)), 50 / frames
    elif family == "slabs":  # a buffer that is sent two to five times a second
        rate = luck.uniform(2, 5)
        chunk = int(log_uniform(luck, 3_500, 16_000) / rate)
        spread = luck.uniform(0, 0.1) if luck.random() < 0.5 else 0.0
    elif family in ("pauses", "padded"):
        chunk, rate, spread = int(luck.integers(120, 620)), luck.uniform(8, 28), luck.uniform(0.1, 0.3)
    else:
        chunk, rate, quic = int(luck.integers(2, 9)) * 1250, 0.0, True
        rate, spread = log_uniform(luck, 12_000, 55_000) / chunk, luck.uniform(0, 0.2)
    low, high = (60_000, 160_000) if family == "datagrams" else (2_000, 90_000)
    head = log_uniform(luck, low, high)
    return Voice(
        family=family,
        chunk=chunk,
        rate=float(rate),
        spread=float(spread),
        head=(round(head * 0.8), round(head * 1.25)),
        head_seconds=luck.uniform(0.08, 0.5),
        quic=quic,
        tick_jitter=log_uniform(luck, 0.0003, 0.006),
        tail=int(luck.choice([0, 90, 400, 1500])),
        shared_record=int(luck.random() < 0.15),
        pauses=luck.uniform(0.1, 0.35) if family == "pauses" else 0.0,
        padding=int(luck.choice([64, 128, 256, 512])) if family == "padded" else 1,
    )


def draw_network(luck: np.random.Generator) -> Network:
    """A quiet cable, or the far corner of a house."""
    bad = luck.random() < 0.3
    return Network(
        jitter=log_uniform(luck, 0.0002, 0.015 if bad else 0.004),
        bunch=luck.uniform(0.01, 0.1) if luck.random() < 0.2 else 0.0,
        stalls_per_second=log_uniform(luck, 0.005, 0.12) if bad else 0.0,
        stall=luck.uniform(0.15, 0.8),
        segment=int(luck.choice([1448, 1460, 1440, 1400, 1380, 1368, 1220])),
        link=log_uniform(luck, 2e5, 2e7),
        offload=bool(luck.random() < 0.3),
        offload_gap=log_uniform(luck, 0.0002, 0.002),
        retransmit=log_uniform(luck, 0.0005, 0.04) if luck.random() < 0.5 else 0.0,
        lost=log_uniform(luck, 0.0005, 0.02) if luck.random() < 0.2 else 0.0,
    )


def draw_speaker(luck: np.random.Generator, family: Family | None = None) -> Speaker:
    """A speaker and its home."""
    flush = log_uniform(luck, 25_000, 300_000)
    answer = log_uniform(luck, 2_000, 200_000)
    keepalive = int(luck.integers(30, 900))
    return Speaker(
        voice=draw_voice(luck, family),
        network=draw_network(luck),
        ipv6=bool(luck.random() < 0.2),
        captured=5 if luck.random() < 0.75 else 0,
        voice_role=str(luck.choice(["voice", "unknown", "control"], p=[0.7, 0.2, 0.1])),
        named=float(luck.choice([1.0, 0.9, 0.0], p=[0.6, 0.25, 0.15])),
        full_segments=int(luck.choice([1, 2, 3])),
        requests_per_day=log_uniform(luck, 2, 40),
        false_wakes_per_day=log_uniform(luck, 0.1, 5),
        answer=(round(answer * 0.5), round(answer * 2)),
        unanswered=luck.uniform(0, 0.3),
        replies_per_second=log_uniform(luck, 0.3, 8) if luck.random() < 0.8 else 0.0,
        follow_up=luck.uniform(0, 0.25),
        switches_flow=luck.uniform(0, 0.06),
        telemetry_with_voice=luck.uniform(0, 0.5),
        background=luck.uniform(0, 0.4),
        keepalives_per_hour=log_uniform(luck, 10, 400),
        keepalive_size=(keepalive, keepalive + int(luck.integers(0, 900))),
        reconnects_per_day=log_uniform(luck, 0.5, 60),
        boots_per_month=luck.uniform(0.5, 6),
        flushes_per_day=log_uniform(luck, 1, 24),
        flush_size=(round(flush * 0.6), round(flush * 1.6)),
        volume_per_day=log_uniform(luck, 0.5, 12),
        state_per_day=log_uniform(luck, 0.5, 20),
        relayed_per_day=log_uniform(luck, 0.3, 8),
        music_per_day=log_uniform(luck, 0.1, 6),
        calls_per_week=luck.uniform(0, 3) if luck.random() < 0.3 else 0.0,
        views_per_day=log_uniform(luck, 0.3, 6) if luck.random() < 0.12 else 0.0,
        log_sink=bool(luck.random() < 0.25),
        lan_rate=luck.uniform(15, 90) if luck.random() < 0.4 else 0.0,
        firmware_per_month=luck.uniform(0, 2),
    )
