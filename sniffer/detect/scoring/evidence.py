"""Why a run is, or is not, somebody's voice: each reason a measurement, a weight, and a sentence for anyone.

The table at the end is the whole list. Each entry maps what was measured to a number (0 says nothing either way); what
that adds to the log-odds is a curve, fitted and kept in `rules/detect/evidence.yml`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sniffer.detect.features.pacing import Shape
from sniffer.detect.profiles.baseline import Baseline
from sniffer.detect.profiles.profile import ENOUGH, DeviceProfile
from sniffer.model import Evidence, Service

#: Habits take no more than this from what is unlike them, in log-odds: nobody trains the detector to overlook a voice.
MOST_AGAINST = 3.0


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that may be said of one run."""

    shape: Shape
    service: Service
    datagrams: bool
    opened_before: float | None  # seconds from the opening of the connection to the start of the run, where seen
    down_body: int  # bytes that came back during the body
    down_after: int  # ... and after it
    down_total: int = 0
    opening: int | None = None  # bytes of the half second with which the run opened; None where that was not seen
    repeats: int = 0  # segments that were repeated during the body
    server: str = ""  # whom it went to: a name, or an address and port
    profile: DeviceProfile | None = None
    pieces: float | None = None  # `DeviceProfile.pieces`
    final: bool = True
    lines: bool = True  # whether what is known of the line counts


#: The opening, in multiples of the pace, from which on there is one, and up to which there is none. Of 508 spoken
#: requests in real captures 95 % open with 4 and more; answers to a question of the speaker, which need no wake word,
#: with 1.2 to 1.5.
_OPENING_SEEN, _OPENING_NONE = 1.5, 1.1

#: Seconds of the paced part from which on it says how fast a run goes on.
_LEAST_PACE_S = 0.2

#: (number, log-odds) in order of the number: straight between them, level beyond the ends.
Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """Fitted numbers: the log-odds a run starts with, what each kind of evidence adds, and where they come from."""

    intercept: float
    curves: Mapping[str, Curve]
    provenance: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One kind of evidence. `measure` gives (number for the curve, number for people) or None where not applicable.
    A `habit` is about what this device did before."""

    name: str
    measure: Callable[[Observation], tuple[float, float] | None]
    sentence: Callable[[Observation, float], str]
    habit: bool = False


@dataclass(frozen=True, slots=True)
class Weighed:
    """The log-odds of speech; what they are without any habit; and the evidence, heaviest first."""

    score: float
    alone: float
    evidence: tuple[Evidence, ...]


def features(seen: Observation) -> dict[str, float]:
    """The numbers that the curves are for."""
    return {item.name: found[0] if (found := item.measure(seen)) else 0.0 for item in ITEMS}


def score_of(seen: Observation, weights: Weights) -> float:
    """The score of `weigh` alone: most of the time is in the words."""
    return weights.intercept + sum(added for _, _, added in _added(seen, weights))


def weigh(seen: Observation, weights: Weights) -> Weighed:
    """What speaks for speech in this seen, and what against it."""
    added = _added(seen, weights)
    evidence = [
        Evidence(item.name, value, weight, item.sentence(seen, value))
        for item, value, weight in added
        if abs(weight) >= 0.05
    ]
    evidence.sort(key=lambda e: -abs(e.weight))
    alone = weights.intercept + sum(weight for item, _, weight in added if not item.habit)
    return Weighed(weights.intercept + sum(weight for _, _, weight in added), alone, tuple(evidence))


def _added(seen: Observation, weights: Weights) -> list[tuple[Item, float, float]]:
    """Each item that applies, its number for people, and what it adds to the log-odds."""
    added = []
    against = 0.0
    for item in ITEMS:
        found = item.measure(seen)
        if found is None:
            continue
        weight = height(weights.curves[item.name], found[0]) if item.name in weights.curves else 0.0
        added.append((item, found[1], weight))
        if item.habit:
            against -= min(weight, 0.0)
    if against <= MOST_AGAINST:
        return added
    part = MOST_AGAINST / against
    return [(item, value, weight * part if item.habit and weight < 0 else weight) for item, value, weight in added]


def height(curve: Curve, number: float) -> float:
    """The curve at `number`."""
    before = curve[0]
    if number <= before[0]:
        return before[1]
    for point in curve:
        if number < point[0]:
            return before[1] + (point[1] - before[1]) * (number - before[0]) / (point[0] - before[0])
        before = point
    return before[1]


def opens(seen: Observation) -> bool:
    """The connection had just been opened."""
    return seen.opened_before is not None and seen.opened_before <= 2


def opening_ratio(seen: Observation) -> float | None:
    """How many times faster than its pace a run opened, without one write, which fits by chance; None if not known."""
    shape = seen.shape
    if seen.opening is None or shape.body < _LEAST_PACE_S or shape.rate <= 0:
        return None
    one_write = shape.rate / max(shape.writes_per_second, 1.0)
    return max(0.0, seen.opening - one_write) / (0.5 * shape.rate)


def probability(score: float) -> float:
    """Log-odds as a probability."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, score))))


