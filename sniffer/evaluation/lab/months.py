"""Whole houses over whole months: who does what when, as batches of packets with the truth beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sniffer.evaluation.lab import behaviours as do
from sniffer.evaluation.lab.columns import ROUTER, Flow, Names, batch, merged, v4
from sniffer.evaluation.lab.network import Writes, joined, stalled, through
from sniffer.evaluation.lab.speakers import Family, Speaker, draw_speaker, log_uniform
from sniffer.model import PROTO_TCP, PROTO_UDP, PacketBatch, Service
from sniffer.model.clock import SECOND

DAY = 86_400.0
START_NS = 1_767_225_600 * SECOND  # 2026-01-01

#: Kinds of truth in which somebody could be heard.
SPOKEN = frozenset({"speech", "follow_up", "overheard", "false_wake"})
SESSIONS = frozenset({"call", "view", "game"})


@dataclass(frozen=True)
class Truth:
    """Something that happened: what, at which speaker, from when to when (seconds after the start of the month).

    `asked` is when the wake word was spoken, None where none was; `snr` the audio's byte rate over what the same
    connection carried beside it (infinite where nothing).
    """

    kind: str
    mac: int
    begin: float
    end: float
    family: str = ""
    seconds: float = 0.0
    snr: float = float("inf")
    asked: float | None = None


@dataclass
class Resident:
    """One speaker in the house, with its connections."""

    mac: int
    number: int
    speaker: Speaker
    luck: np.random.Generator
    names: Names
    flows: list[Flow] = field(default_factory=list)
    counters: dict[tuple[int, bool], int] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    next_port: int = 32_768

    @property
    def address(self) -> tuple[int, int]:
        if self.speaker.ipv6:
            return 0x2A02_8109_0005_0001, 0x20 + self.number
        return v4((192 << 24) + (168 << 16) + (1 << 8) + 20 + self.number)

    def connect(self, purpose: str) -> int:
        """A new connection for a purpose: its number."""
        role = {"voice": self.speaker.voice_role}.get(purpose, ROLES.get(purpose, "unknown"))
        known = self.luck.random() < self.speaker.named
        source = str(self.luck.choice(["sni", "dns", "dns_late"]))
        service = Service(f"{purpose}.lab.example", role, source, 1.0) if known else Service()  # type: ignore[arg-type]
        tunnel = purpose == "view" and self.luck.random() < 0.6  # to a phone; the others go to a server by TCP
        datagrams = tunnel or purpose in ("call", "lan") or (purpose == "voice" and self.speaker.voice.quic)
        local, remote = self.address, self._remote(purpose)
        peer = ROUTER
        if purpose == "lan":
            local, remote, peer = (
                v4((192 << 24) + (168 << 16) + 276 + self.number),
                v4((192 << 24) + (168 << 16) + 456),
                self.mac ^ 0x55,
            )
        port = {"log_sink": 11_095, "call": 3478, "lan": 55_444}.get(purpose, 443)
        if tunnel:
            port = int(
                self.luck.choice([443, int(self.luck.integers(2_000, 60_000)), int(self.luck.integers(2_000, 60_000))])
            )
        flow = Flow(local, self.next_port, remote, port, PROTO_UDP if datagrams else PROTO_TCP, service, peer)
        self.next_port = 32_768 + (self.next_port - 32_767) % 28_000
        self.flows.append(flow)
        self.names.learn(flow)
        self.open[purpose] = len(self.flows) - 1
        return self.open[purpose]

    def flow(self, purpose: str) -> int:
        """The connection for a purpose, opened where there is none."""
        return self.open[purpose] if purpose in self.open else self.connect(purpose)

    def _remote(self, purpose: str) -> tuple[int, int]:
        host = int(self.luck.integers(2, 6)) + 16 * sorted(ROLES).index(purpose)
        if self.speaker.ipv6:
            return 0x2600_9000_0000_0001, host
        return v4((54 << 24) + (239 << 16) + (self.number << 8) + host)


ROLES = {
    "voice": "voice", "telemetry": "telemetry", "control": "control", "media": "media", "update": "update",
    "log_sink": "telemetry", "call": "unknown", "view": "media", "lan": "unknown", "logs": "telemetry",
}  # fmt: skip


class House:
    """A seed's house: one to four speakers, each with its own habits, and those in earshot of each other."""

    def __init__(self, seed: int, *, residents: int | None = None, family: Family | None = None) -> None:
        self.luck = np.random.default_rng([seed, 0xC0FFEE])
        self.names = Names()
        count = residents or int(self.luck.integers(1, 5))
        self.residents = [
            Resident(0x0200_0000_0000 + seed * 16 + i, i, draw_speaker(self.luck, family), self.luck, self.names)
            for i in range(count)
        ]  # fmt: skip
        #: Chance that a request to one speaker wakes another.
        self.earshot = 0.0 if count == 1 else float(self.luck.uniform(0, 0.3))

    def days(self, count: int) -> Iterator[tuple[PacketBatch, list[Truth]]]:
        """Each day's packets and what happened in it."""
        for day in range(count):
            parts, truths = self._live(day)
            yield self._packets(parts), truths

    def planned(self, plan: Sequence[tuple[float, str]]) -> tuple[PacketBatch, list[Truth]]:
        """The packets of the first speaker where this happens, in seconds from the start, and nothing else."""
        truths: list[Truth] = []
        parts: dict[int, list[Writes]] = {r.mac: [] for r in self.residents}
        Day(self, self.residents[0], 0.0, parts, truths).play(plan)
        return self._packets(parts), sorted(truths, key=lambda truth: truth.begin)

    def _packets(self, parts: Mapping[int, list[Writes]]) -> PacketBatch:
        batches = []
        for resident in self.residents:
            segments = through(self.luck, joined(parts[resident.mac]), resident.speaker.network, resident.counters)
            if len(segments.t):
                captured = resident.speaker.captured
                flows = resident.flows
                batches.append(batch(segments, resident.mac, flows, START_NS, captured=captured, luck=self.luck))
        return merged(batches)

    def story(self, count: int) -> list[Truth]:
        """What happens in so many days, without packets."""
        return [truth for day in range(count) for truth in self._live(day)[1]]

    def _live(self, day: int) -> tuple[dict[int, list[Writes]], list[Truth]]:
        truths: list[Truth] = []
        parts: dict[int, list[Writes]] = {r.mac: [] for r in self.residents}
        for resident in self.residents:
            Day(self, resident, day * DAY, parts, truths).live()
        return parts, sorted(truths, key=lambda truth: truth.begin)


