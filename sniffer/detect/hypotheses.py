"""What a part of a run may be: measured, observed and scored, under each hypothesis about how it is segmented."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sniffer.detect.features.alternatives import alternatives
from sniffer.detect.features.pacing import Shape, measure
from sniffer.detect.features.rows import Line, Rows
from sniffer.detect.flows.flow import Flow
from sniffer.detect.flows.run import BIN_NS, Run
from sniffer.detect.parts import Parts, Scored
from sniffer.detect.profiles.kept import Profiles
from sniffer.detect.profiles.profile import DeviceProfile
from sniffer.detect.profiles.servers import server_of
from sniffer.detect.scoring.evidence import Weights, score_of
from sniffer.detect.scoring.observation import Observation
from sniffer.model import PROTO_UDP, ServiceLookup
from sniffer.model.clock import SECOND

#: A score from which on a stretch is not measured in other ways.
_PLAIN_SCORE = 4.0
#: Seconds behind the paced part in which what comes back is an answer to it.
_ANSWER_NS = 5 * SECOND


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a run, measured. `pieces` is what `DeviceProfile.pieces` says of it."""

    first_ns: int
    last_ns: int
    rows: Rows
    shape: Shape
    pieces: float | None

    @property
    def body_ns(self) -> tuple[int, int]:
        """First and last moment of the paced part."""
        return self.first_ns + round(self.shape.begin * 1e9), self.first_ns + round(self.shape.end * 1e9)


#: A hypothesis about a stretch: how it is segmented, what is observed then, and the score.
Hypothesis = tuple[Stretch, Observation, float]


class Hypotheses:
    """Measures parts of open runs; what it keeps is the last measurement of each."""

    def __init__(self, weights: Weights, services: ServiceLookup, profiles: Profiles, parts: Parts) -> None:
        self.services = services
        self._weights, self._profiles, self._parts = weights, profiles, parts
        self._measured: dict[int, tuple[tuple[int, int], Stretch]] = {}  # the last window of each run
        self._openings: dict[int, int] = {}  # bytes with which each run opened

    def forget(self, run: Run) -> None:
        """A run is over."""
        self._measured.pop(run.number, None)
        self._openings.pop(run.number, None)

    def known(self, key: int) -> DeviceProfile | None:
        """The profile of a device, where there is one and profiles are not switched off."""
        return self._profiles.known(key) if self._parts.has("profiles") else None

    def stretch(self, flow: Flow, run: Run, first_ns: int, last_ns: int) -> Stretch:
        """A part of a run; measured anew only where packets arrived since."""
        window = run.window(first_ns, last_ns)
        known = self._measured.get(run.number)
        if known is not None and known[0] == window and window[0] < window[1]:
            return known[1]
        base, rows = run.rows(window, first_ns)
        last = base + round(float(rows.seconds[-1]) * 1e9) if len(rows.seconds) else base
        profile = self.known(flow.key)
        shape = measure(rows, self._line(flow, run))
        stretch = Stretch(base, last, rows, shape, None if profile is None else profile.pieces(rows))
        self._measured[run.number] = window, stretch
        if first_ns <= run.start_ns:
            self._openings[run.number] = shape.opening
        return stretch

    def observation(self, flow: Flow, run: Run, part: Stretch, at_ns: int, *, final: bool) -> Observation:
        """Return what is observed of a part of a run by `at_ns`."""
        body = part.body_ns
        service = self.services.service(flow.key, flow.flow, at_ns)
        answered_by = min(at_ns, body[1] + _ANSWER_NS + BIN_NS)  # never later than now: a batch may hold more
        return Observation(
            shape=part.shape,
            service=service,
            server=server_of(service, flow.flow),
            datagrams=flow.flow.proto == PROTO_UDP,
            opened_before=None if run.opened_ns is None else (part.first_ns - run.opened_ns) / 1e9,
            down_body=run.received(body[0] - BIN_NS, min(body[1], at_ns)),
            down_total=run.bytes_down,
            opening=self._openings.get(run.number) if run.from_ns <= run.start_ns else None,
            repeats=run.repeated(*body),
            down_after=run.received(body[1] - BIN_NS, answered_by) if final else 0,
            profile=self.known(flow.key),
            pieces=part.pieces,
            final=final,
            silent=not run.one_sided(at_ns) and not (run.bytes_down if final else run.received(run.start_ns, at_ns)),
            lines=self._parts.has("lines"),
        )

    def _line(self, flow: Flow, run: Run) -> Line:
        profile = self.known(flow.key) if self._parts.has("lines") else None
        return Line(run.largest, profile.segments if profile is not None else ())

    def plain(self, flow: Flow, run: Run, part: Stretch, at_ns: int, *, final: bool) -> Hypothesis:
        """Return a stretch with its first measurements."""
        seen = self.observation(flow, run, part, at_ns, final=final)
        return part, seen, score_of(seen, self._weights)

    def best(self, flow: Flow, run: Run, plain: Hypothesis, at_ns: int) -> Hypothesis:
        """The hypothesis that speaks most for speech."""
        best = plain
        if best[2] >= _PLAIN_SCORE:
            return best
        part, final = plain[0], plain[1].final
        for shape in alternatives(part.rows, self._line(flow, run), part.shape, self._parts.without):
            other = replace(part, shape=shape)
            seen = self.observation(flow, run, other, at_ns, final=final)
            seen = replace(seen, opening=plain[1].opening)
            score = score_of(seen, self._weights)
            if score > best[2]:
                best = other, seen, score
        return best

    def scored(self, flow: Flow, run: Run, plain: Hypothesis, best: Hypothesis, stream: bool) -> Scored:
        """Return a part with its final score, for measurements of the detector."""
        part, seen, _ = plain
        others = alternatives(part.rows, self._line(flow, run), part.shape, self._parts.without)
        hypotheses = (seen, *(replace(seen, shape=shape) for shape in others))
        last_ns = max(part.last_ns, part.first_ns)
        return Scored(flow.key, flow.flow, part.first_ns, last_ns, run.bytes, part.rows, hypotheses, best[2], stream)