# --- measurements --------------------------------------------------------------------------------------------------


def _amount_of_pace(seen: Observation) -> tuple[float, float] | None:
    """1 for three seconds of pace and more; a stretch of few writes shows little, however long."""
    return math.tanh(seen.shape.body / 1.2) * _enough(seen.shape) * _voluntary(seen), seen.shape.body


def _steadiness(seen: Observation) -> tuple[float, float] | None:
    if seen.shape.body < 0.5:
        return None
    even = max(-1.0, 1 - seen.shape.bin_variation / 0.6)
    return _weakened(even, seen), seen.shape.bin_variation


def _regular_gaps(seen: Observation) -> tuple[float, float] | None:
    if seen.shape.writes < 5:
        return None
    # Of gaps that are pure chance, half are as near to the median as this asks for.
    return _weakened(2 * seen.shape.gap_regularity - 1, seen), seen.shape.gap_regularity


def _chunk_constancy(seen: Observation) -> tuple[float, float] | None:
    if seen.shape.writes < 5:
        return None
    own = (1 - _asked(seen)) * (1 - _recovering(seen))
    return seen.shape.constancy * _confidence(seen) * own, seen.shape.constancy


def _comb(seen: Observation) -> tuple[float, float] | None:
    """One size at one distance in time, whatever else leaves between."""
    if seen.shape.comb_size == 0:
        return None
    return seen.shape.comb * _voluntary(seen), float(seen.shape.comb_size)


def _narrow_sizes(seen: Observation) -> tuple[float, float] | None:
    """Speech codecs of variable rate: sizes differ, but not by much. Says nothing where sizes are constant anyway."""
    shape = seen.shape
    if shape.writes < 8 or shape.full_share > 0.5:
        return None
    narrow = max(0.0, 1 - shape.size_spread / 0.8)
    return narrow * (1 - shape.constancy) * _confidence(seen), shape.size_spread


def _mixed_sizes(seen: Observation) -> tuple[float, float] | None:
    """Pieces of all sizes, from nothing to a full packet: requests, logs and handshakes; a codec is narrower."""
    shape = seen.shape
    if shape.writes < 5:
        return None
    mixed = max(0.0, min(1.0, (shape.size_spread - 0.4) / 0.6))
    return mixed * (1 - shape.constancy) * (1 - shape.full_share), shape.size_spread


def _burst_then_pace(seen: Observation) -> tuple[float, float] | None:
    """The link was faster a moment ago: so it is the application that takes its time."""
    shape = seen.shape
    if shape.body < 0.4 or shape.head_bytes < 2_000:
        return None
    return _had_room(seen) * _confidence(seen) * (1 - 0.8 * _asked(seen)) * (1 - _recovering(seen)), shape.head_ratio


def _full_packets(seen: Observation) -> tuple[float, float] | None:
    return seen.shape.full_share * (1 - _had_room(seen)), seen.shape.full_share


def _too_fast(seen: Observation) -> tuple[float, float] | None:
    """A moment that is fast is a head; only what goes on so is no microphone."""
    return max(0.0, math.log2(max(seen.shape.rate, 1) / 40_000)) * min(1.0, seen.shape.body / 0.5), seen.shape.rate


def _too_slow(seen: Observation) -> tuple[float, float] | None:
    if seen.shape.rate <= 0:
        return None
    return max(0.0, math.log2(2_500 / seen.shape.rate)), seen.shape.rate


def _too_few_chunks(seen: Observation) -> tuple[float, float] | None:
    """Rare pieces, unless they come like clockwork: then somebody fills a buffer."""
    few = max(0.0, min(3.0, math.log2(6 / max(seen.shape.writes_per_second, 0.5))))
    return few * (1 - seen.shape.comb), seen.shape.writes_per_second


def _asked_for_each(seen: Observation) -> tuple[float, float] | None:
    """A device that waits for an answer before each piece is paced by the network, not by a microphone."""
    if seen.shape.writes < 3:
        return None
    return _asked(seen), seen.shape.answer_share