@dataclass
class Day:
    """One speaker's day."""

    house: House
    resident: Resident
    begin: float
    parts: dict[int, list[Writes]]
    truths: list[Truth]

    def live(self) -> None:
        """All that happens, in the order of time (so that a connection opened later is used later)."""
        luck, speaker = self.house.luck, self.resident.speaker
        plan: list[tuple[float, str]] = []

        def often(kind: str, per_day: float, hours: tuple[float, float] = (0, 24)) -> None:
            for _ in range(luck.poisson(per_day)):
                plan.append((self.begin + luck.uniform(*hours) * 3600, kind))

        often("speech", speaker.requests_per_day, (7, 23))
        often("false_wake", speaker.false_wakes_per_day, (7, 24))
        often("metrics_flush", speaker.flushes_per_day)
        often("volume", speaker.volume_per_day, (7, 24))
        often("app_state", speaker.state_per_day, (7, 24))
        often("relayed", speaker.relayed_per_day, (7, 24))
        often("opening", speaker.reconnects_per_day)
        often("music", speaker.music_per_day, (7, 23))
        often("report_rows", speaker.state_per_day / 3)
        often("even_rows", speaker.state_per_day / 3)
        often("game", speaker.calls_per_week / 14, (8, 22))
        often("boot", speaker.boots_per_month / 30)
        often("call", speaker.calls_per_week / 7, (8, 22))
        often("view", speaker.views_per_day)
        often("firmware", speaker.firmware_per_month / 30)
        if speaker.log_sink:
            plan += [(self.begin + at, "log_sink") for at in np.arange(luck.uniform(0, 1800), DAY, 1800)]
        held = [self.resident.flow(purpose) for purpose in ("control", "telemetry")]
        if not speaker.voice.quic:
            held.append(self.resident.flow("voice"))
        self.add(self.near(plan, do.keepalives(luck, speaker, self.begin, self.begin + DAY, held)))
        self.play(plan)
        if speaker.lan_rate and plan:
            at = plan[int(luck.integers(len(plan)))][0]
            self.add(do.lan_sync(luck, speaker, at - 30, at + 60, self.resident.flow("lan")))

    def play(self, plan: Sequence[tuple[float, str]]) -> None:
        """What is planned, in the order of time."""
        for at, kind in sorted(plan):
            getattr(self, f"_{kind}")(at)

    def near(self, plan: list[tuple[float, str]], w: Writes) -> Writes:
        """Signs of life within two minutes of something that happens, and one in ten of the others: alone they are
        nothing, and there would be hundreds of thousands a month."""
        at = np.sort(np.array([when for when, _ in plan]))
        place = np.searchsorted(at, w.t)
        padded = np.r_[-np.inf, at, np.inf]
        close = np.minimum(w.t - padded[place], padded[place + 1] - w.t) < 120
        return w.take(close | (self.house.luck.random(len(w)) < 0.1))

    def add(self, w: Writes, resident: Resident | None = None) -> None:
        """Writes of this speaker, or of another in the house."""
        resident = resident or self.resident
        self.parts[resident.mac].append(w)

    def happened(self, kind: str, at: float, w: Writes, **more: object) -> None:
        """Something other than speech happened."""
        w = stalled(self.house.luck, w.take(np.argsort(w.t, kind="stable")), self.resident.speaker.network)
        w = w.shifted(at)
        self.add(w)
        if len(w):
            self.truths.append(Truth(kind, self.resident.mac, float(w.t[0]), float(w.t[-1]), **more))  # type: ignore[arg-type]

    # --- speech ------------------------------------------------------------------------------------------------------

    def _speech(self, at: float) -> None:
        luck, speaker = self.house.luck, self.resident.speaker
        asked = at - luck.uniform(0.1, 0.9)
        end = self.utter(self.resident, "speech", at, do.utterance_seconds(luck), asked)
        for other in self.house.residents:
            if other is not self.resident and luck.random() < self.house.earshot:
                self.utter(other, "overheard", at + luck.normal(0, 0.15), luck.uniform(0.7, 2.0), asked, answered=False)
        while luck.random() < speaker.follow_up:
            gap = luck.uniform(0.15, 0.6) if luck.random() < 0.15 else luck.uniform(1.0, 7.0)
            end = self.utter(self.resident, "follow_up", end + gap, do.utterance_seconds(luck), asked)

    def _false_wake(self, at: float) -> None:
        luck = self.house.luck
        self.utter(
            self.resident,
            "false_wake",
            at,
            do.utterance_seconds(luck, false_wake=True),
            None,
            answered=luck.random() < 0.3,
        )

    def utter(
        self, who: Resident, kind: str, at: float, seconds: float, asked: float | None, *, answered: bool = True
    ) -> float:
        """One utterance with all that comes with it; returns when it was over."""
        luck, speaker = self.house.luck, who.speaker
        fresh = speaker.voice.quic and luck.random() < 0.5
        flow = who.connect("voice") if fresh else who.flow("voice")
        asked_back = kind == "follow_up" and luck.random() < 0.3
        parts = [do.speech(luck, speaker.voice, seconds, flow, asked_back=asked_back)]
        if luck.random() < speaker.switches_flow and seconds > 1.5:
            flow = who.connect("voice")
            cut = luck.uniform(0.5, seconds - 0.5)
            late = parts[0].t > cut
            parts[0].flow[late] = flow
        snr = float("inf")
        if luck.random() < speaker.background:
            rate = log_uniform(luck, 100, 20_000)
            same = luck.random() < 0.5
            parts.append(do.background(luck, seconds, rate, flow if same else who.flow("telemetry")))
            snr = speaker.voice.bytes_per_second / rate if same else snr
        audio = joined(parts[:1])
        parts.append(do.replies(luck, seconds, speaker.replies_per_second, flow))
        if answered and luck.random() > speaker.unanswered:
            parts.append(do.answer(luck, int(luck.integers(*speaker.answer)), seconds + luck.uniform(0.2, 1.8), flow))
        else:
            parts.append(do.answer(luck, int(luck.integers(90, 900)), seconds + luck.uniform(0.1, 0.8), flow))
        if luck.random() < speaker.telemetry_with_voice:
            to = flow if luck.random() < 0.3 else who.flow("telemetry")
            parts.append(do.after_command(luck, to).shifted(seconds + luck.uniform(0.1, 4)))
        w = joined(parts)
        w = stalled(luck, w.take(np.argsort(w.t, kind="stable")), speaker.network)
        self.add(w.shifted(at), who)
        end = float(audio.t.max())
        self.truths.append(Truth(kind, who.mac, at, at + end, speaker.voice.family, seconds, snr, asked))
        return at + end

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _metrics_flush(self, at: float) -> None:
        fresh = self.house.luck.random() < 0.3
        flow = self.resident.connect("telemetry") if fresh else self.resident.flow("telemetry")
        self.happened("metrics_flush", at, do.metrics_flush(self.house.luck, self.resident.speaker, flow))

    def _volume(self, at: float) -> None:
        self.happened("volume", at, do.volume(self.house.luck, self.resident.flow("voice")))

    def _app_state(self, at: float) -> None:
        self.happened("app_state", at, do.app_state(self.house.luck, self.resident.flow("voice")))

    def _relayed(self, at: float) -> None:
        self.happened("relayed", at, do.relayed(self.house.luck, self.resident.flow("voice")))

    def _opening(self, at: float) -> None:
        luck = self.house.luck
        purpose = str(luck.choice(["voice", "telemetry", "control"], p=[0.5, 0.2, 0.3]))
        self.happened("opening", at, do.opening(luck, self.resident.connect(purpose), big=luck.random() < 0.6))

    def _music(self, at: float) -> None:
        flow = self.resident.connect("media")
        self.happened("music", at, do.music(self.house.luck, self.house.luck.uniform(60, 900), flow))

    def _boot(self, at: float) -> None:
        luck, resident = self.house.luck, self.resident
        self.happened("opening", at, do.opening(luck, resident.connect("control")))
        self.happened("state_sync", at + luck.uniform(1, 20), do.state_sync(luck, resident.connect("voice")))
        self.happened("log_dump", at + luck.uniform(2, 60), do.log_dump(luck, resident.connect("logs")))

    def _call(self, at: float) -> None:
        luck = self.house.luck
        self.happened("call", at, do.call(luck, luck.uniform(15, 240), self.resident.connect("call")))

    def _short_call(self, at: float) -> None:
        luck = self.house.luck
        self.happened("call", at, do.call(luck, luck.uniform(6, 30), self.resident.connect("call")))

    def _short_game(self, at: float) -> None:
        self._played(at, "call", 15)

    def _view(self, at: float) -> None:
        self._viewed("view", at, 3, 40)

    def _viewed(self, kind: str, at: float, shortest: float, longest: float) -> None:
        luck = self.house.luck
        self.happened(kind, at, do.view(luck, luck.uniform(shortest, longest), self.resident.connect("view")))

    def _long_view(self, at: float) -> None:
        self._viewed("view", at, 40, 180)

    def _clip(self, at: float) -> None:
        self._viewed("clip", at, 1, 4)

    def _slow_file(self, at: float) -> None:
        luck = self.house.luck
        purpose = str(luck.choice(["telemetry", "voice", "logs"]))
        fresh = luck.random() < 0.5
        flow = self.resident.connect(purpose) if fresh else self.resident.flow(purpose)
        self.happened("slow_file", at, do.slow_file(luck, flow))

    def _fetch(self, at: float) -> None:
        luck = self.house.luck
        self.happened("fetch", at, do.fetch(luck, luck.uniform(2, 30), self.resident.connect("media")))

    def _tcp_game(self, at: float) -> None:
        self._played(at, "control", 30)

    def _report_rows(self, at: float) -> None:
        self.happened("report_rows", at, do.report_rows(self.house.luck, self.resident.connect("control")))

    def _even_rows(self, at: float) -> None:
        self.happened("even_rows", at, do.even_rows(self.house.luck, self.resident.flow("control")))

    def _plain_rows(self, at: float) -> None:
        self._rows("plain_rows", at, header=False, answered=False)

    def _headed_rows(self, at: float) -> None:
        self._rows("headed_rows", at, header=True, answered=False)

    def _answered_rows(self, at: float) -> None:
        self._rows("answered_rows", at, header=self.house.luck.random() < 0.5, answered=True)

    def _rows(self, kind: str, at: float, *, header: bool, answered: bool) -> None:
        luck = self.house.luck
        purpose = str(luck.choice(["control", "telemetry", "voice"], p=[0.6, 0.2, 0.2]))
        flow = self.resident.connect(purpose) if luck.random() < 0.3 else self.resident.flow(purpose)
        size = int(log_uniform(luck, 200, 4_000)) if header else 0
        self.happened(kind, at, do.rows(luck, flow, header=size, answered=answered))

    def _game(self, at: float) -> None:
        self._played(at, "call", 60)

    def _played(self, at: float, purpose: str, longest: float) -> None:
        flows = self.resident.connect(purpose), self.resident.connect(purpose)
        self.happened("game", at, do.game(self.house.luck, self.house.luck.uniform(2, longest), flows))

    def _firmware(self, at: float) -> None:
        self.happened("firmware", at, do.firmware(self.house.luck, self.resident.connect("update")))

    def _log_sink(self, at: float) -> None:
        self.happened("log_sink", at, do.log_sink(self.house.luck, self.resident.connect("log_sink")))
