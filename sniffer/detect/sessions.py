"""Views and calls as wholes: what is live with pauses, on one connection or several, is one upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from statistics import median

from sniffer.detect.flows.flow import Flow
from sniffer.detect.flows.run import BIN_NS, LONGEST_NS
from sniffer.detect.scoring.streams import LEAST_STREAM, Stream, takes_speech
from sniffer.model import FlowKey, Listening, Service, StreamKind, Upload, UploadClass
from sniffer.model.clock import SECOND

#: A pause that ends a session: of a view, and of a call, in which both sides may be silent.
_PAUSE_NS = {StreamKind.VIEW: 3 * SECOND, StreamKind.CALL: 10 * SECOND, StreamKind.VOICE: 3 * SECOND}
#: How long a session without a sure part has to last to be one: signalling is over sooner.
_LEAST_NS = 4 * SECOND
#: A connection that carried a session carries another one so long after it: live datagrams do, whatever they are, and
#: over TLS and QUIC, where assistants send speech, only what resumes soon.
_REMEMBERED_NS, _RESUMED_NS = 60 * SECOND, 8 * SECOND
#: The share of what a usual quarter second carries that is a sign of life behind the end.
_TRICKLE = 0.1
#: Bounds of what is kept: connections that carried a session, parts of a session, connections that an upload names.
_MAX_CONNECTIONS, _MAX_PARTS, _MAX_FLOWS = 1_024, 1_024, 16


#: The connections of a device that were uploading at a moment.
Lasting = Callable[[int, int], set[int]]


@dataclass(slots=True)
class Session:
    """A view or a call that may go on."""

    kind: StreamKind
    flow: FlowKey
    service: Service
    start_ns: int
    last_ns: int
    pause_ns: int = 0
    sure: bool = False
    announced: bool = False
    parts: list[tuple[Upload, Stream]] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)

    @property
    def due_ns(self) -> int:
        """When it is over, if nothing follows."""
        return self.last_ns + self.pause_ns

    @property
    def long_enough(self) -> bool:
        """Whether all of it together is a stream, though no part is one by itself."""
        lasted_ns = self.last_ns - self.start_ns
        amount = sum(upload.bytes for upload, _ in self.parts)
        return lasted_ns >= _LEAST_NS and amount * SECOND >= LEAST_STREAM * lasted_ns


class Sessions:
    """At most one session of each device."""

    def __init__(self) -> None:
        self._open: dict[int, Session] = {}
        self._carried: dict[int, tuple[Stream, int]] = {}  # by connection: the last session on it, and its end

    def known(self, flow: Flow, at_ns: int) -> Stream | None:
        """The stream that this connection carried a moment ago."""
        stream, last_ns = self._carried.get(flow.connection, (None, 0))
        longest_ns = _RESUMED_NS if takes_speech(flow.flow) else _REMEMBERED_NS
        return stream if stream is not None and at_ns - last_ns <= longest_ns else None

    def goes_on(
        self, flow: Flow, service: Service, start_ns: int, at_ns: int, stream: Stream, score: float
    ) -> list[Listening]:
        """A run that is part of a session still lasts. Returns the announcement of the session, once."""
        session = self._session(flow, service, start_ns, at_ns, stream)
        return self._announced(flow.key, session, at_ns, score)

    def over(self, flow: Flow, upload: Upload, stream: Stream) -> list[Listening | Upload]:
        """A run that is part of a session is over. Returns the session's upload where it has lasted long enough."""
        session = self._session(flow, upload.service, upload.start_ns, upload.end_ns, stream)
        session.parts.append((upload, stream))
        events: list[Listening | Upload] = [*self._announced(flow.key, session, upload.final_ns, upload.score)]
        if upload.end_ns - session.start_ns >= LONGEST_NS or len(session.parts) >= _MAX_PARTS:
            events += self._end(flow.key, upload.final_ns)
        return events

    @staticmethod
    def _announced(key: int, session: Session, at_ns: int, score: float) -> list[Listening]:
        if session.announced or not (session.sure or session.long_enough):
            return []
        session.announced = True
        return [_listening(key, session, at_ns, score)]

    def expire(self, now_ns: int, lasting: Lasting) -> Iterator[Listening | Upload]:
        """The sessions in which nothing followed by now, in order. `lasting` gives the connections of a device that
        were uploading at a moment: what lasts may yet turn out to be part of the session."""
        due = sorted((session.due_ns, key) for key, session in self._open.items() if session.due_ns < now_ns)
        for due_ns, key in due:
            if not self._open[key].connections & lasting(key, due_ns):
                yield from self._end(key, due_ns)

    def finish(self) -> Iterator[Listening | Upload]:
        """All sessions, as nothing follows."""
        for key in list(self._open):
            yield from self._end(key, self._open[key].due_ns)

    def _session(self, flow: Flow, service: Service, start_ns: int, last_ns: int, stream: Stream) -> Session:
        session = self._open.get(flow.key)
        if session is None:
            session = self._open[flow.key] = Session(stream.kind, flow.flow, service, start_ns, last_ns)
        session.start_ns, session.last_ns = min(session.start_ns, start_ns), max(session.last_ns, last_ns)
        session.pause_ns = max(session.pause_ns, _PAUSE_NS[stream.kind])
        if len(session.connections) < _MAX_PARTS:
            session.connections.add(flow.connection)
        if stream.sure and not session.sure:
            session.sure = True
            if not session.announced:
                session.kind, session.flow, session.service, session.start_ns = (
                    stream.kind,
                    flow.flow,
                    service,
                    start_ns,
                )
        if stream.sure:
            self._carried.pop(flow.connection, None)
            self._carried[flow.connection] = stream, last_ns
            if len(self._carried) > _MAX_CONNECTIONS:
                del self._carried[next(iter(self._carried))]
        return session

    def _end(self, key: int, final_ns: int) -> Iterator[Listening | Upload]:
        session = self._open.pop(key)
        if session.announced:
            yield replace(_listening(key, session, final_ns, 0.0), ended=True)
        if not session.parts:
            return
        aside = session.parts
        if session.sure or session.long_enough:
            # Of a view that is sure, the signalling before it on other connections is no part.
            sure = {flow for upload, stream in aside if stream.sure for flow in upload.flows}
            mine = [
                part
                for part in aside
                if not session.sure or part[1].kind is session.kind or not sure.isdisjoint(part[0].flows)
            ]
            aside = [part for part in aside if part not in mine]
            yield _joined(replace(session, parts=mine), final_ns)
        for upload, _ in aside:
            yield replace(upload, final_ns=final_ns)