def _mostly_download(seen: Observation) -> tuple[float, float] | None:
    shape = seen.shape
    if shape.body_bytes == 0:
        return None
    ratio = seen.down_body / shape.body_bytes
    return max(0.0, min(4.0, math.log2(max(ratio, 1e-3) / 4))), ratio


def _amount(seen: Observation) -> tuple[float, float] | None:
    """Doublings of 16 kB: half a second of before, the wake word and what was said are seldom less than 4, and little
    else is more than 64."""
    return math.log2(max(seen.shape.bytes, 1) / 16_000), float(seen.shape.bytes)


def _no_opening(seen: Observation) -> tuple[float, float] | None:
    """1 where the run opens no faster than it goes on. A device that waits for a wake word has recorded it before it
    sends: it opens with half a second of sound and a request. Half as much where the pieces differ in size, as those
    of reports in rows do not."""
    opened = opening_ratio(seen)
    if opened is None or seen.opening is None:
        return None
    none = max(0.0, min(1.0, (_OPENING_SEEN - opened) / (_OPENING_SEEN - _OPENING_NONE)))
    return none * (1 + seen.shape.constancy) / 2, float(seen.opening)


def _rest(seen: Observation) -> tuple[float, float] | None:
    """What else the run carried: an utterance is a head and a body, and perhaps a state report behind it."""
    shape = seen.shape
    return (shape.outside_bytes / shape.bytes if shape.bytes else 0.0), float(shape.outside_bytes)


def _bursts(seen: Observation) -> tuple[float, float] | None:
    return float(min(4, max(0, seen.shape.bursts - 1))), float(seen.shape.bursts)


def _role(role: str) -> Callable[[Observation], tuple[float, float] | None]:
    def measure(seen: Observation) -> tuple[float, float] | None:
        return (1.0, 1.0) if seen.service.role == role else None

    return measure


def _errand_host(seen: Observation) -> tuple[float, float] | None:
    return (1.0, 1.0) if seen.service.role in ("control", "update", "time", "media") else None


def _new_connection(seen: Observation) -> tuple[float, float] | None:
    """A connection begins with keys and with what the device has to say of itself: some 20 kB, and seldom more than
    four times that. A pair of ports is not a connection that had to be opened; and some devices open one to speak."""
    if seen.opened_before is None or not opens(seen):
        return None
    introduction = max(0.3, min(1.0, 20_000 / max(seen.shape.bytes, 1)))
    usual = seen.profile.opens if seen.profile is not None and seen.profile.speech >= ENOUGH else 0.0
    return introduction * (0.5 if seen.datagrams else 1.0) * (1 - usual), seen.opened_before


def _answer(seen: Observation) -> tuple[float, float] | None:
    """A bonus only: a wake word alone gets no answer."""
    if not seen.final or seen.down_after < 1_500:
        return None
    return min(1.0, seen.down_after / 8_000), float(seen.down_after)


def _known_chunk(seen: Observation) -> tuple[float, float] | None:
    """Pieces in which this device speaks. A codec with frames of one size does not change to another one."""
    if seen.pieces is None or seen.profile is None:
        return None
    return seen.pieces, float(seen.profile.chunk or 0) if seen.pieces > 0 else 0.0


def _known_rate(seen: Observation) -> tuple[float, float] | None:
    if seen.profile is None or seen.shape.body < 0.4:
        return None
    likeness = seen.profile.rate.likeness(seen.shape.rate)
    return None if likeness is None else (likeness, seen.shape.rate)


def _known_write(seen: Observation) -> tuple[float, float] | None:
    """Where a codec has frames of many sizes, those are of a certain size nonetheless."""
    if seen.profile is None or seen.profile.constant >= 0.5:
        return None
    likeness = seen.profile.write.likeness(seen.shape.typical_write)
    return None if likeness is None else (likeness, float(seen.shape.typical_write))


def _known_server(seen: Observation) -> tuple[float, float] | None:
    if seen.profile is None:
        return None
    familiarity = seen.profile.familiarity(seen.server)
    return None if familiarity is None else (familiarity, float(familiarity > 0))


def _known_opening(seen: Observation) -> tuple[float, float] | None:
    """Speech begins with the same: what the device was told, half a second of before, the wake word. It says the more,
    the seldomer other uploads begin so."""
    if seen.profile is None or not seen.profile.knows_server(seen.server):
        return None
    odds = seen.profile.opening_odds(seen.shape.opening)
    return None if odds is None else (_unless_foreign(odds, seen), float(seen.shape.opening))


