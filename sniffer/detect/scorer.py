"""From runs to events: is somebody heard now, and when it is over, what was it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sniffer.detect.features.alternatives import alternatives
from sniffer.detect.features.pacing import BIN, LEAST_ROWS, Line, Rows, Shape, after, measure, until
from sniffer.detect.flows.flow import Flow
from sniffer.detect.flows.run import BIN_NS, LEAST_BYTES, LEAST_PACKETS, Run
from sniffer.detect.flows.segmenter import ShortBurst
from sniffer.detect.profiles.profile import SURE, DeviceProfile, server_of
from sniffer.detect.profiles.slow_uploads import MINUTE_NS, SlowUploads
from sniffer.detect.scoring.classes import SPEECH_SCORE, classify, speech_seconds
from sniffer.detect.scoring.evidence import Observation, Weights, opens, probability, score_of, weigh
from sniffer.model import JUDGED_CLASSES, PROTO_UDP, Drift, Listening, ServiceLookup, Upload, UploadClass
from sniffer.model.clock import SECOND

Event = Listening | Upload | Drift

#: A look sees this much of the past.
_LOOK_BACK_NS = 8 * SECOND
#: Bytes beyond the body's pace that make a burst another utterance's head, not what a stall had held back.
_HEAD_BYTES = 6_000
#: What sounds like this at first needs no second reading.
_PLAIN_SCORE = 4.0
#: Devices whose habits are kept: more than a house has.
_MAX_DEVICES = 1024


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a run, measured."""

    first_ns: int
    last_ns: int
    rows: Rows
    shape: Shape
    pieces: float | None  # `DeviceProfile.pieces`
    ticks: float | None  # `DeviceProfile.ticks`

    @property
    def body_ns(self) -> tuple[int, int]:
        """First and last moment of the body."""
        return self.first_ns + round(self.shape.begin * 1e9), self.first_ns + round(self.shape.end * 1e9)


#: How a stretch may be read: its shape, what may be said of that, and the score.
Reading = tuple[Stretch, Observation, float]