def _listening(key: int, session: Session, at_ns: int, score: float) -> Listening:
    return Listening(key, session.flow, session.service, session.start_ns, at_ns, score, kind=session.kind)


def _without_trickle(bins: list[int]) -> list[int]:
    """Bytes of each quarter second up to the last that is more than what a connection is kept open with."""
    least = _TRICKLE * median([amount for amount in bins if amount] or [0])
    return bins[: next(place for place in range(len(bins), 0, -1) if bins[place - 1] >= least)]


def _joined(session: Session, final_ns: int) -> Upload:
    """All parts of a session as one upload. What is said of it is what is said of its largest part."""
    uploads = [upload for upload, _ in session.parts]
    largest, stream = max(session.parts, key=lambda part: (part[1].sure, part[0].bytes))
    start_ns, end_ns = min(upload.start_ns for upload in uploads), max(upload.end_ns for upload in uploads)
    bins = [0] * ((end_ns - start_ns) // BIN_NS + 1)
    for upload in uploads:
        first = (upload.start_ns - start_ns) // BIN_NS
        for place, amount in enumerate(upload.bins):
            bins[min(first + place, len(bins) - 1)] += amount
    bins = _without_trickle(bins)
    end_ns = min(end_ns, start_ns + len(bins) * BIN_NS)
    flows = dict.fromkeys(flow for upload in (largest, *uploads) for flow in upload.flows)
    return replace(
        largest,
        flows=tuple(flows)[:_MAX_FLOWS],
        start_ns=start_ns,
        end_ns=end_ns,
        final_ns=final_ns,
        upload_class=UploadClass.MEDIA,
        bytes=sum(upload.bytes for upload in uploads),
        bytes_toclient=sum(upload.bytes_toclient for upload in uploads),
        packets=sum(upload.packets for upload in uploads),
        speech_seconds=(end_ns - start_ns) / 1e9,
        evidence=(stream.why, *largest.evidence),
        answered=any(upload.answered for upload in uploads),
        one_sided=all(upload.one_sided for upload in uploads),
        bins=tuple(bins),
        body=(0, len(bins)),
        stream=stream.kind,
    )