def _unless_foreign(likeness: float, seen: Observation) -> float:
    """An amount is like others by chance; it speaks for speech only where the pieces do not speak against it."""
    return min(likeness, 0.0) if seen.pieces is not None and seen.pieces < 0 else likeness


def _weakened(amount: float, seen: Observation) -> float:
    """What speaks for pace counts only as far as there is enough of it and it is the application's own."""
    return amount * _confidence(seen) * (_voluntary(seen) if amount > 0 else 1.0)


def _confidence(seen: Observation) -> float:
    """How much a statistic over the body is worth: from nothing at 0.15 s to all at 0.65 s, and by the writes in it."""
    shape = seen.shape
    return max(0.0, min(1.0, (shape.body - 0.15) / 0.5)) * _enough(shape)


def _enough(shape: Shape) -> float:
    """Eight writes are enough to speak of a pace; fewer, as far as they are like clockwork."""
    return max(shape.comb, min(1.0, shape.writes / 8))


def _voluntary(seen: Observation) -> float:
    """How much of the pace is the application's own, not that of the answers it waits for, nor of the line."""
    asked = _asked(seen)
    line = seen.shape.full_share * (1 - _had_room(seen))
    return (1 - 0.8 * asked) * (1 - 0.6 * line) * (1 - _recovering(seen))


def _recovering(seen: Observation) -> float:
    """How far the transport's own timer sets the pace: it repeats a segment, and sends one or two, each time it runs
    out. A poor radio repeats up to three in ten."""
    share = seen.repeats / max(seen.shape.writes, 1)
    return max(0.0, min(1.0, (share - 0.3) / 0.5))


def _asked(seen: Observation) -> float:
    """How far each piece waits for an answer. In a call both sides send often, and neither waits; whoever receives a
    stream is answered all the time, whatever it sends."""
    shape = seen.shape
    if seen.datagrams and shape.writes_per_second > 12:
        return 0.0
    stream = min(1.0, 4 * shape.body_bytes / max(seen.down_body, 1))
    return stream * max(0.0, shape.answer_share - 0.3) / 0.7


def _had_room(seen: Observation) -> float:
    """How sure it is that the line could have carried the body faster: it did so just before. A transport's first
    window leaves fast on any line, so for full-size packets the burst must be larger than that. Or it did so on
    another day."""
    shape = seen.shape
    faster = min(1.0, math.log2(max(1.0, shape.head_ratio)) / 4)
    window = max(0.0, min(1.0, (shape.head_bytes - 30_000) / 60_000))
    just_now = faster * (1 - shape.full_share * (1 - window))
    return max(just_now, _usually(seen))


def _usually(seen: Observation) -> float:
    """How much faster this line was on another day. That it was so to other servers says half as much: this one may
    take no more."""
    if seen.profile is None or not seen.lines:
        return 0.0
    there, anywhere = seen.profile.lines.get(seen.server, 0.0), max(seen.profile.lines.values(), default=0.0)
    rate = max(seen.shape.rate, 1.0)
    return max(
        share * max(0.0, min(1.0, math.log2(max(line, 1.0) / rate) / 3))
        for share, line in ((0.8, there), (0.4, anywhere))
    )


# --- sentences -----------------------------------------------------------------------------------------------------


def _host(seen: Observation) -> str:
    return seen.service.host or "this server"


def _kilobytes(amount: float) -> str:
    return f"{amount / 1000:.{0 if amount >= 10_000 else 1}f} kB"


def _server_words(seen: Observation, value: float) -> str:
    if value:
        return "This device has sent speech to this server before"
    return "All speech of this device went to other servers so far"


def _opening_words(seen: Observation, value: float) -> str:
    habits = seen.profile or DeviceProfile()
    usual = _kilobytes(habits.opening.value)
    if (habits.opening.likeness(value) or 0) > 0:
        seldom = ", and little else" if habits.telling > 2 else ""
        return f"It began with {_kilobytes(value)} at once, as speech of this device has begun before{seldom}"
    if (habits.opening_odds(int(value)) or 0) > 0:
        return (
            f"It began with {_kilobytes(value)}, nearer to the {usual} of this device's speech than anything else does"
        )
    return f"It began with {_kilobytes(value)}; speech of this device begins with about {usual}"


def _chunk_words(seen: Observation, value: float) -> str:
    if not value:
        return "This device has always sent speech in pieces of one size, and none of these is"
    return f"This device has sent speech in pieces of {value:.0f} bytes before, and some of these are"


def _rate_words(seen: Observation, value: float) -> str:
    usual = seen.profile.rate if seen.profile else Baseline()
    if (usual.likeness(value) or 0) <= 0:
        return f"This device sends speech at about {_kilobytes(usual.value)} a second; this was {_kilobytes(value)}"
    return f"This device has sent speech at {_kilobytes(value)} a second before"