class Scorer:
    """Judges runs, in the order of time. What it keeps beside the habits of devices is about runs that are open."""

    def __init__(
        self, weights: Weights, services: ServiceLookup, silence_ns: int, learned: dict[int, DeviceProfile]
    ) -> None:
        self._weights, self._services, self._silence_ns = weights, services, silence_ns
        self._learned = learned
        self._slow = SlowUploads()
        self._open: dict[int, dict[int, tuple[Flow, Run]]] = {}  # by device, then by the identity of the run
        self._seen: dict[int, tuple[tuple[int, int], Stretch]] = {}  # what was measured last of each
        self._held: dict[int, Upload] = {}  # by the identity of the run that carries an upload on

    def ask(self, services: ServiceLookup) -> None:
        """From now on, names of services come from here."""
        self._services = services

    def learned(self) -> dict[int, DeviceProfile]:
        """The habits of each device, as values of their own."""
        return {key: DeviceProfile.from_dict(value.to_dict()) for key, value in self._learned.items()}

    def begun(self, flow: Flow, run: Run) -> None:
        """A run has begun."""
        run.from_ns = run.start_ns
        self._open.setdefault(flow.key, {})[id(run)] = (flow, run)

    def look(self, flow: Flow, run: Run, at_ns: int) -> list[Event]:
        """Is this run live audio now? Says so when it begins to be, and takes it back later."""
        if run.listening and (at_ns - run.start_ns) % SECOND:
            return []  # once it is announced, once a second is enough
        first_ns = max(run.from_ns, at_ns - _LOOK_BACK_NS)
        first, last = run.window(first_ns, at_ns)
        if last - first < LEAST_ROWS and not run.listening:
            return []
        part = self._stretch(flow, run, first_ns, at_ns)
        if part.shape.rate == 0 and not run.listening:
            return []
        service = self._services.service(flow.key, flow.flow, at_ns)
        part, _, score = self._understood(flow, run, self._plain(flow, run, part, at_ns, final=False), at_ns)
        silent_ns = at_ns - part.body_ns[1]
        if not run.listening:
            if score < SPEECH_SCORE or silent_ns > 600_000_000:
                return []
            run.listening = True
            return [Listening(flow.key, flow.flow, service, run.from_ns, at_ns, score)]
        if score >= SPEECH_SCORE - 1 and (silent_ns < self._silence_ns or _goes_on(part, silent_ns)):
            return []
        run.listening = False
        events: list[Event] = [Listening(flow.key, flow.flow, service, run.from_ns, at_ns, score, ended=True)]
        if score >= SPEECH_SCORE and silent_ns >= self._silence_ns:  # over, though the connection goes on
            cut_ns = part.body_ns[1] + 1
            events += self._report(flow, run, self._stretch(flow, run, run.from_ns, cut_ns), at_ns)
            run.from_ns = cut_ns
        return events

    def end(self, flow: Flow, run: Run) -> list[Event]:
        """A run is over: what was it?"""
        events: list[Event] = []
        if run.listening:
            service = self._services.service(flow.key, flow.flow, run.final_ns)
            events.append(Listening(flow.key, flow.flow, service, run.from_ns, run.final_ns, 0.0, ended=True))
        if run.packets < LEAST_PACKETS and run.bytes < LEAST_BYTES and not run.listening:
            events += self._add_up(flow, run.start_ns, run.bin_list(), run.final_ns)
        else:
            first_ns = run.from_ns
            whole = self._stretch(flow, run, first_ns, run.last_ns + 1)
            cuts = self._cuts(flow, run, whole)
            for cut_ns in [*cuts, run.last_ns + 1]:
                part = self._stretch(flow, run, first_ns, cut_ns) if cuts else whole
                events += self._report(flow, run, part, run.final_ns)
                first_ns = cut_ns
        runs = self._open[flow.key]
        del runs[id(run)]
        if not runs:
            del self._open[flow.key]
        self._seen.pop(id(run), None)
        held = self._held.pop(id(run), None)
        if held is not None:
            events = _joined(held, events, run.final_ns)
        return events

    def short_burst(self, short_burst: ShortBurst) -> list[Event]:
        """A run that was over before it said anything."""
        final_ns, _, _, flow, minute, amount = short_burst
        return [self._slowly(flow, final_ns)] if self._slow.add(flow, ((minute, amount),), final_ns) else []

    def _add_up(self, flow: Flow, start_ns: int, bins: tuple[int, ...], final_ns: int) -> Iterator[Event]:
        """What was not judged by itself may be much when added up."""
        parts = [((start_ns + place * BIN_NS) // MINUTE_NS, amount) for place, amount in enumerate(bins) if amount]
        if self._slow.add(flow, parts, final_ns):
            yield self._slowly(flow, final_ns)

    def _slowly(self, flow: Flow, final_ns: int) -> Upload:
        service = self._services.service(flow.key, flow.flow, final_ns)
        return self._slow.upload(flow.key, service, final_ns)

    # --- parts of a run -----------------------------------------------------------------------------------------------

    def _stretch(self, flow: Flow, run: Run, first_ns: int, last_ns: int) -> Stretch:
        """A part of a run. Where nothing came since it was looked at last, it is as it was."""
        window = run.window(first_ns, last_ns)
        known = self._seen.get(id(run))
        if known is not None and known[0] == window and window[0] < window[1]:
            return known[1]
        base, rows = run.rows(window, first_ns)
        last = base + round(float(rows.seconds[-1]) * 1e9) if len(rows.seconds) else base
        habits = self._learned.get(flow.key)
        shape = measure(rows, self._line(flow, run))
        pieces = None if habits is None else habits.pieces(rows)
        ticks = None if habits is None else habits.ticks(rows, shape.opened)
        stretch = Stretch(base, last, rows, shape, pieces, ticks)
        self._seen[id(run)] = window, stretch
        return stretch

    def _case(self, flow: Flow, run: Run, part: Stretch, at_ns: int, *, final: bool) -> Observation:
        body = part.body_ns
        service = self._services.service(flow.key, flow.flow, at_ns)
        return Observation(
            shape=part.shape,
            service=service,
            server=server_of(service, flow.flow),
            datagrams=flow.flow.proto == PROTO_UDP,
            opened_before=None if run.opened_ns is None else (part.first_ns - run.opened_ns) / 1e9,
            down_body=run.received(body[0] - BIN_NS, min(body[1], at_ns)),
            down_total=run.bytes_down,
            down_after=run.received(body[1] - BIN_NS, at_ns + BIN_NS) if final else 0,
            learned=self._learned.get(flow.key),
            pieces=part.pieces,
            ticks=part.ticks,
            final=final,
        )

    def _line(self, flow: Flow, run: Run) -> Line:
        habits = self._learned.get(flow.key)
        return Line(run.largest, habits.segments if habits is not None else ())

    def _plain(self, flow: Flow, run: Run, part: Stretch, at_ns: int, *, final: bool) -> Reading:
        """A stretch as it was measured."""
        case = self._case(flow, run, part, at_ns, final=final)
        return part, case, score_of(case, self._weights)

    def _understood(self, flow: Flow, run: Run, plain: Reading, at_ns: int) -> Reading:
        """The reading of a stretch that speaks most for speech."""
        best = plain
        if best[2] >= _PLAIN_SCORE:
            return best
        part, final = plain[0], plain[1].final
        for shape in alternatives(part.rows, self._line(flow, run), part.shape):
            other = self._plain(flow, run, replace(part, shape=shape), at_ns, final=final)
            if other[2] > best[2]:
                best = other
        return best

    def _cuts(self, flow: Flow, run: Run, whole: Stretch) -> list[int]:
        """Where one utterance ends and the next begins without a pause: behind a body, before another one's head.
        A stream is not cut: a camera's pictures are no heads."""
        shape = whole.shape
        if shape.begin < 0.6 and shape.duration - shape.end < 0.6:
            return []  # nothing before or behind the body that could be another utterance
        case = self._case(flow, run, whole, run.final_ns, final=True)
        if classify(case, 0.0, _two_way(run, whole)) is UploadClass.MEDIA:
            return []
        return [whole.first_ns + round(second * 1e9) + 1 for second in _cut_seconds(whole.rows, whole.shape, 0.0)]

    def _report(self, flow: Flow, run: Run, part: Stretch, final_ns: int) -> Iterator[Event]:
        """The upload that a part of a run is."""
        if not len(part.rows.bytes):
            return
        to_the_end = part.last_ns >= run.last_ns or run.overflowed
        whole = part.first_ns <= run.start_ns and to_the_end
        part, case, upload_class = self._classified(flow, run, part, final_ns)
        weighed = weigh(case, self._weights)
        shape = part.shape
        amount = run.bytes if whole else shape.bytes
        bins = run.bin_list() if whole else _bins(part.rows)
        if upload_class not in JUDGED_CLASSES:
            yield from self._add_up(flow, part.first_ns, bins, final_ns)
        if amount < LEAST_BYTES and upload_class is not UploadClass.SPEECH:
            return
        paced = shape.body > 0 and shape.writes >= 5
        upload = Upload(
            key=flow.key,
            flows=(flow.flow,),
            service=case.service,
            start_ns=part.first_ns,
            end_ns=run.last_ns if whole else part.last_ns,
            final_ns=final_ns,
            upload_class=upload_class,
            score=weighed.score,
            probability=probability(weighed.score),
            bytes=amount,
            bytes_toclient=run.bytes_down if whole else run.received(part.first_ns, final_ns),
            packets=run.packets if whole else shape.packets,
            chunk_bytes=shape.chunk if paced and shape.chunk else None,
            chunks_per_second=shape.writes_per_second if paced else None,
            speech_seconds=speech_seconds(case, upload_class),
            evidence=weighed.evidence,
            answered=case.down_after >= 4_000,
            one_sided=run.one_sided,
            bins=bins,
            body=(int(shape.begin / BIN), int(shape.end / BIN) + 1) if shape.body > 0 else None,
        )
        habits = self._habits(flow.key)
        by_the_clock = upload_class is UploadClass.BULK and habits.expects(upload)
        yield from habits.learn(
            upload,
            shape,
            part.rows,
            sure=weighed.by_pace >= SURE,
            opens=opens(case),
            whole=part.first_ns <= run.start_ns,
        )
        if by_the_clock:
            upload = replace(upload, upload_class=UploadClass.SYNC, speech_seconds=0.0)
        if upload_class is UploadClass.SPEECH and to_the_end:
            carrier = self._carrier(flow, run, part, final_ns)
            if carrier is not None:
                self._held[id(carrier)] = upload
                return
        yield upload

    def _classified(
        self, flow: Flow, run: Run, part: Stretch, final_ns: int
    ) -> tuple[Stretch, Observation, UploadClass]:
        """The class of a stretch, and the reading that says so. What streams is no speech, however it is read."""
        plain = self._plain(flow, run, part, final_ns, final=True)
        upload_class = classify(plain[1], plain[2], _two_way(run, part))
        if upload_class is UploadClass.MEDIA:
            return *plain[:2], upload_class
        heard = self._understood(flow, run, plain, final_ns)
        if heard[2] >= SPEECH_SCORE:
            return *heard[:2], UploadClass.SPEECH
        return *plain[:2], upload_class

    def _habits(self, key: int) -> DeviceProfile:
        """What is learned of a device. Of too many, the first that never spoke is forgotten."""
        habits = self._learned.get(key)
        if habits is None:
            if len(self._learned) >= _MAX_DEVICES:
                silent = (known for known, other in self._learned.items() if not other.speech)
                del self._learned[next(silent, next(iter(self._learned)))]
            habits = self._learned[key] = DeviceProfile()
        return habits

    def _carrier(self, flow: Flow, run: Run, part: Stretch, now_ns: int) -> Run | None:
        """The run on another connection, if any, that carries this utterance on: it begins as this one ends, without
        a head, at the same pace."""
        candidates = self._open.get(flow.key, {}).values()
        for other, candidate in sorted(candidates, key=lambda entry: (entry[1].start_ns, entry[0].connection)):
            if other is flow or candidate.warm_ns > now_ns or id(candidate) in self._held:
                continue
            if not -400_000_000 <= candidate.start_ns - run.last_ns <= self._silence_ns:
                continue
            begun = self._stretch(other, candidate, candidate.start_ns, now_ns)
            ratio = begun.shape.rate / max(part.shape.rate, 1.0)
            if begun.shape.body >= 0.3 and begun.shape.head_bytes < _HEAD_BYTES and 0.6 < ratio < 1.6:
                score = score_of(self._case(other, candidate, begun, now_ns, final=False), self._weights)
                if score > SPEECH_SCORE - 3:
                    return candidate
        return None


def _goes_on(part: Stretch, silent_ns: int) -> bool:
    """More than a trickle still leaves: what a stall had held back, another utterance, a camera's next picture."""
    later = after(part.rows, part.shape.end)
    return int(later.bytes.sum()) > 0.4 * part.shape.rate * silent_ns / 1e9


def _cut_seconds(rows: Rows, shape: Shape, offset: float, depth: int = 4) -> list[float]:
    """The ends of bodies behind which another utterance follows with a head of its own."""
    if depth == 0 or shape.body < 0.4:
        return []
    found: list[float] = []
    early = until(rows, shape.begin - 1e-6) if shape.begin >= 0.6 else until(rows, -1.0)
    first = measure(early)
    if first.body >= 0.6 and first.writes >= 6 and _new_head(rows, first.end, shape.begin, first.rate):
        found += _cut_seconds(early, first, offset, depth - 1)
        found.append(offset + first.end)
    late = after(rows, shape.end if shape.duration - shape.end >= 0.6 else shape.duration)
    second = measure(late)
    if second.body >= 0.6 and second.writes >= 6 and len(late.seconds):
        begin = float(rows.seconds[len(rows.seconds) - len(late.seconds)])
        if _new_head(rows, shape.end, begin + second.begin, shape.rate):
            found.append(offset + shape.end)
            found += _cut_seconds(late, second, offset + begin, depth - 1)
    return found


def _new_head(rows: Rows, end: float, begin: float, rate: float) -> bool:
    """Between two bodies: more than a stall can have held back."""
    between = rows.between(end + 1e-9, begin)
    return int(between.bytes.sum()) - rate * (begin - end) >= _HEAD_BYTES


def _two_way(run: Run, part: Stretch) -> float:
    """The share of the body's bins in which a comparable amount came back."""
    first, last = ((moment - run.start_ns) // BIN_NS for moment in part.body_ns)
    both = sum(run.down_bins.get(place, 0) * 4 >= run.bins.get(place, 0) > 0 for place in range(first, last + 1))
    return both / (last + 1 - first)


def _bins(rows: Rows) -> tuple[int, ...]:
    return tuple(np.bincount((rows.seconds / BIN).astype(np.int64), weights=rows.bytes).astype(int).tolist())


def _joined(held: Upload, events: list[Event], final_ns: int) -> list[Event]:
    """An utterance whose connection changed in the middle is one upload, if its second half was speech too."""
    for place, event in enumerate(events):
        if isinstance(event, Upload) and event.upload_class is UploadClass.SPEECH:
            gap = max(0, event.start_ns - held.start_ns) // BIN_NS
            bins = list(held.bins[:gap]) + [0] * (gap - len(held.bins)) + list(event.bins)
            for index, amount in enumerate(held.bins[gap:]):
                bins[gap + index] = bins[gap + index] + amount if gap + index < len(bins) else amount
            end = event.body[1] + gap if event.body else len(bins)
            events[place] = replace(
                held,
                flows=(*held.flows, *event.flows),
                end_ns=max(held.end_ns, event.end_ns),
                final_ns=final_ns,
                score=max(held.score, event.score),
                probability=max(held.probability, event.probability),
                bytes=held.bytes + event.bytes,
                bytes_toclient=held.bytes_toclient + event.bytes_toclient,
                packets=held.packets + event.packets,
                speech_seconds=held.speech_seconds + event.speech_seconds,
                answered=held.answered or event.answered,
                one_sided=held.one_sided and event.one_sided,
                bins=tuple(bins),
                body=(held.body[0], end) if held.body else None,
            )
            return events
    return [replace(held, final_ns=final_ns), *events]
