"""From runs to events: what is live now, and when a run is over, what it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sniffer.detect.features.pacing import LEAST_ROWS, measure
from sniffer.detect.features.rows import after
from sniffer.detect.features.video import bursts_in, key_frames
from sniffer.detect.flows.dealt import Piece
from sniffer.detect.flows.flow import Flow
from sniffer.detect.flows.run import BIN_NS, LEAST_BYTES, LEAST_PACKETS, Run, patience_ns
from sniffer.detect.flows.segmenter import ShortBurst
from sniffer.detect.hypotheses import Hypotheses, Stretch
from sniffer.detect.parts import ALL, OnScored, Parts
from sniffer.detect.profiles.kept import Profiles
from sniffer.detect.profiles.profile import SURE, DeviceProfile
from sniffer.detect.profiles.servers import address_of
from sniffer.detect.profiles.slow_uploads import MINUTE_NS, SlowUploads
from sniffer.detect.scoring.classes import BULK_BYTES, SPEECH_SCORE, STORED_RATE, classify
from sniffer.detect.scoring.evidence import Weighed, Weights, score_of, weigh
from sniffer.detect.scoring.observation import Observation, opening_ratio, opens
from sniffer.detect.scoring.streams import Live, Stream, lock_step, stream_of
from sniffer.detect.sessions import Sessions
from sniffer.detect.spread import Spread, Sum
from sniffer.detect.uploads import dealt_of, sum_of, upload_of
from sniffer.model import (
    JUDGED_CLASSES,
    PROTO_UDP,
    Drift,
    Listening,
    Service,
    ServiceLookup,
    Upload,
    UploadClass,
)
from sniffer.model.clock import SECOND

Event = Listening | Upload | Drift

#: A look at a run that lasts sees this much of the past; for key frames, several seconds apart, twice as much.
_LOOK_BACK_NS, _FRAMES_BACK_NS = 8 * SECOND, 16 * SECOND
#: Seconds of a run before it is looked at for a stream.
_LEAST_STREAM_NS = SECOND // 2
#: Stalls that one utterance may go on behind, each as long as the patience with its line.
_STALLS = 3
#: Two connections send the same where they begin within this time, and their bytes and sizes differ by this share.
_TWIN_NS, _TWIN_SHARE = SECOND // 4, 0.1
#: Connections over which speech is dealt, at least, and bytes of it: two are a connection and its successor.
_LEAST_DEALT, _LEAST_DEALT_BYTES = 3, 6_000
#: Several bursts to a voice service are a recording from `BULK_BYTES` and this on: one state report may be beside them.
_MARGIN_BYTES = 16_000
#: Services that get no speech.
_SILENT_ROLES = frozenset({"telemetry", "update", "time", "media"})


class Scorer:
    """Scores runs in the order of time. What it keeps beside the profiles of devices is about the last minutes."""

    def __init__(
        self,
        weights: Weights,
        services: ServiceLookup,
        silence_ns: int,
        profiles: dict[int, DeviceProfile],
        parts: Parts = ALL,
        on_scored: OnScored | None = None,
    ) -> None:
        self._parts, self._on_scored = parts, on_scored
        self._weights, self._services, self._silence_ns = weights, services, silence_ns
        self._profiles = Profiles(profiles)
        self._hypotheses = Hypotheses(weights, services, self._profiles, parts)
        self._slow = SlowUploads()
        self._sessions = Sessions()
        self._spread = Spread()
        self._open: dict[int, dict[int, tuple[Flow, Run]]] = {}  # by device, then by the number of the run
        self._streams: dict[int, Stream] = {}  # what each run is part of, as far as is known
        self._twins: set[int] = set()  # open runs that were found to send what another one sends

    def ask(self, services: ServiceLookup) -> None:
        """From now on, names of services come from here."""
        self._services = self._hypotheses.services = services

    def profiles(self) -> dict[int, DeviceProfile]:
        """The profile of each device, as values of their own."""
        return self._profiles.copies()

    # --- in the order of time ----------------------------------------------------------------------------------------

    def begun(self, flow: Flow, run: Run) -> None:
        """A run has begun."""
        run.from_ns = run.start_ns
        self._open.setdefault(flow.key, {})[run.number] = (flow, run)

    def expire(self, now_ns: int) -> Iterator[Event]:
        """What becomes known since time has passed."""
        yield from self._sessions.expire(now_ns, self._lasting)
        for due_ns, parts in self._spread.expire(now_ns, lambda key, at_ns: bool(self._lasting(key, at_ns))):
            yield from self._summed(parts, due_ns)

    def finish(self) -> Iterator[Event]:
        """Nothing follows."""
        yield from self._sessions.finish()
        for due_ns, parts in self._spread.finish():
            yield from self._summed(parts, due_ns)

    def _lasting(self, key: int, at_ns: int) -> set[int]:
        return {flow.connection for flow, run in self._open.get(key, {}).values() if run.warm_ns <= at_ns}

    def look(self, flow: Flow, run: Run, at_ns: int) -> list[Event]:
        """Look at a run that lasts: report when it begins to be live, and when it no longer is."""
        if (run.listening or run.number in self._streams) and (at_ns - run.start_ns) % SECOND:
            return []  # once it is announced, once a second is enough
        service = self._services.service(flow.key, flow.flow, at_ns)
        if at_ns - run.start_ns >= _LEAST_STREAM_NS:
            stream = self._stream(flow, run, at_ns)
            if stream is not None:
                return self._goes_on(flow, run, at_ns, stream, service)
        first_ns = max(run.from_ns, at_ns - _LOOK_BACK_NS)
        first, last = run.window(first_ns, at_ns)
        if last - first < LEAST_ROWS and not run.listening:
            return []
        part = self._hypotheses.stretch(flow, run, first_ns, at_ns)
        if part.shape.rate == 0 and not run.listening:
            return []
        part, _, score = self._hypotheses.best(
            flow, run, self._hypotheses.plain(flow, run, part, at_ns, final=False), at_ns
        )
        silent_ns = at_ns - part.body_ns[1]
        silence_ns = patience_ns(run.repeats, part.body_ns[1], self._silence_ns)
        if silence_ns > self._silence_ns:
            silence_ns *= (
                _STALLS  # the paced part seems over at the first stall, though the utterance goes on behind it
            )
        if not run.listening:
            if score < SPEECH_SCORE or silent_ns > 600_000_000:
                return []
            run.listening = True
            return [Listening(flow.key, flow.flow, service, run.from_ns, at_ns, score)]
        if score >= SPEECH_SCORE - 1 and (silent_ns < silence_ns or _continues(part, silent_ns)):
            return []
        events: list[Event] = [*self._take_back(flow, run, at_ns, score)]
        if score >= SPEECH_SCORE and silent_ns >= silence_ns:  # over, though the connection goes on
            cut_ns = part.body_ns[1] + 1
            events += self._report(flow, run, self._hypotheses.stretch(flow, run, run.from_ns, cut_ns), at_ns)
            run.from_ns = cut_ns
        return events

    def end(self, flow: Flow, run: Run) -> list[Event]:
        """A run is over: report what it was."""
        events: list[Event] = [*self._take_back(flow, run, run.final_ns, 0.0)]
        if run.packets < LEAST_PACKETS and run.bytes < LEAST_BYTES:
            events += self._add_up(flow, run.start_ns, run.bin_list(), run.final_ns)
        else:
            part = self._hypotheses.stretch(flow, run, run.from_ns, run.last_ns + 1)
            events += self._report(flow, run, part, run.final_ns)
        runs = self._open[flow.key]
        del runs[run.number]
        if not runs:
            del self._open[flow.key]
        self._hypotheses.forget(run)
        self._twins.discard(run.number)
        self._streams.pop(run.number, None)
        return events

    def short_burst(self, burst: ShortBurst) -> list[Event]:
        """A run that was over before it said anything."""
        final_ns, _, _, flow, minute, amount = burst
        return [self._slowly(flow, final_ns)] if self._slow.add(flow, ((minute, amount),), final_ns) else []

    def dealt(self, piece: Piece) -> list[Event]:
        """Rows of several connections that belong to no run: a part of what their server gets, and of ten minutes."""
        flow, due_ns = piece.flows[0], piece.due_ns
        service = self._services.service(flow.key, flow.flow, due_ns)
        upload = dealt_of(piece, service)
        if service.role not in _SILENT_ROLES:
            self._spread.add(upload, _service_of(service, flow), piece.first_ns, piece.rows)
        return list(self._add_up(flow, piece.first_ns, upload.bins, due_ns))

    # --- streams -----------------------------------------------------------------------------------------------------

    def _stream(self, flow: Flow, run: Run, at_ns: int, *, final: bool = False) -> Stream | None:
        """The stream that a run is part of, as far as it has come."""
        stream = self._streams.get(run.number)
        if stream is not None and stream.sure:
            return stream
        stream = self._sessions.known(flow, run.start_ns) or self._measured_stream(flow, run, at_ns, final=final)
        if stream is None:
            self._streams.pop(run.number, None)
        else:
            self._streams[run.number] = stream
        return stream

    def _measured_stream(self, flow: Flow, run: Run, at_ns: int, *, final: bool) -> Stream | None:
        service = self._services.service(flow.key, flow.flow, at_ns)
        if service.role in ("telemetry", "update"):
            return None
        part = self._hypotheses.stretch(flow, run, max(run.start_ns, at_ns - 75 * SECOND - BIN_NS), at_ns)
        if not len(part.rows.bytes):
            return None
        seen = self._hypotheses.observation(flow, run, part, at_ns, final=final)
        opened = opening_ratio(seen)
        seen = replace(seen, opening=None)  # that there is none speaks against speech, not against a stream
        plain = part, seen, score_of(seen, self._weights)
        recent = part.rows
        if at_ns - part.first_ns > _FRAMES_BACK_NS:
            recent = recent.between((at_ns - _FRAMES_BACK_NS - part.first_ns) / 1e9, float("inf"))
        live = Live(
            seen=plain[1],
            port=flow.flow.dst_port,
            score=self._hypotheses.best(flow, run, plain, at_ns)[2] if flow.flow.proto == PROTO_UDP else plain[2],
            two_way=_two_way(run, part.first_ns, part.last_ns),
            frames=key_frames(bursts_in(recent)),
            twin=self._twin(flow, run, part, at_ns),
            opened=opened,
        )
        return stream_of(live, self._parts.without)

    def _goes_on(self, flow: Flow, run: Run, at_ns: int, stream: Stream, service: Service) -> list[Event]:
        """A run that lasts is part of a stream: what was announced as a voice is taken back."""
        events: list[Event] = []
        if stream.from_the_start:
            events += self._take_back(flow, run, at_ns, 0.0)
            self._profiles.unlearn(flow, at_ns)
        elif run.listening:
            return []
        return [*events, *self._sessions.goes_on(flow, service, run.start_ns, at_ns, stream, 0.0)]

    def _take_back(self, flow: Flow, run: Run, at_ns: int, score: float) -> Iterator[Listening]:
        """The message that ends what was announced as a voice."""
        if run.listening:
            run.listening = False
            service = self._services.service(flow.key, flow.flow, at_ns)
            yield Listening(flow.key, flow.flow, service, run.from_ns, at_ns, score, ended=True)

    def _twin(self, flow: Flow, run: Run, part: Stretch, at_ns: int) -> bool:
        """Whether another connection of the device sends the same at the same time, or has just done so."""
        if run.number in self._twins:
            return True
        for other, candidate in self._open[flow.key].values():
            if other is flow or other.flow.dst == flow.flow.dst or candidate.warm_ns > at_ns:
                continue
            if abs(candidate.start_ns - run.start_ns) > _TWIN_NS:
                continue
            first, last = candidate.window(candidate.start_ns, part.last_ns + 1)
            if last - first < LEAST_ROWS or part.shape.writes < LEAST_ROWS:
                continue
            beside = measure(candidate.rows((first, last), candidate.start_ns)[1])
            pairs = ((beside.bytes, part.shape.bytes), (beside.chunk, part.shape.chunk), (beside.rate, part.shape.rate))
            if all(one > 0 and abs(one - another) <= _TWIN_SHARE * max(one, another) for one, another in pairs):
                self._twins |= {run.number, candidate.number}
                return True
        return False

    # --- reports -----------------------------------------------------------------------------------------------------

    def _report(self, flow: Flow, run: Run, part: Stretch, final_ns: int) -> Iterator[Event]:
        """The upload that a part of a run is."""
        if not len(part.rows.bytes):
            return
        stream = self._stream(flow, run, final_ns, final=True)
        plain = self._hypotheses.plain(flow, run, part, final_ns, final=True)
        best = self._hypotheses.best(flow, run, plain, final_ns)
        if self._on_scored is not None:
            self._on_scored(self._hypotheses.scored(flow, run, plain, best, stream is not None))
        upload_class = classify(best[1], best[2])
        if stream is not None:
            upload_class = classify(best[1], -1.0)
        part, seen, _ = best if upload_class is UploadClass.SPEECH else plain
        weighed = weigh(seen, self._weights)
        upload = upload_of(flow, run, part, seen, weighed, upload_class, final_ns)
        if stream is not None:
            self._profiles.unlearn(flow, final_ns)
            self._profiles.of(flow.key).learn_line(upload, part.rows)
            yield from self._sessions.over(flow, upload, stream)
            return
        if upload_class not in JUDGED_CLASSES:
            yield from self._add_up(flow, part.first_ns, upload.bins, final_ns)
            if seen.service.role not in _SILENT_ROLES:
                self._spread.add(upload, _service_of(seen.service, flow), part.first_ns, part.rows)
        if upload.bytes < LEAST_BYTES and upload_class is not UploadClass.SPEECH:
            return
        profile = self._profiles.of(flow.key)
        by_the_clock = upload_class is UploadClass.BULK and profile.expects(upload)
        sure = weighed.alone >= SURE
        if upload_class is UploadClass.SPEECH and sure:
            self._profiles.note(flow, final_ns)
        yield from profile.learn(
            upload, part.shape, part.rows, sure=sure, opens=opens(seen), whole=part.first_ns <= run.start_ns
        )
        if by_the_clock:
            upload = replace(upload, upload_class=UploadClass.SYNC, speech_seconds=0.0)
        yield upload

    def _summed(self, parts: Sum, final_ns: int) -> Iterator[Event]:
        """What parts to one service are together: speech dealt over connections, or a recording dealt over bursts."""
        flows, first = parts.flows, parts.uploads[0]
        if len(flows) >= _LEAST_DEALT and parts.bytes >= _LEAST_DEALT_BYTES:
            shape = measure(parts.together())
            seen = Observation(
                shape=shape,
                service=parts.service,
                datagrams=first.flows[0].proto == PROTO_UDP,
                opened_before=None,
                down_body=sum(upload.bytes_toclient for upload in parts.uploads),
                down_after=0,
                profile=self._hypotheses.known(parts.key),
            )
            weighed = weigh(seen, self._weights)
            if weighed.score >= SPEECH_SCORE and not lock_step(seen):
                text = f"It was dealt over {len(flows)} connections, which together carry one steady stream"
                yield sum_of(parts, UploadClass.SPEECH, weighed, shape.spoken, text, final_ns)
                return
        profile = self._hypotheses.known(parts.key)
        voice = parts.service.role == "voice" or (profile is not None and profile.knows_server(parts.server))
        if voice and len(parts.uploads) > 1 and parts.bytes >= BULK_BYTES + _MARGIN_BYTES:
            text = (
                f"{len(parts.uploads)} bursts of {parts.bytes / 1000:.0f} kB together went to a server that takes voice"
            )
            none = Weighed(0.0, 0.0, ())
            yield sum_of(parts, UploadClass.BULK, none, parts.bytes / STORED_RATE, text, final_ns)

    def _add_up(self, flow: Flow, start_ns: int, bins: Iterable[int], final_ns: int) -> Iterator[Event]:
        """What was not judged by itself may be much when added up."""
        parts = [((start_ns + place * BIN_NS) // MINUTE_NS, amount) for place, amount in enumerate(bins) if amount]
        if self._slow.add(flow, parts, final_ns):
            yield self._slowly(flow, final_ns)

    def _slowly(self, flow: Flow, final_ns: int) -> Upload:
        service = self._services.service(flow.key, flow.flow, final_ns)
        return self._slow.upload(flow.key, service, final_ns)


def _service_of(service: Service, flow: Flow) -> str:
    """The service that a flow goes to: its name, else its address, whatever the port."""
    return service.host or address_of(flow.flow).partition(":")[0]


def _continues(part: Stretch, silent_ns: int) -> bool:
    """Whether more than a trickle still leaves: what a stall had held back, or another utterance."""
    later = after(part.rows, part.shape.end)
    return int(later.bytes.sum()) > 0.4 * part.shape.rate * silent_ns / 1e9


def _two_way(run: Run, first_ns: int, last_ns: int) -> float:
    """The share of quarter seconds in which a comparable amount came back."""
    first, last = ((moment - run.start_ns) // BIN_NS for moment in (first_ns, last_ns))
    both = sum(run.down_bins.get(place, 0) * 4 >= run.bins.get(place, 0) > 0 for place in range(first, last + 1))
    return both / (last + 1 - first)