def _write_words(seen: Observation, value: float) -> str:
    usual = seen.profile.write if seen.profile else Baseline()
    if (usual.likeness(value) or 0) <= 0:
        return f"This device sends speech in pieces of about {usual.value:.0f} bytes; these are of {value:.0f}"
    return f"This device has sent speech in pieces of about {value:.0f} bytes before"


ITEMS: tuple[Item, ...] = (
    Item("pace", _amount_of_pace, lambda c, v: f"For {v:.1f} s data left at one steady speed, as live sound does"),
    Item(
        "steadiness",
        _steadiness,
        lambda c, v: (
            f"The speed varied by {v:.0%} from one quarter of a second to the next"
            + (" (sound from a microphone varies little)" if v < 0.5 else "")
        ),
    ),
    Item("regular_gaps", _regular_gaps, lambda c, v: f"{v:.0%} of the pieces left at the same distance in time"),
    Item(
        "chunk_constancy",
        _chunk_constancy,
        lambda c, v: (
            f"{v:.0%} of the steady part is made of pieces of the same few sizes, mostly {c.shape.chunk} bytes"
        ),
    ),
    Item("comb", _comb, lambda c, v: f"Pieces of {v:.0f} bytes left like clockwork"),
    Item(
        "narrow_sizes",
        _narrow_sizes,
        lambda c, v: (
            "The pieces are nearly of one size, as compressed speech is"
            if v < 0.05
            else f"The pieces differ in size by {v:.0%}, as those of compressed speech may"
        ),
    ),
    Item("mixed_sizes", _mixed_sizes, lambda c, v: f"The pieces have very different sizes (they differ by {v:.0%})"),
    Item(
        "burst_then_pace",
        _burst_then_pace,
        lambda c, v: (
            f"A first burst left {v:.0f} times faster; after it the device took its time, although the line had room"
        ),
    ),
    Item(
        "full_packets",
        _full_packets,
        lambda c, v: f"{v:.0%} of the data left in the largest packets the line takes, as files and logs do",
    ),
    Item("too_fast", _too_fast, lambda c, v: f"{v / 1000:.0f} kB a second is more than a live microphone needs"),
    Item("too_slow", _too_slow, lambda c, v: f"{v / 1000:.1f} kB a second is little for understandable speech"),
    Item(
        "too_few_chunks",
        _too_few_chunks,
        lambda c, v: (
            f"Only {v:.1f} pieces a second; live sound leaves more often"
            if v
            else "No part of it left at a steady speed"
        ),
    ),
    Item(
        "asked_for_each",
        _asked_for_each,
        lambda c, v: f"{v:.0%} of the pieces were sent only after the server had answered the one before",
    ),
    Item(
        "mostly_download",
        _mostly_download,
        lambda c, v: f"{v:.0f} times as much was received at the same time: this looks like a download",
    ),
    Item(
        "amount",
        _amount,
        lambda c, v: f"{_kilobytes(v)} is {'little' if v < 16_000 else 'enough'} for a spoken request",
    ),
    Item(
        "no_opening",
        _no_opening,
        lambda c, v: f"It began with {_kilobytes(v)}, no faster than it went on; a spoken request begins with a burst",
    ),
    Item("rest", _rest, lambda c, v: f"{v / 1000:.0f} kB beside the steady part left in another way"),
    Item("bursts", _bursts, lambda c, v: f"The stream was interrupted by {v:.0f} bursts, as pictures of a camera are"),
    Item("voice_host", _role("voice"), lambda c, v: f"It went to {_host(c)}, which takes voice recordings"),
    Item("telemetry_host", _role("telemetry"), lambda c, v: f"It went to {_host(c)}, which collects usage data"),
    Item("errand_host", _errand_host, lambda c, v: f"It went to {_host(c)}, which does other errands"),
    Item(
        "new_connection",
        _new_connection,
        lambda c, v: "The connection had just been opened, and devices introduce themselves at length",
    ),
    Item("answer", _answer, lambda c, v: f"{v / 1000:.0f} kB came back right after it, like a spoken answer"),
    Item("known_server", _known_server, _server_words, habit=True),
    Item("known_opening", _known_opening, _opening_words, habit=True),
    Item("known_chunk", _known_chunk, _chunk_words, habit=True),
    Item("known_rate", _known_rate, _rate_words, habit=True),
    Item("known_write", _known_write, _write_words, habit=True),
)
