"""What is usual for one device, learned online from its own uploads, in a few numbers.

What is learned adds to the evidence for speech that is like this device's (its chunk, its rate), takes a little from
what is unlike it, and explains an unpaced upload that comes by the clock. The little is bounded
(`evidence.MOST_AGAINST`): nobody trains the detector to overlook a voice. Only what is speech without any habit but
that of pace teaches one: a known server or opening does not. (How much an opening says follows from all that was taken
for speech; so that is bounded.) Where chunk, rate, opening, idle bytes or the clock move, that is announced
(`model.Drift`) before it is adopted, and outliers are gated until they have come several times. The speed of the line
and where it cuts follow unannounced: they speak for a voice, and not (but for what offload merged) against.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import numpy as np

from sniffer.detect.features.pacing import Shape
from sniffer.detect.features.rows import WRITE_GAP, Rows, cut_sizes, fastest
from sniffer.detect.profiles.baseline import IN_A_ROW, Baseline
from sniffer.detect.profiles.periodic import HOUR_NS, MAX_PERIODIC, PACE, Periodic, expects, learn_periodic, moved
from sniffer.detect.profiles.servers import MAX_SERVERS, address_of, count, forget_oldest, server_of
from sniffer.model import Drift, Upload, UploadClass

#: Only what is speech without any habit but that of pace teaches one (log-odds); what is surely none is something else.
SURE, _SURELY_NOT = 1.0, -2.0
#: Speech uploads before it is said how this device speaks.
ENOUGH = 3
_MAX_CHUNKS = 4
#: So many pieces of a known size at the known pace are no chance; how far each may be off it, as a share.
_PIECES, _OFF_PACE = 5, 0.3
#: Speech uploads after which a server that never had one is a foreign one, and a device has a habit in all it says.
_SETTLED = 2 * ENOUGH
#: The fastest that a line was is forgotten by so much an upload: the radio may be worse today.
_FORGET_LINE = 0.999
#: So often an upload was cut into a size before it counts, and in so many uploads before it is believed: more than it
#: takes to know the pieces in which a device speaks, which a radio may hold up and deliver together. Sizes that are
#: kept, and where counting begins to forget.
_CUT_OFTEN, _ENOUGH_CUTS, _MAX_CUTS, _MOST_CUTS = 3, 2 * ENOUGH, 8, 1_000
#: Less than this is a sign of life; how many openings are remembered, and up to where one is beside the usual (half, or
#: twice as much), as a logarithm. Others that begin as usual may come, though none was ever seen.
_TRIFLE, _MANY, _BESIDE, _UNSEEN_OTHERS = 2_000, 400, 0.7, 0.3
#: What an opening may say, in log-odds.
_LEAST_TELLING, _MOST_TELLING, _LEAST_ODDS = 0.4, 6.0, -4.0
#: Times in nanoseconds are the largest numbers that are stored.
_LARGEST_NUMBER = 1 << 63


_Habit = TypeVar("_Habit", Periodic, Baseline)


@dataclass(slots=True)
class DeviceProfile:
    """The habits of one device. Plain numbers, bounded, JSON-able."""

    speech: int = 0
    chunks: dict[int, int] = field(default_factory=dict)
    strange_chunk: int = 0
    strange_chunks: int = 0
    constant: float = 0.0  # the share of speech that came in pieces of one size
    opens: float = 0.0  # ... for which a connection was opened
    rate: Baseline = field(default_factory=Baseline)  # bytes a second
    opening: Baseline = field(default_factory=Baseline)  # bytes
    begun: int = 0  # how often what was taken for speech began as usual
    below: int = 0  # ... and something that surely was none with a little less, at a server that gets speech
    above: int = 0  # ... or a little more
    pause: Baseline = field(default_factory=Baseline)  # seconds from one piece of one size to the next
    lines: dict[str, float] = field(default_factory=dict)
    cuts: dict[int, int] = field(default_factory=dict)
    idle_bytes_per_hour: float = 0.0
    idle_hours: int = 0
    servers: dict[str, int] = field(default_factory=dict)
    addresses: dict[str, int] = field(default_factory=dict)  # of servers that have a name
    hour: int = 0
    hour_bytes: int = 0
    periodic: dict[str, Periodic] = field(default_factory=dict)

    # --- what it tells -----------------------------------------------------------------------------------------------

    @property
    def known_chunks(self) -> list[int]:
        """Sizes in which speech of this device came before."""
        return [size for size, times in self.chunks.items() if times >= ENOUGH]

    @property
    def always_constant(self) -> bool:
        """All speech of this device came in pieces of one size so far."""
        return self.speech >= ENOUGH + 2 and self.constant >= 0.9

    def pieces(self, rows: Rows) -> float | None:
        """How surely some of these are pieces in which this device speaks, at the pace at which it does: 1 for five
        and more; -1 where it has always spoken in such pieces and here is none. None where too little is known."""
        known = self.known_chunks
        if not known or not self.pause.known:
            return None
        mine = np.zeros(len(rows.bytes), dtype=np.bool_)
        for size in known:
            mine |= (abs(rows.unit - size) <= _slack(size)) | (abs(rows.bytes - size) <= _slack(size))
        times = rows.seconds[mine]
        gaps = np.diff(times)
        paces = gaps[gaps > WRITE_GAP] / self.pause.value
        steps = np.clip(np.round(paces), 1, 2)  # one may be lost, or have left with another
        regular = int(np.count_nonzero(abs(paces - steps) < _OFF_PACE))
        if regular == 0 and len(times) < 2:
            return -1.0 if self.always_constant else 0.0
        return min(1.0, regular / _PIECES)

    @property
    def telling(self) -> float:
        """How much it says that something begins as speech of this device does, in log-odds. How often other uploads to
        its servers do is read off those that begin with a little less and a little more, as it lies between the two:
        of what begins just so, some is speech that was not recognised."""
        if not self.opening.known:
            return _LEAST_TELLING
        beside = ((math.sqrt(self.below) + math.sqrt(self.above)) / 2) ** 2
        others = beside * 2 * self.opening.reach / _BESIDE
        return max(_LEAST_TELLING, min(_MOST_TELLING, math.log((self.begun + ENOUGH) / (others + _UNSEEN_OTHERS))))

    def opening_odds(self, amount: int) -> float | None:
        """The log-odds of speech for an upload that begins with so many bytes, down to -4. Other business of the same
        connection makes an opening larger, and nothing makes it smaller."""
        if not self.opening.known or amount <= 0:
            return None
        deviations = 2 * self.opening.distance(amount) / self.opening.reach
        if deviations > 2:
            deviations = 2 + (deviations - 2) / 2
        return max(_LEAST_ODDS, self.telling - deviations**2 / 2)

    def familiarity(self, server: str) -> float | None:
        """1 for a server that had speech of this device thirty times, -1 where all its speech went elsewhere."""
        times = self.servers.get(server) or self.addresses.get(server, 0)
        if times >= 2:
            return min(1.0, math.log1p(times) / math.log1p(30))
        return -1.0 if times == 0 and self.speech >= _SETTLED else None

    @property
    def segments(self) -> tuple[int, ...]:
        """The sizes in which the line cuts what this device writes; pieces in which it speaks are none."""
        most = max(self.cuts.values(), default=0)
        spoken = self.known_chunks
        return tuple(
            size
            for size, uploads in self.cuts.items()
            if uploads >= max(_ENOUGH_CUTS, 0.2 * most) and not any(_alike(size, chunk) for chunk in spoken)
        )

    def knows_server(self, server: str) -> bool:
        """This device has sent what was surely speech there."""
        return server in self.servers or server in self.addresses

    def expects(self, upload: Upload) -> bool:
        """An unpaced upload of a usual size to a usual server, at a usual time if it has one."""
        server = server_of(upload.service, upload.flows[0])
        if self.knows_server(server) or upload.service.role == "voice":
            return False  # where speech goes, no upload of its size is taken for granted
        return expects(self.periodic, upload)

    @property
    def chunk(self) -> int | None:
        """The commonest chunk of speech."""
        return max(self.chunks, key=lambda size: self.chunks[size]) if self.chunks else None

    # --- learning ----------------------------------------------------------------------------------------------------

    def learn(
        self, upload: Upload, shape: Shape, rows: Rows, *, sure: bool = True, opens: bool = False, whole: bool = True
    ) -> list[Drift]:
        """One upload is final; `shape` is how its rows were read. `sure`: it is speech without any habit but
        that of pace; `opens`: a connection was opened for it; `whole`: its beginning was seen. Returns what moved."""
        self.learn_line(upload, rows)
        if upload.upload_class is UploadClass.SPEECH:
            if whole and (self.opening.likeness(shape.opening) or 0) > 0:
                self.begun += 1
                self._forget_openings()
            return self._learn_speech(upload, shape, rows, opens, whole) if sure else []
        if upload.upload_class is UploadClass.MEDIA:
            return []
        self._learn_other(upload, shape)
        periodic = learn_periodic(self.periodic, upload) if upload.upload_class is UploadClass.BULK else []
        return [*self._learn_idle(upload), *periodic]

    def _learn_other(self, upload: Upload, shape: Shape) -> None:
        server = server_of(upload.service, upload.flows[0])
        surely = upload.score <= _SURELY_NOT and upload.bytes >= _TRIFLE
        if surely and shape.opening > 0 and self.opening.known and self.knows_server(server):
            distance = self.opening.distance(shape.opening)
            if 0 < abs(distance) - self.opening.reach <= _BESIDE:
                if distance > 0:
                    self.above += 1
                else:
                    self.below += 1
                self._forget_openings()

    def _forget_openings(self) -> None:
        if self.begun + self.below + self.above > _MANY:  # what was so long ago counts half
            self.begun, self.below, self.above = self.begun // 2, self.below // 2, self.above // 2

    def learn_line(self, upload: Upload, rows: Rows) -> None:
        """Learn from any upload how fast the line to a server was, and into which sizes it cuts."""
        server = server_of(upload.service, upload.flows[0])
        self.lines[server] = max(self.lines.pop(server, 0.0) * _FORGET_LINE, fastest(rows))  # the latest stands last
        forget_oldest(self.lines)
        for size, times in cut_sizes(rows).items():
            if times >= _CUT_OFTEN:
                self.cuts[size] = self.cuts.get(size, 0) + 1
        if max(self.cuts.values(), default=0) > _MOST_CUTS:
            self.cuts = {size: uploads // 2 for size, uploads in self.cuts.items() if uploads > 1}
        while len(self.cuts) > _MAX_CUTS:
            del self.cuts[min(self.cuts, key=lambda size: self.cuts[size])]

    def _learn_speech(self, upload: Upload, shape: Shape, rows: Rows, opens: bool, whole: bool) -> list[Drift]:
        one_size = max(shape.constancy, shape.comb) >= 0.5
        drifts = self._learn_chunk(upload) if one_size else []
        self.speech += 1
        pace = max(PACE, 1 / self.speech)
        self.constant += (float(one_size) - self.constant) * pace
        self.opens += (float(opens) - self.opens) * pace
        if one_size and shape.writes_per_second > 0:
            self.pause.learn(1 / shape.writes_per_second)
        drifts += self._announced(upload, "bytes_per_second", self.rate, shape.rate)
        if whole:
            drifts += self._announced(upload, "opening_bytes", self.opening, shape.opening)
        count(self.servers, server_of(upload.service, upload.flows[0]))
        if upload.service.host:
            count(self.addresses, address_of(upload.flows[0]))
        return drifts

    def _announced(self, upload: Upload, what: str, usual: Baseline, value: float) -> list[Drift]:
        before = usual.learn(value)
        return [] if before is None else [Drift(upload.key, upload.final_ns, what, round(before), round(usual.value))]

    def _learn_chunk(self, upload: Upload) -> list[Drift]:
        chunk = upload.chunk_bytes
        if chunk is None:
            return []
        alike = next((size for size in self.chunks if _alike(chunk, size)), None)
        usual = self.chunk
        if alike is not None or usual is None or self.chunks[usual] < ENOUGH:
            self.chunks[alike or chunk] = min(self.chunks.get(alike or chunk, 0) + 1, 1_000)
            self.strange_chunks = 0
            self._forget_chunks()
            return []
        self.strange_chunks = self.strange_chunks + 1 if _alike(chunk, self.strange_chunk) else 1
        self.strange_chunk = chunk
        if self.strange_chunks < IN_A_ROW:
            return []
        self.chunks[chunk] = self.strange_chunks
        self.strange_chunks = 0
        self._forget_chunks()
        return [Drift(upload.key, upload.final_ns, "chunk_bytes", float(usual), float(chunk))]

    def _forget_chunks(self) -> None:
        while len(self.chunks) > _MAX_CHUNKS:
            del self.chunks[min(self.chunks, key=lambda size: self.chunks[size])]

    def _learn_idle(self, upload: Upload) -> list[Drift]:
        hour = upload.start_ns // HOUR_NS
        drifts: list[Drift] = []
        if hour > self.hour and self.hour:
            amount = float(self.hour_bytes)
            if self.idle_hours >= 6 and amount > 4 * self.idle_bytes_per_hour + 200_000:
                drifts.append(
                    Drift(upload.key, upload.final_ns, "idle_bytes_per_hour", round(self.idle_bytes_per_hour), amount)
                )
            if self.idle_hours == 0:
                self.idle_bytes_per_hour = amount
            else:
                for _ in range(min(hour - self.hour - 1, 48)):  # hours in which nothing left
                    self.idle_bytes_per_hour = moved(self.idle_bytes_per_hour, 0.0)
                self.idle_bytes_per_hour = moved(self.idle_bytes_per_hour, amount)
            self.idle_hours = min(self.idle_hours + (hour - self.hour), 10_000)
            self.hour_bytes = 0
        self.hour = max(hour, self.hour)
        self.hour_bytes += upload.bytes
        return drifts

    # --- for the store -----------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """For the store."""
        state = asdict(self)
        for name in ("chunks", "cuts"):
            state[name] = {str(size): times for size, times in getattr(self, name).items()}
        return state

    @classmethod
    def from_dict(cls, state: Any) -> DeviceProfile:
        """What `to_dict` gave. What cannot be read is forgotten: habits are learned again."""
        learned = cls()
        try:
            for name, value in state.items():
                if isinstance(getattr(learned, name, None), Baseline):
                    setattr(learned, name, _usual(value))
                elif name in ("chunks", "cuts"):
                    most = _MAX_CHUNKS if name == "chunks" else _MAX_CUTS
                    setattr(learned, name, {_size(key): _number(0, often) for key, often in _first(value, most)})
                elif name == "periodic":
                    learned.periodic = {
                        str(key): _filled(Periodic(bytes=0.0), habit) for key, habit in _first(value, MAX_PERIODIC)
                    }
                elif name == "lines":
                    learned.lines = {str(key): _number(0.0, rate) for key, rate in _first(value, MAX_SERVERS)}
                elif name in ("servers", "addresses"):
                    setattr(learned, name, {str(key): _number(0, often) for key, often in _first(value, MAX_SERVERS)})
                elif name in cls.__slots__:
                    setattr(learned, name, _number(getattr(learned, name), value))
            if "below" not in state:  # others were counted in another way
                learned.begun = 0
        except (TypeError, ValueError, AttributeError):
            return cls()
        return learned if min(learned.speech, learned.begun, learned.below, learned.above) >= 0 else cls()


def profiles_from(state: Any) -> dict[int, DeviceProfile]:
    """The habits of all devices out of the store, by key; what is nobody's is left out."""
    if not isinstance(state, Mapping):
        return {}
    return {int(key): DeviceProfile.from_dict(habits) for key, habits in state.items() if str(key).isdecimal()}


def _first(stored: Any, most: int) -> list[tuple[Any, Any]]:
    return list(stored.items())[:most]


def _number(like: float, value: Any) -> Any:
    """A stored number, of the kind of `like`. Raises TypeError, ValueError where it is none that we would write."""
    if not -_LARGEST_NUMBER < value < _LARGEST_NUMBER:
        raise ValueError(value)
    return type(like)(value)


def _size(text: str) -> int:
    size = int(text)
    if not 0 < size < _LARGEST_NUMBER:
        raise ValueError(text)
    return size


def _usual(stored: Any) -> Baseline:
    """What is usual; 0.1.0 kept the value alone."""
    if not isinstance(stored, Mapping):
        value = _number(0.0, stored)
        return Baseline(ENOUGH, math.log(value)) if value else Baseline()
    return _filled(Baseline(), stored)


def _filled(habit: _Habit, stored: Any) -> _Habit:
    for name, value in stored.items():
        setattr(habit, name, _number(getattr(habit, name), value))
    if isinstance(habit, Baseline) and not habit.plausible:
        raise ValueError(stored)
    return habit


def _alike(one: int, other: int) -> bool:
    return abs(one - other) <= _slack(other)


def _slack(size: int) -> float:
    return max(2, 0.01 * size)
